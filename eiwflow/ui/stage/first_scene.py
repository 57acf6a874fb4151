"""The words of the front page, and the addresses of its first scene. Needs no torch."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from ...lesson import bundle, default

TITLE = "See inside a multi-scale normalizing flow"
WHAT = "A flow turns pictures into noise and noise into pictures, exactly. Change the noise, and watch the face."
#: Below the app's own address. The script asks for the pack beside it.
FOLDER, SCRIPT = "_lesson", "home.js"


def script() -> str:
    """Return the relative address of the scene's script, which differs between versions."""
    return f"{FOLDER}/{SCRIPT}?{_version()}"


def pack() -> str:
    """Return the relative address of the bundled lesson's pack."""
    return f"{FOLDER}/{default.PACK.name}?{_version()}"


@lru_cache(maxsize=1)
def _version() -> str:
    return "v=" + hashlib.sha256((bundle.script(SCRIPT) + default.key()).encode()).hexdigest()[:12]
