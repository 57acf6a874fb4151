"""Time a flow's step, score and samples beside its floor, the coupling networks' convolutions, and a static split.

    python benchmarks/flow.py                   # the bundled policies' flow of 3 × 8 steps, width 64
    python benchmarks/flow.py --order random    # another order

The ratio of a split to a static one stands beside the ratio of two flows with the same static split: the effect of the
machine's noise alone. All are timed in turns, so that a change of the machine's speed falls on each.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.training.memory import channels_last, keep_freed_memory
from eiwflow.training.optimiser import optimisers
from eiwflow.training.recipe import Recipe

#: Number of timings whose median is a figure.
REPEATS = 7


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("order", "weights", "init"):
        parser.add_argument(f"--{name}", default=getattr(FlowConfig, name))
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    config = FlowConfig(order=options.order, weights=options.weights, init=options.init)
    static = dataclasses.replace(config, order="random", weights="none")
    generator = torch.Generator().manual_seed(0)
    x = noise(config, options.batch, generator)
    flow = initialised(config, x, 0)

    @torch.no_grad()
    def log_prob() -> None:
        flow.log_prob(x)

    @torch.no_grad()
    def sample() -> None:
        flow.sample(options.batch, 0.7, generator)

    works = {
        "train step": train_step(flow, x),
        "log_prob": log_prob,
        "sample": sample,
        "convolutions": convolutions(flow, options.batch, generator),
        "static": train_step(initialised(static, x, 0), x),
        "static again": train_step(initialised(static, x, 0), x),
    }
    times = timed(works)
    for name, seconds in times.items():
        print(f"{name:<14}{1000 * statistics.median(seconds):8.1f} ms")
    for name, other in (("train step", "convolutions"), ("train step", "static"), ("static again", "static")):
        ratio = statistics.median(one / two for one, two in zip(times[name], times[other], strict=True))
        print(f"{name} over {other}: {ratio:.3f}")


def convolutions(flow: MultiScaleFlow, batch: int, generator: torch.Generator) -> Callable[[], None]:
    """Return the work of the coupling networks of a flow alone, forward and backward."""
    networks = [coupling.network for coupling in flow.couplings()]
    inputs: list[Tensor] = []
    for number in range(1, flow.config.levels + 1):
        channels, height, width = flow.config.level_shape(number)
        shape = batch, channels // 2, height, width
        inputs += [
            torch.randn(shape, generator=generator).contiguous(memory_format=torch.channels_last).requires_grad_()
            for _ in range(flow.config.steps)
        ]

    def work() -> None:
        for network, entry in zip(networks, inputs, strict=True):
            entry.grad = None
            network(entry).sum().backward()

    return work


def noise(config: FlowConfig, batch: int, generator: torch.Generator) -> Tensor:
    """Return x (batch, C, H, W) of uniform noise for a flow."""
    x = torch.rand(batch, *config.shape, generator=generator) - 0.5
    return x.contiguous(memory_format=torch.channels_last)


def initialised(config: FlowConfig, x: Tensor, seed: int) -> MultiScaleFlow:
    """Return a flow that is initialised on x (N, C, H, W)."""
    flow = MultiScaleFlow(config, seed)
    flow.initialise(x)
    return channels_last(flow)  # afterwards, since keep="auto" rebuilds parts


def train_step(flow: MultiScaleFlow, x: Tensor) -> Callable[[], None]:
    """Return a training step of a flow on one batch."""
    steppers = optimisers(flow, Recipe.optimiser, lr=1e-4)

    def step() -> None:
        flow.zero_grad(set_to_none=True)
        (-flow.log_prob(x).mean() / flow.config.dimensions).backward()
        for stepper in steppers:
            stepper.step()

    return step


def timed(works: Mapping[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Return the process CPU seconds of each work, timed in turns after a first turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(REPEATS + 1):
        for name, work in works.items():
            started = time.process_time()
            work()
            # The first turn warms caches and the allocator.
            if turn:
                times[name].append(time.process_time() - started)
    return times


if __name__ == "__main__":
    main()
