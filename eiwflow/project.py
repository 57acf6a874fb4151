"""Where the app, its pages and the assets lie: beside the package in a checkout, inside it once installed."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "site"
#: The folder of ``app.py``, ``pages``, ``assets`` and ``.streamlit``.
ROOT = _INSTALLED if (_INSTALLED / "app.py").is_file() else _PACKAGE.parent
ASSETS = ROOT / "assets"
CHECKPOINTS = ASSETS / "checkpoints"

#: The names that bundled flows had in version 0.1, and those they have now: data set, order, channel weights.
RENAMED = {
    f"{data}-{old}": f"{data}-{new}"
    for data, names in {
        "faces16": {"weighted": "entropy-weighted", "static-last": "variance-reversed"},
        "letters32": {"weighted": "entropy-weighted", "static-last": "variance-reversed"},
        "photos32": {
            "weighted": "entropy-weighted",
            "shuffle": "entropy",
            "static-first": "variance",
        },
    }.items()
    for old, new in names.items()
}


def renamed(path: Path) -> Path:
    """Return the file of a bundled flow where ``path`` names it as it was called before, else the path itself."""
    new = RENAMED.get(path.stem)
    if new is None or os.path.lexists(path) or os.path.abspath(path.parent) != str(CHECKPOINTS):
        return path
    return path.with_stem(new)
