"""Print what a study's frame costs around the step of a flow of one's own, in turns with a bare loop.

    python benchmarks/foreign.py [FILE.py:FUNCTION] [--device cuda]

The bare step is forward, backward, clipping and AdamW on a batch that is there already. The frame adds batches and
noise from (seed, step), the averaged parameters, and the learning rate's schedule.
"""

from __future__ import annotations

import argparse
import statistics

import torch

from eiwflow.flow import FlowConfig
from eiwflow.study.cost import seconds_per_step
from eiwflow.study.foreign import ForeignTraining
from eiwflow.training.execution import choose_device
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import load_data

#: Rounds, whose median ratio counts: other work on the machine falls on some of them.
ROUNDS = 7
EXAMPLE = "docs/examples/tarflow.py:make"


def main() -> None:
    """Print seconds of both steps, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default=EXAMPLE)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(options.device)
    recipe = Recipe(
        flow=FlowConfig(shape=(3, 16, 16), levels=1), data="faces16", batch=options.batch, iterations=10_000
    )
    images = load_data(recipe)
    framed, bare = (ForeignTraining(recipe, options.source, images, device) for _ in range(2))
    x = bare._batches.of_step(0, options.batch).to(device)
    parameters = list(bare.flow.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        (-bare.flow.module.log_prob(x).mean() / x[0].numel()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
        optimiser.step()

    ratios = []
    for _ in range(ROUNDS):
        seconds = seconds_per_step({"bare": step, "framed": framed.advance}, device)
        ratios.append(seconds["framed"] / seconds["bare"])
        print(f"bare loop {1000 * seconds['bare']:.2f} ms, in a study {1000 * seconds['framed']:.2f} ms")
    low, cost, high = (100 * (value - 1) for value in (min(ratios), statistics.median(ratios), max(ratios)))
    print(f"the frame costs {cost:+.1f} % ({low:+.1f} to {high:+.1f} in {ROUNDS} rounds)")


if __name__ == "__main__":
    main()
