"""Time a flow beside its floor, the coupling networks' convolutions alone, and beside a static split.

    python benchmarks/flow.py                   # the bundled policies' flow of 3 × 8 steps, width 64
    python benchmarks/flow.py --order random    # another order

The ratio of a split to a static one stands beside the ratio of two flows with the same static split: the effect of the
machine's noise alone. All are timed in turns, so that a change of the machine's speed falls on each.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.training.bench import initialised, noise, timed, train_step
from eiwflow.training.memory import keep_freed_memory


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
    works = {
        "train step": train_step(flow, x),
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


if __name__ == "__main__":
    main()
