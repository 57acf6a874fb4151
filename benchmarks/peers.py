"""Time a train step, log_prob and sampling beside normflows and FrEIA, whichever is installed.

    pip install normflows FrEIA
    python benchmarks/peers.py
    python benchmarks/peers.py --train 120 600

All sides are the same size (L = 3, K = 8, 64 hidden channels, 3-1-3 couplings, 3×32×32, batch 16) and take turns in
one process on one thread, so that a change of the machine's speed falls on each. What is printed are medians of process
CPU seconds with their quartiles, and medians of the ratios of neighbouring turns. The second command trains for so many
seconds instead (race.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from glow import glow

from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.training.memory import channels_last, keep_freed_memory
from eiwflow.training.optimiser import optimisers

LEVELS, STEPS, WIDTH, BATCH, SHAPE = 3, 8, 64, 16, (3, 32, 32)
TURNS = 15
WORKS = ("train step", "log_prob", "sample")

#: A side's works by name, and its number of parameters.
Side = tuple[dict[str, Callable[[], object]], int]


def side(
    parameters: list[nn.Parameter],
    log_prob: Callable[[], Tensor],
    sample: Callable[[], object],
    steppers: list[torch.optim.Optimizer] | None = None,
) -> Side:
    """Return a side's three works; without ``steppers`` it trains with torch's fused AdamW."""
    steppers = steppers or [torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)]

    def train_step() -> None:
        for parameter in parameters:
            parameter.grad = None
        (-log_prob().mean() / (SHAPE[0] * SHAPE[1] * SHAPE[2])).backward()
        for stepper in steppers:
            stepper.step()

    works = {"train step": train_step, "log_prob": torch.no_grad()(log_prob), "sample": torch.no_grad()(sample)}
    return works, sum(parameter.numel() for parameter in parameters)


def eiwflow(x: Tensor, order: str, weights: str, memory: str = "store", optimiser: str = "adamw") -> Side:
    """Return this project's flow."""
    config = FlowConfig(SHAPE, LEVELS, STEPS, WIDTH, order, weights, network="3-1-3", memory=memory)
    flow = channels_last(MultiScaleFlow(config))
    flow.initialise(x)
    steppers = optimisers(flow, optimiser, lr=1e-4)
    return side(list(flow.parameters()), lambda: flow.log_prob(x), lambda: flow.sample(BATCH, 0.7), steppers)


def floors(x: Tensor) -> tuple[Side, Side]:
    """Return the coupling networks' convolutions alone, one network after the other, and in the order of a flow.

    A flow runs all networks forward before the first of them backward, and its gradients are new at every step: what a
    network left in the cache is gone by then. The first's forward pass is the floor of log_prob and of sampling.
    """
    config = FlowConfig(shape=SHAPE, levels=LEVELS, steps=STEPS, width=WIDTH, network="3-1-3")
    flow = channels_last(MultiScaleFlow(config))
    networks, entries = [], []
    for level in flow.levels:
        channels, height, width = config.level_shape(level.number)
        for step in level.steps:
            entry = torch.randn(len(x), channels // 2, height, width).contiguous(memory_format=torch.channels_last)
            networks.append(step.coupling.network)
            entries.append(entry.requires_grad_())

    def both() -> None:
        for network, entry in zip(networks, entries, strict=True):
            entry.grad = None
            network(entry).sum().backward()

    def in_order() -> None:
        flow.zero_grad(set_to_none=True)
        outputs = []
        for network, entry in zip(networks, entries, strict=True):
            entry.grad = None
            outputs.append(network(entry))
        for output in reversed(outputs):
            output.sum().backward()

    @torch.no_grad()
    def forward() -> None:
        for network, entry in zip(networks, entries, strict=True):
            network(entry)

    parameters = sum(parameter.numel() for network in networks for parameter in network.parameters())
    alone = {"train step": both, "log_prob": forward, "sample": forward}
    return (alone, parameters), ({"train step": in_order}, parameters)


def normflows(x: Tensor) -> Side:
    """Return the multi-scale Glow of normflows' documentation at this size."""
    flow = glow(x, LEVELS, STEPS, WIDTH, trainable=False)
    return side(list(flow.parameters()), lambda: flow.log_prob(x, None), lambda: flow.sample(BATCH))


def freia(x: Tensor) -> Side:
    """Return the same couplings in FrEIA, with its fixed permutations in place of 1×1 convolutions."""
    from FrEIA import framework, modules

    def network(before: int, after: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, WIDTH, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, WIDTH, 1), nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, after, 3, padding=1),
        )  # fmt: skip

    last = framework.InputNode(*SHAPE)
    nodes, outputs = [last], []

    def then(before: object, module: type, **settings: object) -> framework.Node:
        nodes.append(framework.Node(before, module, settings))
        return nodes[-1]

    for level in range(LEVELS):
        last = then(last, modules.IRevNetDownsampling)
        for number in range(STEPS):
            last = then(last, modules.ActNorm)
            last = then(last, modules.PermuteRandom, seed=number)
            last = then(last, modules.AffineCouplingOneSided, subnet_constructor=network)
        if level < LEVELS - 1:
            split = last = then(last, modules.Split)
            outputs.append(framework.OutputNode(split.out1))
            last = split.out0
    outputs.append(framework.OutputNode(last))
    flow = framework.GraphINN(nodes + outputs)
    with torch.no_grad():
        given, _ = flow(x)

    def log_prob() -> Tensor:
        latents, log_det = flow(x)
        return log_det - 0.5 * sum(z.square().sum(dim=(1, 2, 3)) for z in latents)

    return side(
        [p for p in flow.parameters() if p.requires_grad],
        log_prob,
        lambda: flow([torch.randn_like(z) for z in given], rev=True),
    )


