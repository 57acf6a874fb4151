"""Squeeze: space into channels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .bijection import Bijection, ShapeError


class Squeeze(Bijection):
    """Turn every 2×2 patch of a channel into four channels; a permutation, so log_det is 0.

    Args:
        channels: C of the input.

    Shapes: x (N, C, 2H, 2W), y (N, 4C, H, W); output channel 4c + 2i + j is row i, column j of channel c's patch.

    Reference: Dinh et al., Real NVP, 2017, arXiv:1605.08803, section 3.6.

    >>> y, log_det = Squeeze(1)(torch.arange(4.0).view(1, 1, 2, 2))
    >>> y.flatten()
    tensor([0., 1., 2., 3.])

    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, zeros)."""
        self.check(x)
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ShapeError(f"Squeeze was given {x.shape[2]}×{x.shape[3]} pixels; both sides must be even.")
        return F.pixel_unshuffle(x, 2), x.new_zeros(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Return x."""
        self.check(y, 4 * self.channels)
        return F.pixel_shuffle(y, 2)
