"""Print what channel weights cost: a training step with them over the same step without, in process CPU seconds.

    python benchmarks/weights.py --steps 60

Flows take turns in one process with one thread; a ratio is the median over turns. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from eiwflow.flow import FlowConfig
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

#: What is timed: data, and size, steps a level, width and batch.
CASES = {
    "bundled at 16×16": ("faces16", 16, 4, 48, 32),
    "bundled at 32×32": ("photos32", 32, 8, 64, 32),
    "width 128 at 32×32": ("photos32", 32, 8, 128, 32),
}


def trainer(weights: str, data: str, size: int, steps: int, width: int, batch: int) -> Trainer:
    """Return a training of a flow with these channel weights, and all else alike."""
    flow = FlowConfig(
        shape=(3, size, size), steps=steps, width=width, order="entropy", weights=weights, init="principal",
        partition="alternating",
    )  # fmt: skip
    return Trainer(Recipe(flow=flow, data=data, batch=batch))


def seconds(training: Trainer) -> float:
    """Return the CPU seconds of one training step."""
    start = time.process_time()
    training.advance()
    return time.process_time() - start


def main() -> None:
    """Print a row for every size and every kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="turns of every flow (default: 60)")
    parser.add_argument("--weights", nargs="+", default=["entropy", "means", "pooled"])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for case in options.cases:
        trainings = {weights: trainer(weights, *CASES[case]) for weights in ("none", *options.weights)}
        turns = [{weights: seconds(training) for weights, training in trainings.items()} for _ in range(options.steps)]
        turns = turns[3:]
        for weights in trainings:
            ratio = statistics.median(turn[weights] / turn["none"] for turn in turns)
            milliseconds = 1000 * statistics.median(turn[weights] for turn in turns)
            print(f"{case:20} {weights:8} {milliseconds:8.1f} ms  {ratio:6.3f} × none", flush=True)


if __name__ == "__main__":
    main()