def main() -> None:
    """Time all sides in turns and print one line a work and side, or train them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=float, nargs="+", metavar="SECONDS", help="train for so many CPU seconds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    # As eiwflow's training does; it holds for the whole process, so every side has the good of it.
    keep_freed_memory()
    if options.train:
        import race

        race.train(options.train)
        return
    torch.manual_seed(0)
    x = torch.rand(BATCH, *SHAPE) - 0.5
    laid_out = x.contiguous(memory_format=torch.channels_last)
    alone, in_order = floors(laid_out)
    sides = {
        "convolutions": alone,
        "convolutions in order": in_order,
        "eiwflow entropy weights": eiwflow(laid_out, "entropy", "entropy"),
        "eiwflow no weights": eiwflow(laid_out, "entropy", "none"),
        "eiwflow recompute": eiwflow(laid_out, "entropy", "entropy", "recompute"),
        "eiwflow by Muon": eiwflow(laid_out, "entropy", "entropy", optimiser="muon"),
    }
    for name, package, make in (("normflows", "normflows", normflows), ("FrEIA", "FrEIA", freia)):
        if importlib.util.find_spec(package):
            sides[name] = make(x)
    times: dict[str, dict[str, list[float]]] = {
        work: {name: [] for name, (works, _) in sides.items() if work in works} for work in WORKS
    }
    # Work by work: what does not depend on the input is made once by whoever keeps it, as when a trained flow is used.
    for work in WORKS:
        for turn in range(TURNS + 1):
            for name, (works, _) in sides.items():
                if work not in works:
                    continue
                started = time.process_time()
                works[work]()
                # The first turn warms caches and the allocator.
                if turn:
                    times[work][name].append(time.process_time() - started)
    print(f"torch {torch.__version__}, one thread, batch {BATCH}, {TURNS} turns, process CPU milliseconds")
    for name, (_, parameters) in sides.items():
        print(f"{name:<22}{parameters:>9,} parameters")
    for work, seconds in times.items():
        print(f"\n{work:<22}{'median':>8}{'quartiles':>16}{'× floor':>9}{'× normflows':>13}")
        for name, values in seconds.items():
            low, median, high = (1000 * value for value in statistics.quantiles(values, n=4))
            ratios = [ratio(values, seconds[other]) for other in ("convolutions", "normflows") if other in seconds]
            text = "".join(f"{value:>{width}.2f}" for value, width in zip(ratios, (9, 13), strict=False))
            print(f"{name:<22}{median:>8.1f}{f'{low:.1f}–{high:.1f}':>16}{text}")


def ratio(times: list[float], others: list[float]) -> float:
    """Return the median ratio of neighbouring turns."""
    return statistics.median(time / other for time, other in zip(times, others, strict=True))


if __name__ == "__main__":
    main()
