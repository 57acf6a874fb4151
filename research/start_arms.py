"""The control arms of research/start.md: permutations of channels as in a start from the data, without the data.

    python research/start_arms.py STUDY...

prints the leads that the plan names, of studies that are done.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.flow.bijection import generator_for
from eiwflow.study.file import read_study
from eiwflow.study.ladder import half_from
from eiwflow.study.recipe import Arm
from eiwflow.study.statistics import corrected, paired

Shape = tuple[int, int, int]


class Blind(MultiScaleFlow):
    """A flow whose levels start as from the data, but from a random rotation in place of the principal channels."""

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Initialise from the data, draw the first rotation of every level anew, and fit the ActNorms to it."""
        super().initialise(x)
        kept: Tensor | None = x
        for level in self.levels:
            assert kept is not None  # only the last level passes nothing on
            features, _ = level.squeeze(kept)
            for number, step in enumerate(level.steps):
                step.initialise(features)
                if number == 0:
                    step.mixing.draw(generator_for(self.config.permutation_seed, f"rotation of level {level.number}"))
                features, _ = step(features)
            kept = level.initialise_split(features, None)


def blind_random(shape: Shape, seed: int) -> Blind:
    """Return the control of ``random/principal-alternating``."""
    return _blind(shape, seed, "random")


def blind_last(shape: Shape, seed: int) -> Blind:
    """Return the control of ``last/principal-alternating``."""
    return _blind(shape, seed, "last")


def _blind(shape: Shape, seed: int, order: str) -> Blind:
    config = FlowConfig(
        shape=shape, levels=3, steps=4, width=48, order=order, weights="none", partition="alternating",
        permutation_seed=seed,
    )  # fmt: skip
    return Blind(config, seed)


def main() -> None:
    """Print the four leads of every study named, corrected together."""
    for path in sys.argv[1:]:
        study = read_study(Path(path))
        asked = []
        for half in ("random", "last"):
            control = Arm.parse(f"blind-{half}=research/start_arms.py:blind_{half}")
            asked += [(half_from(half, "principal"), control), (control, half_from(half, "random"))]
        print(study.title)
        for lead in corrected(paired(study, *arms) for arms in asked):
            print(f"  {lead.first} over {lead.second}: {lead.figures}, {lead.claim}")


if __name__ == "__main__":
    main()
