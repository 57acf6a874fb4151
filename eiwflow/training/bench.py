"""Time the flow's work in process CPU seconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..checkpoint import outline
from ..flow import FlowConfig, MultiScaleFlow
from ..flow.bijection import round_trip_error
from .memory import channels_last, keep_freed_memory
from .optimiser import optimisers
from .recipe import Recipe
from .run_directory import peak_memory_mib

#: Number of timings whose median is a figure, and of timings of a step that is compared with other steps.
REPEATS, COST_REPEATS = 7, 25


def bench(config: FlowConfig, batch: int, seed: int = 0) -> dict[str, Any]:
    """Return medians of process CPU seconds for one batch, timed in turns.

    The train step is zero_grad, forward, backward and the default optimiser on one fixed float batch.
    """
    outline(config)
    keep_freed_memory()
    generator = torch.Generator().manual_seed(seed)
    x = noise(config, batch, generator)
    flow = initialised(config, x, seed)

    @torch.no_grad()
    def log_prob() -> None:
        flow.log_prob(x)

    @torch.no_grad()
    def sample() -> None:
        flow.sample(batch, 0.7, generator)

    times = timed({"train_step": train_step(flow, x), "log_prob": log_prob, "sample": sample})
    with torch.no_grad():
        round_trip = round_trip_error(flow.decode(flow.encode(x)), x).max_abs
    return {
        "parameters": flow.parameter_count(),
        **{f"{name}_cpu_s": statistics.median(seconds) for name, seconds in times.items()},
        "round_trip_max_abs": round_trip,
        "peak_rss_mib": peak_memory_mib(),
        "threads": torch.get_num_threads(),
        "batch": batch,
        "config": flow.config.to_dict(),  # keep="auto" has chosen
    }


def seconds_per_step(
    configs: dict[str, FlowConfig], batch: int, optimiser: str = Recipe.optimiser, images: Tensor | None = None
) -> dict[str, float]:
    """Return the median process CPU seconds of a training step of every config, timed in turns.

    In turns, so that a change of the machine's speed falls on all of them. The flows are initialised on ``images``
    (N, C, H, W), dequantised, since with ``keep="auto"`` these decide how large the flow is; by default on noise.
    """
    generator = torch.Generator().manual_seed(0)
    steps = {}
    for name, config in configs.items():
        x = noise(config, batch, generator) if images is None else images
        steps[name] = train_step(initialised(config, x, seed=0), x[torch.arange(batch) % len(x)], optimiser)
    return {name: statistics.median(seconds) for name, seconds in timed(steps, COST_REPEATS).items()}


def noise(config: FlowConfig, batch: int, generator: torch.Generator) -> Tensor:
    """Return x (batch, C, H, W) of uniform noise for a flow."""
    x = torch.rand(batch, *config.shape, generator=generator) - 0.5
    return x.contiguous(memory_format=torch.channels_last)


def initialised(config: FlowConfig, x: Tensor, seed: int) -> MultiScaleFlow:
    """Return a flow that is initialised on x (N, C, H, W)."""
    flow = MultiScaleFlow(config, seed)
    flow.initialise(x)
    return channels_last(flow)  # afterwards, since keep="auto" rebuilds parts


def train_step(flow: MultiScaleFlow, x: Tensor, optimiser: str = Recipe.optimiser) -> Callable[[], None]:
    """Return a training step of a flow on one batch."""
    steppers = optimisers(flow, optimiser, lr=1e-4)

    def step() -> None:
        flow.zero_grad(set_to_none=True)
        (-flow.log_prob(x).mean() / flow.config.dimensions).backward()
        for stepper in steppers:
            stepper.step()

    return step


def timed(works: Mapping[str, Callable[[], None]], repeats: int = REPEATS) -> dict[str, list[float]]:
    """Return the process CPU seconds of each work, timed in turns after a first turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            started = time.process_time()
            work()
            # The first turn warms caches and the allocator.
            if turn:
                times[name].append(time.process_time() - started)
    return times
