"""The lesson's pack of made flows, its homework and its questions stand on file, and any change of one is seen.

The files say nothing about whether a figure is right: the tests in tests/lesson work that out. A change that is meant
rewrites the files.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eiwflow import data
from eiwflow.checkpoint import Checkpoint, CheckpointInfo
from eiwflow.data import ImageData
from eiwflow.flow import FlowConfig
from eiwflow.lesson import bundle, default, homework
from eiwflow.lesson.build import build_for
from eiwflow.lesson.pack import Pack, opened
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

from .. import WHOLE
from . import kit
from .shown import approved

ROOT, NODE = Path(__file__).resolve().parents[2], shutil.which("node")


def content(pack: Pack) -> Any:
    """Return a pack's JSON, in which arrays stand in the place of references to them."""
    head, blobs = opened(pack.to_bytes())

    def resolved(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {"at", "shape"}:
            count = int(np.prod(value["shape"], initial=1))
            return np.frombuffer(blobs, "<f4", count, value["at"]).reshape(value["shape"])
        if isinstance(value, dict) and value.keys() == {"at", "size"}:
            return np.frombuffer(blobs, np.uint8, value["size"], value["at"])
        if isinstance(value, dict):
            return {key: resolved(entry) for key, entry in value.items() if key != "parameters"}
        return [resolved(entry) for entry in value] if isinstance(value, list) else value

    return resolved(head)


def in_short(level: dict[str, Any]) -> dict[str, Any]:
    """Return a level with the parameters of each of its steps as one array."""

    def arrays(value: Any) -> list[np.ndarray]:
        if isinstance(value, np.ndarray):
            return [value.ravel()]
        entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [array for entry in entries for array in arrays(entry)]

    steps = [np.concatenate(arrays(step)) for step in level["steps"]]
    first = level["steps"][0]
    sizes = [
        f"{layer['kernel']}: {layer['inputs']} to {layer['outputs']}, pad {layer['pad']}" for layer in first["network"]
    ]
    return {
        **level,
        "steps": {f"step {number}": step for number, step in enumerate(steps)},
        "network": " | ".join(sizes),
    }


def test_pack_of_a_flow_of_faces() -> None:
    recipe = Recipe(
        flow=FlowConfig(shape=(3, 16, 16), levels=2, steps=2, width=8), data="faces16", batch=16, iterations=3, seed=4
    )
    trainer = Trainer(recipe, data.load("faces16", download=False))
    for _ in range(3):
        trainer.advance()
    settings = {key: value for key, value in recipe.to_dict().items() if key not in ("flow", "classes")}
    info = CheckpointInfo(recipe.flow, "faces16", 3, 4, recipe=settings, temperature=0.834)
    pack = build_for(Checkpoint("own.safetensors", trainer.flow.eval().requires_grad_(False), info, ""))
    found = content(pack)
    found["studies"] = [
        f"{study['data']} {study['iterations']}: {len(study['rungs'])} rungs, the last {study['rungs'][-1]}"
        for study in found["studies"]
    ]
    found["flow"]["levels"] = [in_short(level) for level in found["flow"]["levels"]]
    found["before"]["level"] = in_short(found["before"]["level"])
    found["attributes"] = found["attributes"][::3]
    approved("lesson-faces", kit.text_of(found))


def test_pack_of_other_flows() -> None:
    found = {}
    for name, fields in {
        "letters, small": {"shape": (3, 8, 8), "levels": 2, "weights": "pooled"},
        "grey": {"shape": (1, 16, 16), "weights": "means", "coupling": "sigmoid"},
    }.items():
        source = data.load_test("letters32" if "letters" in name else "faces16")
        images = ImageData(
            name, source.test[:200, :8, 4:12] if "letters" in name else source.test[:200, :, :, 1:2], source.test[:1]
        )
        flow = kit.flow(images=images, **fields).requires_grad_(False)
        info = CheckpointInfo(flow.config, "letters32" if "letters" in name else "")
        head = content(build_for(Checkpoint(f"{name}.safetensors", flow, info, ""), whole=False))
        found[name] = {key: head[key] for key in head if key != "flow"}
        found[name]["flow"] = {key: value for key, value in head["flow"].items() if key != "levels"}
        found[name]["level 1"] = in_short(head["flow"]["levels"][0])
    approved("lesson-others", kit.text_of(found))


def test_homework() -> None:
    head, blobs = opened(default.pack())
    lines = []
    for question in homework.QUESTIONS:
        lines += [question.text, f"  {question.link('https://school.example/lesson')}", f"  {question.answer(head)}"]
    lines += [
        f"bundled pack: {', '.join(head)}; {len(blobs)} bytes; shown {[image['number'] for image in head['images']]}"
    ]
    lines += [f"page: {len(bundle.script('offline.js').splitlines()) > 1000} and {bundle.style().count('{') > 100}"]
    approved("lesson-homework", "\n".join(lines))


@pytest.mark.skipif(NODE is None and not WHOLE, reason="node runs the lesson's JavaScript, and it is not installed")
def test_what_the_playground_and_trials_draw_and_say() -> None:
    script = ROOT / "tests" / "lesson" / "words.mjs"
    done = subprocess.run([NODE or "node", str(script), str(ROOT)], capture_output=True, text=True, check=True)
    approved("lesson-words", done.stdout.replace("\u00a0", " "))
