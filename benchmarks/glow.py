"""normflows' multi-scale Glow, built as its documentation builds it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def glow(x: Tensor, levels: int, steps: int, width: int, trainable: bool) -> nn.Module:
    """Return the flow of images like x (N, C, H, W), its ActNorms set from them, its base ``trainable`` or not."""
    import normflows as nf

    channels, height, breadth = x.shape[1:]
    bases, merges, flows = [], [], []
    for level in range(levels):
        inside = channels * 2 ** (levels + 1 - level)
        blocks = [nf.flows.GlowBlock(inside, width, split_mode="channel", scale=True) for _ in range(steps)]
        flows.append([*blocks, nf.flows.Squeeze()])
        shrink = 2 ** (levels - level)
        if level > 0:
            merges.append(nf.flows.Merge())
        shape = (inside // 2 if level > 0 else inside, height // shrink, breadth // shrink)
        bases.append(nf.distributions.DiagGaussian(shape, trainable=trainable))
    flow = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
    with torch.no_grad():
        flow.log_prob(x, None)
    return flow
