"""The Split: half of the channels is factored out under a prior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .bijection import Bijection, starts_at_zero
from .coupling import soft_bound

#: A conditional log σ never leaves ±PRIOR_BOUND: an unbounded one took a trained flow to NaN.
PRIOR_BOUND = 4.0


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) per image: (N, ...) to (N,) in nats."""
    return -0.5 * (z.square().sum(dim=tuple(range(1, z.dim()))) + z.shape[1:].numel() * math.log(2 * math.pi))


class Split(Bijection):
    r"""Factor out the second half of the channels, standardised by its prior given the first half (Glow's split prior).

    .. math:: ε = (z − μ(h)) / σ(h), \qquad \log|\det| = −\sum \log σ(h)

    As a bijection y holds h and ε; :meth:`emit` returns them apart.

    Args:
        channels: C of the input, even.
        prior: ``standard``: μ = 0 and σ = 1; ``conditional``: a 3×3 convolution of h, zero at first, gives μ and log σ.

    Shapes: x and y (N, C, H, W); h and ε (N, C/2, H, W); log_det (N,) in nats.

    Reference: Dinh et al., Real NVP, 2017, arXiv:1605.08803, section 3.6; Kingma and Dhariwal, Glow, 2018,
    arXiv:1807.03039, and its code.

    >>> kept, noise, log_det = Split(4, "conditional").emit(torch.randn(2, 4, 8, 8))
    >>> kept.shape, noise.shape
    (torch.Size([2, 2, 8, 8]), torch.Size([2, 2, 8, 8]))

    """

    def __init__(self, channels: int, prior: str) -> None:
        super().__init__(channels)
        half = channels // 2
        self.prior = starts_at_zero(nn.Conv2d(half, channels, 3, padding=1)) if prior == "conditional" else None

    def parameters_of(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return (μ, log σ) of the emitted half, each like ``kept`` (N, C/2, H, W)."""
        if self.prior is None:
            return torch.zeros_like(kept), torch.zeros_like(kept)
        mean, raw = self.prior(kept).to(kept.dtype).chunk(2, dim=1)
        return mean, soft_bound(raw, PRIOR_BOUND)

    def emit(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (kept, ε, log_det) of x (N, C, H, W)."""
        kept, emitted = x.chunk(2, dim=1)
        if self.prior is None:
            return kept, emitted, x.new_zeros(x.shape[0])
        mean, log_std = self.parameters_of(kept)
        return kept, (emitted - mean) * (-log_std).exp(), -log_std.sum(dim=(1, 2, 3))

    def join(self, kept: Tensor, noise: Tensor) -> Tensor:
        """Return x, from the kept half and ε."""
        mean, log_std = self.parameters_of(kept)
        return torch.cat([kept, mean + noise * log_std.exp()], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det) with y = [h, ε]."""
        self.check(x)
        kept, noise, log_det = self.emit(x)
        return torch.cat([kept, noise], dim=1), log_det

    def inverse(self, y: Tensor) -> Tensor:
        """Return x."""
        self.check(y)
        return self.join(*y.chunk(2, dim=1))
