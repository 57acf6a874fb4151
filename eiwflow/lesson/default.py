"""The bundled lesson: its pack is built once and shipped, so that the page opens without torch.

``python -m eiwflow.lesson.default`` builds it again.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from .bundle import ASSETS
from .pack import opened

PACK = ASSETS / "faces16.pack"
#: The bundled flow that the lesson shows, and the one whose half is fixed in advance.
FLOW, FIXED = "faces16-weighted", "faces16-static-last"
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


@lru_cache(maxsize=1)
def flow_name() -> str:
    """Return the name of the flow in the bundled pack."""
    return str(opened(pack())[0]["flow"]["name"])


def build(folder: Path, ranked: int | None = None) -> bytes:
    """Return the pack of the bundled flows in a folder of checkpoints."""
    from .. import checkpoint, data
    from . import build as of

    images = data.to_tensor(data.load(DATA, download=False).test)
    beside = folder / f"{FIXED}.safetensors"
    fixed = checkpoint.load(beside) if beside.is_file() else None
    flow = checkpoint.load(folder / f"{FLOW}.safetensors")
    return of.build(flow, images, SHOWN, fixed, of.RANKED if ranked is None else ranked).to_bytes()


if __name__ == "__main__":
    PACK.write_bytes(build(ASSETS.parent / "checkpoints"))
    print(PACK)
