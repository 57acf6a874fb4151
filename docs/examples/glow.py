"""The multi-scale Glow of normflows as an arm of a study; ``pip install normflows`` first.

    python -m eiwflow study --data faces16 --arm glow=docs/examples/glow.py:make --optimiser adamw --out glow

Reference: Stimper et al., normflows: A PyTorch Package for Normalizing Flows, 2023, JOSS 8(86).
"""

from __future__ import annotations

import normflows
import torch
from torch import Tensor, nn

LEVELS, STEPS, WIDTH = 3, 4, 48


class Glow(nn.Module):
    """normflows' MultiscaleFlow with ``log_prob`` and ``sample`` as a study calls them."""

    def __init__(self, shape: tuple[int, int, int], levels: int, steps: int, width: int) -> None:
        super().__init__()
        channels, height, width_of_image = shape
        bases, merges, flows = [], [], []
        for level in range(levels):
            of_level = channels * 2 ** (levels + 1 - level)
            blocks = [normflows.flows.GlowBlock(of_level, width, split_mode="channel") for _ in range(steps)]
            flows.append([*blocks, normflows.flows.Squeeze()])
            places = 2 ** (levels - level)
            merges += [normflows.flows.Merge()] if level else []
            of_base = of_level // 2 if level else of_level
            bases.append(normflows.distributions.DiagGaussian((of_base, height // places, width_of_image // places)))
        self.flow = normflows.MultiscaleFlow(bases, flows, merges)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p (N,) in nats of x (N, C, H, W)."""
        return self.flow.log_prob(x, None)

    def sample(self, n: int) -> Tensor:
        """Return n images (n, C, H, W)."""
        return self.flow.sample(n)[0]


def make(shape: tuple[int, int, int], seed: int) -> Glow:
    """Return a Glow of three levels of four steps."""
    torch.manual_seed(seed)
    return Glow(shape, LEVELS, STEPS, WIDTH)
