"""The priors, and the Split: some of the channels are factored out under one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .bijection import Bijection
from .coupling import last_convolution, soft_bound

#: A conditional log σ never leaves ±PRIOR_BOUND: an unbounded one took a trained flow to NaN.
PRIOR_BOUND = 4.0


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) per image: (N, ...) to (N,) in nats."""
    return -0.5 * (z.square().sum(dim=tuple(range(1, z.dim()))) + z.shape[1:].numel() * math.log(2 * math.pi))


class Constant(nn.Module):
    """The same learned values for every image: those of a prior that depends on the position alone.

    Args:
        shape: (C, H, W) of the values, zero at first.

    Shapes: x (N, …, H, W), result (N, C, H, W).

    >>> Constant(2, 4, 4)(torch.randn(3, 1, 4, 4)).shape
    torch.Size([3, 2, 4, 4])

    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape))

    def draw(self, generator: torch.Generator) -> None:
        """Start at zero."""
        del generator
        nn.init.zeros_(self.value)

    def forward(self, x: Tensor) -> Tensor:
        """Return the values, once for each of the N images; where these are cut, the part that is left of them."""
        value = self.value[:, : x.shape[2], : x.shape[3]]
        return value.expand(x.shape[0], *value.shape)


class TopPrior(Bijection):
    r"""Standardise what the last level gives by a learned mean and standard deviation of every channel and position.

    .. math:: ε = (z − μ) / σ, \qquad \log|\det| = −\sum \log σ

    Args:
        channels, height, width: of z.

    Shapes: z and ε (N, C, H, W); log_det (N,) in nats.

    Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039, and its code (``learntop``).

    >>> prior = TopPrior(2, 4, 4)
    >>> noise, log_det = prior(z := torch.randn(3, 2, 4, 4))
    >>> torch.equal(noise, z), log_det
    (True, tensor([-0., -0., -0.], grad_fn=<NegBackward0>))

    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__(channels)
        self.prior = Constant(2 * channels, height, width)

    def parameters_of(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return (μ, log σ), each like z."""
        mean, log_std = self.prior(z).chunk(2, dim=1)
        return mean, log_std

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (ε, log_det)."""
        self.check(x)
        mean, log_std = self.parameters_of(x)
        return (x - mean) * (-log_std).exp(), -log_std.sum(dim=(1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        """Return z."""
        self.check(y)
        mean, log_std = self.parameters_of(y)
        return mean + y * log_std.exp()


class Split(Bijection):
    r"""Factor out the last channels, standardised by their prior given the first ones (Glow's split prior).

    .. math:: ε = (z − μ(h)) / σ(h), \qquad \log|\det| = −\sum \log σ(h)

    As a bijection y holds h and ε; :meth:`emit` returns them apart.

    Args:
        channels: C of the input.
        prior: ``standard``: μ = 0 and σ = 1; ``conditional``: a 3×3 convolution of h, zero at first, gives μ and log σ;
            ``unbounded``: the same, with no bound of log σ, as other code has it; ``constant``: μ and log σ are learned
            values of every channel and position, the same for every image.
        kept: C_h, channels passed on; half of them by default.
        size: (H, W), which only the prior ``constant`` needs; 1×1 stands for all positions alike.
        padding: of the convolution, ``zeros`` or ``ones``.

    Shapes: x and y (N, C, H, W); h (N, C_h, H, W) and ε (N, C − C_h, H, W); log_det (N,) in nats.

    Reference: Dinh et al., Real NVP, 2017, arXiv:1605.08803, section 3.6; Kingma and Dhariwal, Glow, 2018,
    arXiv:1807.03039, and its code.

    >>> kept, noise, log_det = Split(4, "conditional").emit(torch.randn(2, 4, 8, 8))
    >>> kept.shape, noise.shape
    (torch.Size([2, 2, 8, 8]), torch.Size([2, 2, 8, 8]))

    """

    def __init__(
        self,
        channels: int,
        prior: str,
        kept: int | None = None,
        size: tuple[int, int] = (1, 1),
        padding: str = "zeros",
    ) -> None:
        super().__init__(channels)
        kept = kept or channels // 2
        #: Channels of h and of ε.
        self.parts = (kept, channels - kept)
        self.bounded = prior == "conditional"
        self.prior: nn.Module | None = None
        if prior == "constant":
            self.prior = Constant(2 * self.parts[1], *size)
        elif prior != "standard":
            self.prior = last_convolution(kept, 2 * self.parts[1], 3, padding)

    def parameters_of(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return (μ, log σ) of what is factored out, each (N, C − C_h, H, W), given ``kept`` (N, C_h, H, W)."""
        if self.prior is None:
            zeros = kept.new_zeros(kept.shape[0], self.parts[1], *kept.shape[2:])
            return zeros, zeros.clone()
        mean, raw = self.prior(kept).to(kept.dtype).expand(-1, -1, *kept.shape[2:]).chunk(2, dim=1)
        return mean, soft_bound(raw, PRIOR_BOUND) if self.bounded else raw

    def emit(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (kept, ε, log_det) of x (N, C, H, W)."""
        kept, emitted = x.split(self.parts, dim=1)
        if self.prior is None:
            return kept, emitted, x.new_zeros(x.shape[0])
        mean, log_std = self.parameters_of(kept)
        return kept, (emitted - mean) * (-log_std).exp(), -log_std.sum(dim=(1, 2, 3))

    def join(self, kept: Tensor, noise: Tensor) -> Tensor:
        """Return x, from what was passed on and ε."""
        if self.prior is None:
            return torch.cat([kept, noise], dim=1)
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
        return self.join(*y.split(self.parts, dim=1))
