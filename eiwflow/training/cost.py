"""The cost of a training before it starts: its time, measured on a few steps, and its memory, estimated."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .. import data
from ..checkpoint import parameter_count
from ..data import ImageData
from ..data.images import free_memory
from ..flow import ConfigError, FlowConfig
from ..flow.score import activation_bytes, score, work
from .history import PROBE_IMAGES, level_records, sample_montage
from .presets import PRESETS, preset_settings
from .recipe import Recipe, recording_steps
from .trainer import Trainer

WARM_UP, TIMED = 2, 5
#: Seconds until the first step: the process, torch, the data.
START_S = 4.0
#: Share of a forward pass in the time of a training step.
FORWARD = 0.35
#: The constants of :func:`memory_bytes`, fitted to the saved tensors and the peak memory of flows of many sizes.
_PROCESS, _STATES, _FEATURES, _HIDDEN, _PASSING, _PROBE = 380 * 2**20, 13, 4.0, 1.8, 1.2, 25
#: Share of the free memory that a training may take.
ROOM = 0.9


@dataclass(frozen=True)
class Timing:
    """Seconds of a recipe's parts on a device, with torch's present number of threads.

    Attributes:
        recipe: that was timed.
        step_s: a training step, median.
        recording_s: the additional work of a recording step.

    """

    recipe: Recipe
    step_s: float
    recording_s: float

    def step_of(self, recipe: Recipe) -> float:
        """Return the seconds a step of another recipe would take at the same rate of multiplications."""
        return self.step_s * work(recipe.flow) * recipe.batch / (work(self.recipe.flow) * self.recipe.batch)

    def seconds(self, recipe: Recipe, test_images: int) -> float:
        """Return the seconds that a recipe takes from start to end, estimated from this timing."""
        step, images = self.step_of(recipe), 2 * test_images
        recording = self.recording_s * work(recipe.flow) / work(self.recipe.flow)
        scoring = FORWARD * step * images / recipe.batch
        return START_S + recipe.iterations * step + len(recording_steps(recipe.iterations)) * recording + scoring


#: For an analysis: bytes of the process itself, and multiplications a second.
_LOOK_PROCESS, _LOOK_RATE = 800 * 2**20, 2e10


def time_steps(recipe: Recipe, images: ImageData, device: torch.device) -> Timing:
    """Time a few training steps of a recipe, and discard them."""
    trainer = Trainer(recipe, images, device)
    steps = [_seconds(trainer.advance, device) for _ in range(WARM_UP + TIMED)][WARM_UP:]
    probe = trainer.batch(0, min(PROBE_IMAGES, len(trainer.train_images)))

    def record() -> None:
        level_records(trainer.average.trace(probe))
        sample_montage(trainer.average, recipe.seed)
        score(trainer.average, trainer.test_images[:PROBE_IMAGES])

    return Timing(recipe, statistics.median(steps), _seconds(record, device))


def _seconds(doing: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of some work; on a CPU the process time per thread, which other processes do not change."""
    if device.type == "cpu":
        started = time.process_time()
        doing()
        return (time.process_time() - started) / torch.get_num_threads()
    started = time.perf_counter()
    doing()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def preset_recipe(preset: str) -> Recipe:
    """Return the recipe of a preset on its own data set."""
    settings = preset_settings(preset)
    size = settings.pop("size")
    flow = {name: settings.pop(name) for name in ("levels", "steps", "width")}
    return Recipe(flow=FlowConfig(shape=(3, size, size), **flow), **settings)


def time_presets(device: torch.device) -> dict[str, tuple[float, float, float]]:
    """Return seconds a step, a recording step and in all of every preset; presets of one flow are timed once."""
    timings: dict[FlowConfig, Timing] = {}
    times = {}
    for preset in PRESETS:
        recipe = preset_recipe(preset)
        images = data.load(recipe.data, multiple=2**recipe.flow.levels, download=False)
        if recipe.flow not in timings:
            timings[recipe.flow] = time_steps(recipe, images, device)
        timing = timings[recipe.flow]
        times[preset] = timing.step_s, timing.recording_s, timing.seconds(recipe, len(images.test))
    return times


def look(flow: FlowConfig, images: int) -> tuple[int, float]:
    """Return rough estimates of the bytes and CPU seconds that analysing images with a flow takes.

    Bytes are those of the widest level's hidden layers for all images, and of the process; seconds assume one rate of
    multiplications. Fitted
    to one case, 64 images of 3×256×256, 8 steps, width 256, which took 3.2 GB and 49 s; not checked against others.
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


def main() -> None:
    """Print the times of the presets as JSON, for a process that has no training's memory."""
    print(json.dumps(time_presets(torch.device(sys.argv[1]))))


if __name__ == "__main__":
    main()
