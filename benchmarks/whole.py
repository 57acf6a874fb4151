"""The lead of a flow that factors nothing out over the flow that splits, at equal CPU seconds a step.

    python benchmarks/whole.py --cost 8 12 16
    python benchmarks/whole.py faces16

The flow without a split (--keep all) has the three levels of four steps of the bundled studies, and every level passes
on all its channels: 12 at 8×8, 48 at 4×4, 192 at 2×2, all under the prior N(0, I) of the last level. The flow with the
split is the arm entropy/principal-alternating of the bundled study, whose runs are read: recipe, seeds, batches and
noise of evaluation are the same. The width was chosen by --cost, before any result was read. Expected: behind on all
three sets.
Found over six seeds with 95 % intervals, as expected, in 12 to 13 CPU s a run (with the split 12):

    faces16: lead −0.119 (−0.135 to −0.103) bits/dim
    letters32: lead −0.199 (−0.214 to −0.185) bits/dim
    photos32: lead −0.081 (−0.093 to −0.069) bits/dim

Added when these were read: with --width 48, at 1.62 times the CPU seconds of a step, faces16 is ahead by 0.178 (0.161
to 0.194). No flow with a split was given as many CPU seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.weights import seconds
from eiwflow.flow.score import score
from eiwflow.project import ASSETS
from eiwflow.study.file import Study, read_study
from eiwflow.study.recipe import Arm
from eiwflow.study.statistics import effect
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

SETS = ("faces16", "letters32", "photos32")
ARM = Arm.parse("entropy/principal-alternating")
#: Hidden channels without a split, and turns of --cost. With 8, the nearest multiple of 4, a step costs 0.96 to 0.97
#: times what it costs with a split and width 48; with 12 it is 1.04 to 1.05 times, with 16 1.10 to 1.11.
WIDTH, TURNS = 8, 150


def bundled(data: str) -> Study:
    """Return the bundled study of a set, 500 steps, whose arm has a split."""
    return read_study(ASSETS / "studies" / f"{data}-16x16-500-ladder.zip")


def without_split(recipe: Recipe, width: int) -> Recipe:
    """Return the recipe with nothing factored out before the last level."""
    return dataclasses.replace(recipe, flow=dataclasses.replace(recipe.flow, keep="all", width=width))


def cost(widths: list[int]) -> None:
    """Print what a step without a split costs over a step with it, taking turns in one process."""
    recipe = bundled("faces16").recipe.training(ARM, 0)
    trainings = [Trainer(recipe), *(Trainer(without_split(recipe, width)) for width in widths)]
    turns = [[seconds(training) for training in trainings] for _ in range(TURNS)][3:]
    for place, width in enumerate(widths, start=1):
        ratio = statistics.median(turn[place] / turn[0] for turn in turns)
        print(f"width {width}: {ratio:.3f} × the step of width {recipe.flow.width} with a split", flush=True)


def run(recipe: Recipe) -> tuple[float, float, int]:
    """Train to the end; return bits/dim as a study scores a run, CPU seconds of its steps, and parameters."""
    training = Trainer(recipe)
    spent = sum(seconds(training) for _ in range(recipe.iterations))
    bits = score(training.average, training.crops, recipe.seed).mean().item()
    return round(bits, 5), spent, training.flow.parameter_count()


def compare(data: str, width: int) -> None:
    """Train without a split with every seed of the study, and print the lead over its runs with a split."""
    study = bundled(data)
    seeds = study.seeds([ARM])
    again, spent, count = run(study.recipe.training(ARM, seeds[0]))
    print(f"with a split: {spent:.1f} CPU s, {count:,} parameters; seed {seeds[0]} again {again:.3f}", flush=True)
    differences = []
    for seed in seeds:
        bits, spent, count = run(without_split(study.recipe.training(ARM, seed), width))
        split = study.runs[ARM, seed].bits_per_dim
        print(f"seed {seed}: {bits:.3f} without, {split:.3f} with; {spent:.1f} CPU s, {count:,} parameters", flush=True)
        differences.append(bits - split)
    lead = effect("without − with", {}, np.array(seeds), np.array(differences))
    print(f"{data}: lead {lead.lead_in_figures} bits/dim over {len(seeds)} seeds")


def main() -> None:
    """Compare on one set, or measure what widths cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", choices=SETS, default="faces16")
    parser.add_argument("--width", type=int, default=WIDTH, help=f"without a split (default: {WIDTH})")
    parser.add_argument("--cost", nargs="+", type=int, metavar="WIDTH", help="only measure what these widths cost")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.cost:
        cost(options.cost)
    else:
        compare(options.data, options.width)


if __name__ == "__main__":
    main()
