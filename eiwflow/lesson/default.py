"""The bundled lesson: its pack is built once and shipped, so that the page opens without torch.

``python benchmarks/pack.py`` builds it again.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from .bundle import ASSETS

PACK = ASSETS / "faces16.pack"
#: The bundled flow of the lesson.
FLOW = "faces16-entropy-weighted"
DATA = "faces16"
#: Test images to choose from; the first is shown first.
SHOWN = (26, 42, 5, 16, 8, 51, 10, 57)


@lru_cache(maxsize=1)
def pack() -> bytes:
    """Return the bundled pack."""
    return PACK.read_bytes()


@lru_cache(maxsize=1)
def key() -> str:
    """Return the SHA-256 of the bundled pack."""
    return hashlib.sha256(pack()).hexdigest()
