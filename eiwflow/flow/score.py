"""Score images in batches: bits/dim of each under a fixed-seed dequantisation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .multiscale import MultiScaleFlow, dequantise, to_bits_per_dim


@torch.no_grad()
def score(
    flow: MultiScaleFlow,
    images: Tensor,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Return bits/dim (N,) of uint8 images (N, C, H, W) of the flow's shape.

    The noise of an image depends on the seed and its place alone, so the first images of a longer set score the same.
    ``progress`` is called after every batch with the number of its images.
    """
    like, bits = next(flow.parameters()), flow.config.bits
    generator = torch.Generator().manual_seed(seed)
    scores = []
    for part in images.split(batch):
        x = dequantise(part, generator, like.dtype, bits).to(like.device).contiguous(memory_format=torch.channels_last)
        scores.append(to_bits_per_dim(flow.log_prob(x), flow.config.dimensions, bits).cpu())
        if progress is not None:
            progress(len(part))
    return torch.cat(scores)
