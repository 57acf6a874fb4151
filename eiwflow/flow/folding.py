"""ActNorm and 1×1 convolution of K steps as one affine map each, all made in one batch, and the gradients of that."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .conv1x1 import inverse_matrices, product, triangles


class Stacked(NamedTuple):
    """What K ActNorms and K 1×1 convolutions hold, each (K, C) or, of the triangles, (K, C, C)."""

    log_scale: Tensor
    bias: Tensor
    lower: Tensor
    upper: Tensor
    log_diagonal: Tensor
    sign: Tensor
    permutation: Tensor


class Folded(NamedTuple):
    """K affine maps m = W x + b, and what the gradients need.

    Attributes:
        matrices, biases: (K, C, C) and (K, C).
        log_det: of all K maps at one position, a scalar.
        mixing: the matrices of the 1×1 convolutions alone, (K, C, C).
        lower, upper: their triangles with their diagonals, (K, C, C).

    """

    matrices: Tensor
    biases: Tensor
    log_det: Tensor
    mixing: Tensor
    lower: Tensor
    upper: Tensor


def fold(held: Stacked) -> Folded:
    """Return the maps x -> P L U (exp(log_scale) x + bias)."""
    lower, upper = triangles(held.lower, held.upper, held.log_diagonal, held.sign)
    mixing = product(lower, upper, held.permutation)
    return Folded(
        mixing * held.log_scale.exp()[:, None],
        (mixing @ held.bias[:, :, None])[:, :, 0],
        held.log_scale.sum() + held.log_diagonal.sum(),
        mixing,
        lower,
        upper,
    )


def fold_back(held: Stacked) -> tuple[Tensor, Tensor]:
    """Return the inverses of the maps of :func:`fold`: matrices (K, C, C), biases (K, C)."""
    unscale = (-held.log_scale).exp()
    inverses = inverse_matrices(held.lower, held.upper, held.log_diagonal, held.sign, held.permutation)
    return unscale[:, :, None] * inverses, -unscale * held.bias


def fold_gradients(
    held: Stacked, folded: Folded, of_matrices: Tensor, of_biases: Tensor, of_log_det: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of log_scale, bias, lower, upper and log_diagonal, from those of the maps."""
    of_mixing = of_matrices * held.log_scale.exp()[:, None] + of_biases[:, :, None] * held.bias[:, None]
    rows = held.permutation.argsort(dim=1)
    of_product = of_mixing.gather(1, rows[:, :, None].expand_as(of_mixing))
    of_upper = folded.lower.mT @ of_product
    return (
        (of_matrices * folded.matrices).sum(dim=1) + of_log_det,
        (folded.mixing.mT @ of_biases[:, :, None])[:, :, 0],
        (of_product @ folded.upper.mT).tril(-1),
        of_upper.triu(1),
        torch.diagonal(of_upper * folded.upper, dim1=1, dim2=2) + of_log_det,
    )
