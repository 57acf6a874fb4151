"""Time the flow's work in process CPU seconds, beside its floor: the coupling networks' convolutions alone."""

from __future__ import annotations

import dataclasses
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
    """Return medians of process CPU seconds for one batch.

    The train step is zero_grad, forward, backward and the default optimiser on one fixed float batch;
    ``convolutions_cpu_s`` (forward + backward) and ``convolutions_forward_cpu_s`` are the coupling networks alone, in
    the same batch size, memory format and thread. ``split_ratio`` is the step's time as a multiple of the same flow's
    with a static split, ``null_ratio`` that of two flows with the same static split: the effect of the machine's noise
    alone. All are timed in turns, so that a change of the machine's speed falls on each.

    Raises:
        ConfigError: the flow is too large for a checkpoint.

    """
    outline(config)
    keep_freed_memory()
    generator = torch.Generator().manual_seed(seed)
    x = _images(config, batch, generator)
    flow = _flow(config, x, seed)
    config = flow.config  # keep="auto" has chosen
    static = dataclasses.replace(config, order="random", weights="none")
    inputs = _network_inputs(config, batch, generator)

    @torch.no_grad()
    def log_prob() -> None:
        flow.log_prob(x)

    @torch.no_grad()
    def sample() -> None:
        flow.sample(batch, 0.7, generator)

    def convolutions() -> None:
        for module, entry in zip(_networks(flow), inputs, strict=True):
            entry.grad = None
            module(entry).sum().backward()

    @torch.no_grad()
    def convolutions_forward() -> None:
        for module, entry in zip(_networks(flow), inputs, strict=True):
            module(entry)

    times = _timed(
        {
            "train_step": _train_step(flow, x),
            "static_step": _train_step(_flow(static, x, seed), x),
            "null_step": _train_step(_flow(static, x, seed), x),
            "log_prob": log_prob,
            "sample": sample,
            "convolutions": convolutions,
            "convolutions_forward": convolutions_forward,
        }
    )
    timed = ("train_step", "log_prob", "sample", "convolutions", "convolutions_forward")
    with torch.no_grad():
        round_trip = round_trip_error(flow.decode(flow.encode(x)), x).max_abs
    return {
        "parameters": flow.parameter_count(),
        **{f"{name}_cpu_s": statistics.median(times[name]) for name in timed},
        "split_ratio": _ratio(times["train_step"], times["static_step"]),
        "null_ratio": _ratio(times["null_step"], times["static_step"]),
        "round_trip_max_abs": round_trip,
        "peak_rss_mib": peak_memory_mib(),
        "threads": torch.get_num_threads(),
        "batch": batch,
        "config": config.to_dict(),
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
        x = _images(config, batch, generator) if images is None else images
        steps[name] = _train_step(_flow(config, x, seed=0), x[torch.arange(batch) % len(x)], optimiser)
    return {name: statistics.median(seconds) for name, seconds in _timed(steps, COST_REPEATS).items()}


def _images(config: FlowConfig, batch: int, generator: torch.Generator) -> Tensor:
    x = torch.rand(batch, *config.shape, generator=generator) - 0.5
    return x.contiguous(memory_format=torch.channels_last)


def _flow(config: FlowConfig, x: Tensor, seed: int) -> MultiScaleFlow:
    flow = MultiScaleFlow(config, seed)
    flow.initialise(x)
    return channels_last(flow)  # afterwards, since keep="auto" rebuilds parts


def _train_step(flow: MultiScaleFlow, x: Tensor, optimiser: str = Recipe.optimiser) -> Callable[[], None]:
    steppers = optimisers(flow, optimiser, lr=1e-4)

    def train_step() -> None:
        flow.zero_grad(set_to_none=True)
        (-flow.log_prob(x).mean() / flow.config.dimensions).backward()
        for stepper in steppers:
            stepper.step()

    return train_step


def _networks(flow: MultiScaleFlow) -> list[torch.nn.Module]:
    return [coupling.network for coupling in flow.couplings()]


def _network_inputs(config: FlowConfig, batch: int, generator: torch.Generator) -> list[Tensor]:
    inputs = []
    for number in range(1, config.levels + 1):
        channels, height, width = config.level_shape(number)
        inputs += [_entry(batch, (channels // 2, height, width), generator) for _ in range(config.steps)]
    return inputs


def _entry(batch: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    entry = torch.randn(batch, *shape, generator=generator)
    return entry.contiguous(memory_format=torch.channels_last).requires_grad_()


def _timed(works: Mapping[str, Callable[[], None]], repeats: int = REPEATS) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            started = time.process_time()
            work()
            # The first turn warms caches and the allocator.
            if turn:
                times[name].append(time.process_time() - started)
    return times


def _ratio(times: list[float], others: list[float]) -> float:
    return statistics.median(time / other for time, other in zip(times, others, strict=True))
