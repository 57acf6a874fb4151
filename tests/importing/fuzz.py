"""Spoil files of other code, and see that each is a sentence or a flow. The long form:

python -m tests.importing.fuzz 10000
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from eiwflow import checkpoint, sandbox
from eiwflow.importing import child

from .models import Normflows, Rosinality, Y0ast

#: Bytes and processor seconds for one file, far more than a sound one takes.
MEMORY, CPU_S = 2**30, 20
OPTIONS = {
    "y0ast": {},
    "rosinality": {"size": 8, "bits": 5},
    "normflows": {"scale_map": "sigmoid"},
}


def models() -> dict[str, dict[str, torch.Tensor]]:
    """Return a small sound state dict of every kind."""
    small: dict[str, Any] = {"channels": 1, "levels": 2, "steps": 1, "side": 8}
    return {
        "y0ast": Y0ast(**small).state,
        "rosinality": Rosinality(**small).state,
        "normflows": Normflows(**small).state,
    }


def spoilt_tensors(state: dict[str, torch.Tensor], dice: random.Random) -> dict[Any, Any]:
    """Return a state dict with one to three of its entries changed."""
    state = dict(state)
    for _ in range(dice.randint(1, 3)):
        name = dice.choice(sorted(map(str, state)))
        value = state.get(name)
        tensor = value if isinstance(value, torch.Tensor) else torch.zeros(2)
        change = dice.choice([
            lambda t: t.reshape(-1, 1),
            lambda t: t.flatten(),
            lambda t: t[None],
            lambda t: t * float("nan"),
            lambda t: t * 1e30,
            lambda t: torch.zeros_like(t),
            lambda t: t.half(),
            lambda t: t.bool(),
            lambda t: t.to(torch.complex64),
            lambda t: t.to_sparse(),
            lambda t: torch.zeros(1).expand(2**20, 2**15),
            lambda t: t.flatten()[:0],
            lambda t: "text",
            lambda t: [t, t],
            lambda t: {"deep": t},
            lambda t: None,
            lambda t: 10**400,
        ])  # fmt: skip
        with suppress(RuntimeError, NotImplementedError):  # what cannot be done to a tensor changed before
            state[name] = change(tensor)
        if dice.random() < 0.3:
            state[name.replace(*dice.choice([("0", "1"), ("0", "9999999"), ("1", "-1"), (".", "..")]))] = state[name]
        if dice.random() < 0.3:
            del state[name]
    return state


def spoilt_bytes(content: bytes, dice: random.Random) -> bytes:
    """Return a file with a few of its bytes changed."""
    changed = bytearray(content)
    for _ in range(dice.choice([1, 1, 1, 5, 50])):
        # Names and pickles stand at the beginning, the directory of the archive at the end.
        at = dice.choice([dice.randrange(len(content)), dice.randrange(3000), len(content) - 1 - dice.randrange(3000)])
        if not changed:
            break
        at = max(0, min(at, len(changed) - 1))
        kind = dice.randrange(4)
        if kind == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            changed[at : at + dice.randrange(9)] = b""
        elif kind == 2:
            changed[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff"])
        else:
            del changed[at:]
            changed += b"\x00" * dice.randrange(3)
    return bytes(changed)


def file_of(number: int, sound: dict[str, dict[str, torch.Tensor]], dice: random.Random) -> tuple[str, bytes]:
    """Return a kind and a spoilt file of it."""
    kind = dice.choice(sorted(sound))
    state = sound[kind] if number % 2 else spoilt_tensors(sound[kind], dice)
    holder: object = dice.choice([state, {"model": state, "epoch": 3}, {"optim": {}, "graph": state}])
    written = io.BytesIO()
    torch.save(holder, written, _use_new_zipfile_serialization=dice.random() < 0.8)
    content = written.getvalue()
    return kind, spoilt_bytes(content, dice) if number % 2 else content


def answer(kind: str, content: bytes, folder: Path) -> str:
    """Return what becomes of a file: ``sentence``, ``flow`` or ``limit``, or what is wrong with the answer."""
    source, out = folder / "file.pt", folder / "flow.safetensors"
    source.write_bytes(content)
    out.unlink(missing_ok=True)
    request = {
        "source": str(source), "name": "file.pt", "out": str(out), "memory": MEMORY, "cpu_s": CPU_S,
        "options": {"kind": None, "size": None, "bits": None, "scale_map": None, **OPTIONS[kind]},
    }  # fmt: skip
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sandbox.bound(MEMORY, CPU_S)
        os.write(writing, json.dumps({"refusal": child.run(request)}).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "limit"  # the process that asks says so in a sentence
    if status or not text:
        return f"the child ended with {status} and said {text!r}"
    refusal = json.loads(text)["refusal"]
    if refusal is None:
        flow = checkpoint.load(out).flow
        flow.log_prob(torch.zeros(1, *flow.config.shape))
        return "flow"
    if out.exists() or "\n" in refusal or len(refusal) > 600 or not refusal.endswith("."):
        return f"no sentence: {refusal!r}"
    return "sentence"


def fuzz(files: int, seed: int = 0) -> Counter[str]:
    """Return how often each answer was given."""
    torch.set_num_threads(1)
    sound, dice, found = models(), random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            found[answer(*file_of(number, sound, dice), Path(folder))] += 1
    return found


if __name__ == "__main__":
    answers = fuzz(int(sys.argv[1]), *map(int, sys.argv[2:]))
    print(json.dumps(answers, indent=2))
    sys.exit(bool(answers.keys() - {"sentence", "flow", "limit"}))
