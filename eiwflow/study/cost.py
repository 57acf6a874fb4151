"""The cost of a training step of every kind of arm, for studies at equal time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

import torch

from ..data import ImageData
from ..training.execution import Execution
from ..training.recipe import Recipe
from ..training.stopwatch import Stopwatch
from ..training.trainer import Trainer
from .foreign import ForeignTraining

#: Number of timings whose median is a cost.
REPEATS = 25


def seconds_per_step(steps: Mapping[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Return the median seconds of every step, CPU seconds or the GPU's own, timed in turns.

    In turns, so that a change of the machine's speed falls on all of them. The first turn warms caches and is left out.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(REPEATS + 1):
        for name, step in steps.items():
            with Stopwatch(device) as watch:
                step()
            if turn:
                times[name].append(watch.seconds)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def step_of(recipe: Recipe, source: str, images: ImageData, device: torch.device) -> Callable[[], object]:
    """Return a function that takes a training step of a recipe, of ours or of a flow of one's own."""
    training = ForeignTraining(recipe, source, images, device) if source else Trainer(recipe, images, Execution(device))
    return training.advance
