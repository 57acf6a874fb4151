"""ActNorm: an affine map of every channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .bijection import Bijection

#: Smallest standard deviation that is normalised to one; dequantisation noise alone has 1.1e-3.
STD_FLOOR = 1e-3


class ActNorm(Bijection):
    r"""Scales and shifts every channel: y = exp(log_scale) x + bias, log|det| = H W sum(log_scale).

    Initialised from data so that every channel of y has mean 0 and standard deviation 1 on the batch.

    Args:
        channels: C of the input.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.

    Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039, section 3.1.

    >>> actnorm, x = ActNorm(3), 5 + 2 * torch.randn(8, 3, 4, 4)
    >>> actnorm.initialise(x)
    >>> y, log_det = actnorm(x)
    >>> torch.allclose(y.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    True

    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def draw(self, generator: torch.Generator) -> None:
        """Start as the identity, until data are seen."""
        nn.init.zeros_(self.log_scale)
        nn.init.zeros_(self.bias)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set scale and bias from the batch; a constant channel is only centred."""
        std, mean = torch.std_mean(x.double(), dim=(0, 2, 3), correction=0)
        scale = torch.where(std < STD_FLOOR, 1.0, 1 / std)
        self.log_scale.copy_(scale.log())
        self.bias.copy_(-mean * scale)

    def log_det(self, pixels: int) -> Tensor:
        """Return the log-determinant of one image with ``pixels`` = H W positions, a scalar."""
        return pixels * self.log_scale.sum()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        y = x * self.log_scale.exp().view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return y, self.log_det(x.shape[2] * x.shape[3]).expand(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Return (y - bias) exp(-log_scale)."""
        self.check(y)
        return (y - self.bias.view(1, -1, 1, 1)) * (-self.log_scale).exp().view(1, -1, 1, 1)
