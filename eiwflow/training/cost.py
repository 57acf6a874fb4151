"""The memory that a training takes, and the cost of looking at a flow, estimated before they start."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..checkpoint import parameter_count
from ..data.images import free_memory
from ..flow import ConfigError, FlowConfig
from ..flow.score import activation_bytes, work
from .history import PROBE_IMAGES
from .recipe import Recipe

#: The constants of :func:`memory_bytes`, fitted to the saved tensors and the peak memory of flows of many sizes.
_PROCESS, _STATES, _FEATURES, _HIDDEN, _PASSING, _PROBE = 380 * 2**20, 13, 4.0, 1.8, 1.2, 25
#: Share of the free memory that a training may take.
ROOM = 0.9


#: For an analysis: bytes of the process itself, and multiplications a second.
_LOOK_PROCESS, _LOOK_RATE = 800 * 2**20, 2e10


def look(flow: FlowConfig, images: int) -> tuple[int, float]:
    """Return rough estimates of the bytes and CPU seconds that analysing images with a flow takes.

    Bytes are those of the widest level's hidden layers for all images, and of the process; seconds assume one rate of
    multiplications. Fitted to one case: 64 images of 3×256×256, 8 steps, width 256 took 3.2 GB and 49 s.
    """
    return images * activation_bytes(flow) + _LOOK_PROCESS, images * work(flow) / _LOOK_RATE


def memory_bytes(recipe: Recipe, processes: int = 1) -> int:
    """Return an estimate, good to about a fifth, of the memory that a training takes at its peak.

    It adds up the activations kept for gradients (4.0 numbers a feature and 1.8 a hidden unit, for every image), the
    flow's states (weights, averages, gradients, moments, and their copies while they are saved), the images of the
    recording steps, and the process. Each of several ``processes`` holds its part of the batch, and if the recipe
    accumulates, one piece of that part at a time. With ``memory="recompute"`` every step of a level keeps its input,
    and a single one keeps its activations.
    """
    features = hidden = inputs = 0
    stored = recipe.flow.memory == "store"
    steps = recipe.flow.steps if stored else 1
    for level in range(1, recipe.flow.levels + 1):
        channels, height, width = recipe.flow.level_shape(level)
        features += steps * channels * height * width
        hidden += steps * recipe.flow.width * height * width
        inputs += 0 if stored else recipe.flow.steps * channels * height * width
    kept = (
        recipe.batch / (recipe.accumulate * processes) * (_FEATURES * features + _HIDDEN * hidden + inputs) * _PASSING
    )
    probe = _PROBE * PROBE_IMAGES * recipe.flow.dimensions
    return _PROCESS + int(4 * (kept + probe + _STATES * parameter_count(recipe.flow)))


def check_memory(recipe: Recipe, device: torch.device, processes: int = 1) -> int:
    """Return the estimate of :func:`memory_bytes`; refuse a training that the device has no room for."""
    needed, free = memory_bytes(recipe, processes), free_bytes(device)
    if needed > ROOM * free:
        alone = replace(recipe, accumulate=1)
        of_one, two = (memory_bytes(replace(alone, batch=batch)) for batch in (1, 2))
        fitting = 1 + int((ROOM * free - of_one) // (two - of_one))
        way = (
            f"a batch of at most {fitting} would fit, or --accumulate with parts of as many"
            if fitting >= 1
            else "make the flow or its images smaller"
        )
        raise ConfigError(
            f"This needs about {needed / 2**30:.1f} GiB; {device} has {free / 2**30:.1f} GiB free. "
            f"With batch {recipe.batch} it is too much: {way}."
        )
    return needed


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device, in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_memory()
