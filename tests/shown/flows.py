"""Flows, records, pictures and studies for the pages, in which nothing is symmetric and no two values are near."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from eiwflow.checkpoint import CheckpointInfo, save
from eiwflow.data import load
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from eiwflow.training.history import level_records, write_samples
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory

from ..words import spelled_out

#: Recorded steps of a made training.
STEPS = (0, 1, 10, 2510)
#: Checkpoints of the pages: data set, fields of the config, facts of the file, and the steps of a record.
FLOWS: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[int, ...]]] = {
    "faces": ("faces16", {"split": "entropy+entropy", "keep": 0.25}, {"step": 2510, "temperature": 0.8}, STEPS),
    "other": ("faces16", {"split": "variance", "keep": 0.75, "levels": 2, "steps": 3}, {"step": 30}, (0, 2, 10, 30)),
    "second": ("faces16", {"split": "variance-reversed+entropy", "levels": 2, "steps": 3}, {}, ()),
    "pooled": ("faces16", {"split": "random+pooled", "prior": "standard", "keep": 0.25}, {}, ()),
    "hats": (
        "faces16",
        {"split": "entropy+entropy", "context": 3, "keep": 0.25},
        {"labels": "hat", "classes": ("none", "variant01", "variant02")},
        (),
    ),
    "photos": ("photos32", {"split": "entropy+entropy", "steps": 1, "keep": 0.25}, {}, ()),
    "pooled-photos": ("photos32", {"split": "entropy+pooled", "steps": 1, "keep": 0.25}, {}, ()),
}


@cache
def flow(name: str) -> MultiScaleFlow:
    """Return the flow of a name, in which every part does something."""
    data, fields, *_ = FLOWS[name]
    images = torch.from_numpy(load(data).train[:64].transpose(0, 3, 1, 2).copy())
    shape = tuple(images.shape[1:])
    made = MultiScaleFlow(FlowConfig(**{"shape": shape, "levels": 3, "steps": 2, "width": 8, **spelled_out(fields)}))
    made.initialise(dequantise(images, torch.Generator().manual_seed(0)))
    return _moved(made, 0.01, 1)


@torch.no_grad()
def _moved(made: MultiScaleFlow, scale: float, seed: int) -> MultiScaleFlow:
    """Move every parameter, those of couplings and weights further: then a picture's own weights differ."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in made.named_parameters():
        far = 6 if "shuffle" in name or "coupling" in name else 1
        parameter += far * scale * torch.randn(parameter.shape, generator=generator)
    return made


@cache
def _files(name: str) -> dict[str, bytes]:
    """Return the files of a checkpoint and of its record, by their paths."""
    data, _, facts, steps = FLOWS[name]
    made = flow(name)
    with TemporaryDirectory() as root:
        path = Path(root) / f"{name}.safetensors"
        save(path, made, CheckpointInfo(config=made.config, data=data, **facts))
        if steps:
            _write_record(Path(root) / name, name, steps)
        return {str(each.relative_to(root)): each.read_bytes() for each in Path(root).rglob("*") if each.is_file()}


@torch.no_grad()
def _write_record(folder: Path, name: str, steps: tuple[int, ...]) -> None:
    """Write a record of a training that moves the flow's parameters away from those of its file, back in time."""
    (folder / "samples").mkdir(parents=True)
    made, lines = MultiScaleFlow(flow(name).config), []
    made.load_state_dict(flow(name).state_dict())
    images = torch.from_numpy(load(FLOWS[name][0]).test[:16].transpose(0, 3, 1, 2).copy())
    probe = dequantise(images, torch.Generator().manual_seed(2))
    for place, step in enumerate(reversed(steps)):
        bits = {"bits_per_dim": round(5.125 + 0.75 * place, 3), "probe_bits_per_dim": round(5.25 + 0.5 * place**2, 3)}
        clocks = {"lr": 0.001 * (place + 1), "cpu_seconds": 2.5 * step, "seconds": 2.0 * step}
        lines.append({"step": step, **bits, **clocks, "levels": level_records(made.trace(probe))})
        write_samples(folder / "samples", made, 0, step)
        _moved(made, 0.015, 2 + place)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))


def write(folder: Path, *names: str) -> None:
    """Write checkpoints into a folder, with their records."""
    for name in names:
        for path, content in _files(name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def picture(seed: int, height: int = 40, width: int = 60) -> bytes:
    """Return a smooth picture in colours as the bytes of a PNG file."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(3 * (seed + 1) * rows * (each + 1) + 5 * columns + each) for each in range(3)]
    pixels = (127 + 90 * np.stack(waves, axis=2)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def archive(count: int = 12) -> bytes:
    """Return faces, darker than those of the data set, as the bytes of an archive of images."""
    file, images = io.BytesIO(), load("faces16").test[100 : 100 + count] // 2
    np.savez(file, train=images, test=images)
    return file.getvalue()


#: Runs of the page Train by title: name, flow, steps taken and in all, what their status says, fields of the recipe.
RUNS: dict[str, tuple[str, str, int, int, str, dict[str, Any]]] = {
    "First run": ("20260103-030405-entropy-entropy-a1a1a1", "faces", 24, 24, "finished", {"flip": True}),
    "Held out": ("20260102-030405-variance-b2b2b2", "other", 12, 40, "stopped", {"validation": True, "seed": 7}),
    "Broken": ("20260101-030405-random-pooled-c3c3c3", "pooled", 5, 40, "failed", {"batch": 16}),
}


@torch.no_grad()
def write_run(root: Path, title: str) -> RunDirectory:
    """Write a run on faces with made curves, whose parameters are at their end those of a flow."""
    name, of, taken, total, status, fields = RUNS[title]
    recipe = Recipe(**{"batch": 8, **fields}, flow=flow(of).config, iterations=total, data="faces16")
    run = RunDirectory.create(root, recipe, f"python -m eiwflow train --data faces16 --iterations {total}", name)
    made, lines = MultiScaleFlow(recipe.flow), []
    made.load_state_dict(flow(of).state_dict())
    save(run.last_checkpoint, made, CheckpointInfo(config=made.config, data="faces16", step=taken))
    images = torch.from_numpy(load("faces16").test[:16].transpose(0, 3, 1, 2).copy())
    probe = dequantise(images, torch.Generator().manual_seed(2))
    for step in range(taken, 0, -1):
        bits = 4.5 + 2 / step**0.5 + 0.03 * (step % 3) + 0.1 * len(title) % 1
        clocks = {"seconds": 1.5 + 0.25 * step, "cpu_seconds": 0.5 + 0.2 * step, "step_cpu_seconds": 0.175 * step}
        line = {"step": step, "bits_per_dim": round(bits, 5), "lr": 0.002, "gradient_norm": 1.25, **clocks}
        if step in (1, 5, taken):
            line |= {
                "probe_bits_per_dim": round(bits + 0.2 - 0.01 * step, 5),
                "levels": level_records(made.trace(probe)),
            }
            write_samples(run.samples, made, 0, step)
            _moved(made, 0.015, step)
        lines.append(line)
    if status == "finished":
        lines.insert(0, {"step": taken, "test_bits_per_dim": 4.8125, "train_bits_per_dim": 4.75, "temperature": 0.7})
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    run.rename(title)
    why = {"message": "The loss is not finite.", "advice": "Lower the learning rate."} if status == "failed" else {}
    (run.path / "log.txt").write_text(f"03:04:05 running\n03:04:35 {status} at step {taken}\n")
    run.set_status(status, taken, **why)
    known = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps({**known, "memory_mib": 321.5}))
    return run
