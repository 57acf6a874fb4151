"""Time the flow's work in process CPU seconds, beside its floor: the coupling networks' convolutions alone."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..checkpoint import outline
from ..flow import FlowConfig, MultiScaleFlow

#: Timings a figure is the median of.
REPEATS = 7


def bench(config: FlowConfig, batch: int, seed: int = 0) -> dict[str, Any]:
    """Return medians of process CPU seconds for one batch.

    The train step is zero_grad, forward, backward and the optimiser on one fixed float batch; ``convolutions_cpu_s``
    (forward + backward) and ``convolutions_forward_cpu_s`` are the coupling networks alone, in the same batch size,
    memory format and thread. All are timed in turns, so that a change of the machine's speed falls on each.

    Raises:
        ConfigError: the flow is too large for a checkpoint.

    """
    outline(config)
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(batch, *config.shape, generator=generator) - 0.5).contiguous(memory_format=torch.channels_last)
    flow = MultiScaleFlow(config, seed).to(memory_format=torch.channels_last)
    flow.initialise(x)
    optimiser = torch.optim.AdamW(flow.density_parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    inputs = _network_inputs(config, batch, generator)

    def train_step() -> None:
        optimiser.zero_grad(set_to_none=True)
        (-flow.log_prob(x).mean() / config.dimensions).backward()
        optimiser.step()

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

    works = {work.__name__: work for work in (train_step, log_prob, sample, convolutions, convolutions_forward)}
    medians = _medians(works)
    with torch.no_grad():
        round_trip = (flow.decode(flow.encode(x)) - x).abs().max().item()
    return {
        "parameters": flow.parameter_count(),
        **{f"{name}_cpu_s": median for name, median in medians.items()},
        "round_trip_max_abs": round_trip,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "config": config.to_dict(),
    }


def _networks(flow: MultiScaleFlow) -> list[torch.nn.Module]:
    return [step.coupling.network for level in flow.levels for step in level.steps]


def _network_inputs(config: FlowConfig, batch: int, generator: torch.Generator) -> list[Tensor]:
    inputs = []
    for number in range(1, config.levels + 1):
        channels, height, width = config.level_shape(number)
        for _ in range(config.steps):
            entry = torch.randn(batch, channels // 2, height, width, generator=generator)
            inputs.append(entry.contiguous(memory_format=torch.channels_last).requires_grad_())
    return inputs


def _medians(works: dict[str, Callable[[], None]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(REPEATS + 1):
        for name, work in works.items():
            started = time.process_time()
            work()
            # The first turn warms caches and the allocator.
            if turn:
                times[name].append(time.process_time() - started)
    return {name: statistics.median(seconds) for name, seconds in times.items()}
