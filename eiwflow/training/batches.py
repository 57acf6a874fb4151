"""Training batches that depend on (seed, step) alone, so that a resumed run sees what an uninterrupted one would."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import random_crops
from ..flow import dequantise
from ..flow.bijection import generator_for


def batch_indices(n: int, batch: int, seed: int, step: int) -> Tensor:
    """Return the image numbers (batch,) of a step: consecutive pieces of one fresh permutation an epoch."""
    first = step * batch
    epochs = range(first // n, (first + batch - 1) // n + 1)
    order = torch.cat([torch.randperm(n, generator=generator_for(seed, f"epoch {epoch}")) for epoch in epochs])
    start = first - epochs[0] * n
    return order[start : start + batch]


def training_batch(
    images: Tensor, size: tuple[int, int], batch: int, seed: int, step: int, flip: bool = False, bits: int = 8
) -> Tensor:
    """Return x (batch, C, *size): images (N, C, H, W) of a step, cropped at random and dequantised to ``bits``.

    With ``flip``, every image is mirrored left to right with probability ½.
    """
    generator = generator_for(seed, f"batch {step}")
    chosen = images[batch_indices(len(images), batch, seed, step)]
    x = dequantise(random_crops(chosen, size, generator), generator, bits=bits)
    if flip:
        mirrored = torch.rand(batch, generator=generator) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    return x.contiguous(memory_format=torch.channels_last)
