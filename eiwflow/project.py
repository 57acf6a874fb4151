"""Paths of the app, its pages and the assets: beside the package in a checkout, inside it once installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "site"
#: The folder of ``app.py``, ``pages``, ``assets`` and ``.streamlit``.
ROOT = _INSTALLED if (_INSTALLED / "app.py").is_file() else _PACKAGE.parent
ASSETS = ROOT / "assets"
CHECKPOINTS = ASSETS / "checkpoints"
