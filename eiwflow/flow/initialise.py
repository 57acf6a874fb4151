"""Start values of a level's first convolutions: rotations and permutations of channels."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_rotation(x: Tensor) -> Tensor:
    """Return the rotation (C, C) to the principal channels of a batch (N, C, H, W), largest variance first.

    The sign of every row is fixed (its largest entry is positive), so that the same batch gives the same rotation.
    """
    rows = x.double().permute(1, 0, 2, 3).flatten(1)
    rows = rows - rows.mean(dim=1, keepdim=True)
    _, vectors = torch.linalg.eigh(rows @ rows.T / rows.shape[1])
    rotation = vectors.flip(1).T
    largest = rotation.gather(1, rotation.abs().argmax(dim=1, keepdim=True))
    return rotation * largest.sign()


def rearrangement(before: Tensor, after: Tensor) -> Tensor:
    """Return the permutation matrix (C, C) that takes channels from the order ``before`` (C,) to ``after``."""
    return torch.eye(len(before), dtype=torch.double)[before.argsort()[after]]
