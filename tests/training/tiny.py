"""Tiny images with structure, and the recipes, runs and checkpoints that are made of them in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eiwflow.checkpoint import CheckpointInfo
from eiwflow.data import Factor, ImageData
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.training.recipe import Recipe, Recording
from eiwflow.training.run_directory import RunDirectory
from eiwflow.training.trainer import Trainer
from tests.flow.numerics import perturb
from tests.words import spelled_out

#: What two runs of the same numbers may differ in.
CLOCKS = ("seconds", "cpu_seconds", "step_cpu_seconds")


def planes(n: int, size: int | tuple[int, int] = 8, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return n images (n, *size, channels) of slanted planes with a little noise, no two alike."""
    random = np.random.default_rng(seed)
    height, width = (size, size) if isinstance(size, int) else size
    rows, columns = np.mgrid[:height, :width][..., None] / np.array([height, width]).reshape(2, 1, 1, 1)
    heights, down, across = random.uniform(-0.3, 0.3, (3, n, 1, 1, channels))
    noise = random.normal(0, 0.01, (n, height, width, channels))
    values = 0.5 + heights + down * rows + across * columns + noise
    return (values.clip(0, 0.999) * 256).astype(np.uint8)


def tiny_data(size: int = 8, channels: int = 3, train: int = 64, test: int = 16, **fields: Any) -> ImageData:
    """Return a data set of planes."""
    return ImageData("planes", planes(train, size, channels, 1), planes(test, size, channels, 2), **fields)


def write_npz(path: Path, **sizes: int) -> Path:
    """Write a data set of planes as an ``.npz``; return its path."""
    images = tiny_data(**sizes)
    np.savez(path, train=images.train, test=images.test)
    return path


def tiny_config(**fields: Any) -> FlowConfig:
    """Return the config of a flow of two levels of one step."""
    return FlowConfig(**{"shape": (3, 8, 8), "levels": 2, "steps": 1, "width": 8, **spelled_out(fields)})


def tiny_recipe(iterations: int = 8, data: str = "planes", **fields: Any) -> Recipe:
    """Return a recipe for batches of 8; fields of the recipe go there, all others to the flow."""
    ours = {name: fields.pop(name) for name in list(fields) if name in Recipe.__dataclass_fields__}
    return Recipe(**{"batch": 8, **ours}, flow=tiny_config(**fields), iterations=iterations, data=data)


def tiny_run(root: Path, recorded: int = 48, **fields: Any) -> RunDirectory:
    """Return the directory of a run that has not begun; it will record levels and samples at so many steps."""
    command = "python -m eiwflow train"
    return RunDirectory.create(root, tiny_recipe(**fields), command, recording=Recording(recorded))


def tiny_flow(seed: int = 0, **fields: Any) -> MultiScaleFlow:
    """Return a flow in which every part does something."""
    return deepcopy(_tiny_flow(seed, **fields))


@cache
def _tiny_flow(seed: int, **fields: Any) -> MultiScaleFlow:
    flow = MultiScaleFlow(tiny_config(**fields), seed)
    flow.initialise(tiny_x(32, flow.config))
    return perturb(flow, 0.05)


def tiny_x(n: int, config: FlowConfig, seed: int = 3) -> Tensor:
    """Return n images (n, C, H, W) of planes, as the flow takes them."""
    images = torch.from_numpy(planes(n, config.shape[1:], config.shape[0], seed)).permute(0, 3, 1, 2)
    return (images.float() + 0.5) / 256 - 0.5


def tiny_info(flow: MultiScaleFlow, **fields: Any) -> CheckpointInfo:
    """Return what a checkpoint of the flow would say of itself."""
    said = {"data": "planes", "step": 7, "seed": 5, "command": "python -m eiwflow train"}
    held = {"metrics": {"test_bits_per_dim": 3.5}, "recipe": {"batch": 8}}
    return CheckpointInfo(flow.config, **{**said, **held, **fields})


def numbers(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of a run without what the clock says."""
    return [{key: value for key, value in record.items() if key not in CLOCKS} for record in records]


def all_numbers(value: Any) -> Iterator[float]:
    """Yield every number in a value as JSON has it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for entry in value:
            yield from all_numbers(entry)
    elif isinstance(value, (int, float)) and math.isfinite(value):
        yield float(value)


def same_tensors(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    """Return whether both hold the same names with the same bits."""
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def trained(steps: int, images: ImageData | None = None, **fields: Any) -> Trainer:
    """Return a trainer that has taken so many steps."""
    trainer = Trainer(tiny_recipe(**{"iterations": max(steps, 1), **fields}), images or tiny_data())
    for _ in range(steps):
        trainer.advance()
    return trainer


def labelled_data(**sizes: Any) -> ImageData:
    """Return planes whose factor ``side`` says whether they are light on the left or on the right; "" is neither."""
    images = tiny_data(**sizes)
    sides = []
    for part in (images.train, images.test):
        means = np.asarray(part, dtype=float).mean(axis=(1, 3))
        slope = means[:, -1] - means[:, 0]
        sides.append(np.where(slope > 15, "right", np.where(slope < -15, "left", "")))
    return replace(images, factors={"side": Factor(*sides), "slope": Factor(np.zeros(len(sides[0])), np.zeros(1))})
