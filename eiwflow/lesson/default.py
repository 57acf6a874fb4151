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
#: The bundled flows: that which the lesson shows, one whose half goes by position, one whose half was chosen badly.
FLOW, FIXED, BAD = "faces16-entropy-weighted", "faces16-glow", "faces16-variance-reversed"
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


def build(checkpoints: Path, studies: Path) -> bytes:
    """Return the pack of the bundled flows.

    The usual ranks, which take a minute each, are those of the shipped pack where the flows are the same.

    Args:
        checkpoints: folder of the bundled flows.
        studies: folder of the bundled studies.

    """
    from .. import checkpoint, data
    from . import build as of

    images = data.load(DATA, download=False)
    tests = data.to_tensor(images.test)
    beside = checkpoints / f"{FIXED}.safetensors"
    fixed = checkpoint.load(beside) if beside.is_file() else None
    flow = checkpoint.load(checkpoints / f"{FLOW}.safetensors")
    made = of.build(flow, tests, SHOWN, fixed)
    shipped = opened(pack())[0] if PACK.is_file() else {}
    for name, one in (("flow", flow), ("fixed", fixed)):
        if one is not None:
            before, parameters = shipped.get(name) or {}, of.parameters_hash(one.flow)
            same = before.get("usual") and before.get("parameters") == parameters
            usual = before["usual"] if same else of.usual_rank(one.flow, tests)
            made.head[name] |= {"parameters": parameters, "usual": usual}
    of.add_grain(made, images)
    made.head |= {
        "faces": True,
        "attributes": of.attribute_facts(made, flow.flow, images),
        "rivers": of.rivers(made, fixed_in_advance(checkpoints)),
        "studies": of.study_facts(studies),
    }
    return made.to_bytes()


def fixed_in_advance(checkpoints: Path) -> list[Path]:
    """Return the bundled flows whose half is fixed in advance, that of faces first."""
    return sorted(checkpoints.glob("*-variance-reversed.safetensors"), key=lambda path: path.stem != BAD)


if __name__ == "__main__":
    PACK.write_bytes(build(ASSETS.parent / "checkpoints", ASSETS.parent / "studies"))
    print(PACK)
