"""Training batches that depend on (seed, step) alone, so that a resumed run sees what an uninterrupted one would."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..data import crops
from ..data.views import OnDisk
from ..flow import dequantise
from ..flow.bijection import generator_for


def batch_indices(n: int, batch: int, seed: int, step: int, part: tuple[int, int] = (0, 1)) -> Tensor:
    """Return the image numbers of a step; every epoch takes batches in turn from a new permutation.

    Of all (batch,) numbers they are the (batch / parts,) of one ``part``: its number, and how many there are.
    """
    first = step * batch
    epochs = range(first // n, (first + batch - 1) // n + 1)
    order = torch.cat([_permutation(n, seed, epoch) for epoch in epochs]) if len(epochs) > 1 else None
    count = batch // part[1]
    start = first - epochs[0] * n + count * part[0]
    return (_permutation(n, seed, epochs[0]) if order is None else order)[start : start + count].long()


@lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    # Drawn once an epoch: of a million images it takes as long as a step of a small flow.
    return torch.randperm(n, generator=generator_for(seed, f"epoch {epoch}")).int()


def take(images: np.ndarray | OnDisk | Tensor, numbers: Tensor | slice) -> Tensor:
    """Return some of the images (N, H, W, C) uint8, or of a tensor (N, C, H, W), as a tensor (n, C, H, W)."""
    if isinstance(images, Tensor):
        return images[numbers]
    return crops.to_tensor(images[numbers if isinstance(numbers, slice) else numbers.numpy()])


def training_batch(
    images: np.ndarray | OnDisk | Tensor,
    size: tuple[int, int],
    batch: int,
    seed: int,
    step: int,
    flip: bool = False,
    bits: int = 8,
    part: tuple[int, int] = (0, 1),
) -> Tensor:
    """Return x (batch / parts, C, *size): images (N, H, W, C) of a step, cropped at random and dequantised.

    Args:
        images: uint8, in memory or on disk; a tensor of them is (N, C, H, W).
        size: (h, w) of the crops.
        batch: images of the whole step.
        seed: with the step, the source of all random draws.
        step: from 0.
        flip: mirror every image left to right with probability ½.
        bits: of the grey levels.
        part: (number, parts) of the batch. Random numbers are drawn for the whole batch, images read for the part.

    """
    generator = generator_for(seed, f"batch {step}")
    count = batch // part[1]
    first = count * part[0]
    own = slice(first, first + count)
    numbers = batch_indices(len(images), batch, seed, step, part)
    chosen = crops.random_crops(take(images, numbers), size, generator, of=batch, first=first)
    values = chosen[0].numel()
    # Random numbers of the images before and after the part, which other processes take, are drawn and dropped.
    torch.rand(first * values, generator=generator)
    x = dequantise(chosen, generator, bits=bits)
    if flip:
        torch.rand((batch - first - count) * values, generator=generator)
        mirrored = (torch.rand(batch, generator=generator) < 0.5)[own]
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    return x.contiguous(memory_format=torch.channels_last)
