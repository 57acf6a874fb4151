"""The priors, and the Split, which factors out some of the channels under a prior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .bijection import Bijection, soft_bound
from .context import ContextMap
from .coupling import last_convolution

#: A conditional log σ never leaves ±PRIOR_BOUND: an unbounded one took a trained flow to NaN.
PRIOR_BOUND = 4.0


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) per image: (N, ...) to (N,) in nats."""
    return -0.5 * (z.square().sum(dim=tuple(range(1, z.dim()))) + z.shape[1:].numel() * math.log(2 * math.pi))


class Constant(nn.Module):
    """Learned values of a prior that depend on channel and position, not on the image.

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
        """Return the values for each of the N images; for cropped images, those of the crop."""
        value = self.value[:, : x.shape[2], : x.shape[3]]
        return value.expand(x.shape[0], *value.shape)


class TopPrior(Bijection):
    r"""Standardise the last level's output by a learned mean and standard deviation of every channel and position.

    .. math:: ε = (z − μ) / σ, \qquad \log|\det| = −\sum \log σ

    A context adds a linear map of it to μ and log σ.

    Args:
        channels, height, width: of z.
        constant: whether there are learned values beside those of the context.
        context: K, values of a context; 0 for none.

    Shapes: z and ε (N, C, H, W); context (N, K); log_det (N,) in nats.

    Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039, and its code (``learntop``).

    >>> prior = TopPrior(2, 4, 4)
    >>> noise, log_det = prior(z := torch.randn(3, 2, 4, 4))
    >>> torch.equal(noise, z), log_det
    (True, tensor([-0., -0., -0.], grad_fn=<NegBackward0>))

    """

    def __init__(self, channels: int, height: int, width: int, constant: bool = True, context: int = 0) -> None:
        super().__init__(channels)
        shape = 2 * channels, height, width
        self.prior = Constant(*shape) if constant else None
        self.context_map = ContextMap(context, *shape) if context else None

    def parameters_of(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (μ, log σ), each like z."""
        values = z.new_zeros(len(z), 2 * self.channels, *z.shape[2:]) if self.prior is None else self.prior(z)
        mean, log_std = with_context(values, self.context_map, context).chunk(2, dim=1)
        return mean, log_std

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (ε, log_det)."""
        self.check(x)
        mean, log_std = self.parameters_of(x, context)
        return (x - mean) * (-log_std).exp(), -log_std.sum(dim=(1, 2, 3))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z."""
        self.check(y)
        mean, log_std = self.parameters_of(y, context)
        return mean + y * log_std.exp()

    def fix_context(self, context: Tensor) -> None:
        """Add the map of one context (1, K) to learned values, permanently."""
        self.prior, self.context_map = constant_with_context(self.prior, self.context_map, context), None


def with_context(values: Tensor, context_map: ContextMap | None, context: Tensor | None) -> Tensor:
    """Return a prior's values (N, C, H, W) with the map of the context (N, K) added, where there is one."""
    if context_map is None or context is None:
        return values
    return values + context_map(context)[:, :, : values.shape[2], : values.shape[3]]


def constant_with_context(
    constant: Constant | None, context_map: ContextMap | None, context: Tensor
) -> Constant | None:
    """Return learned values to which the map of one context (1, K) is added."""
    if context_map is None:
        return constant
    values = context_map(context)[0]
    fixed = Constant(*values.shape).to(values.device, values.dtype)
    fixed.value.copy_(values if constant is None else constant.value + values)
    return fixed


class Split(Bijection):
    r"""Factor out the last channels, standardised by their prior given the first ones (Glow's split prior).

    .. math:: ε = (z − μ(h)) / σ(h), \qquad \log|\det| = −\sum \log σ(h)

    As a bijection y holds h and ε; :meth:`emit` returns them separately.

    Args:
        channels: C of the input.
        prior: ``standard``: μ = 0 and σ = 1; ``conditional``: a 3×3 convolution of h, zero at first, gives μ and log σ;
            ``unbounded``: the same, without a bound of log σ, as in other code; ``constant``: μ and log σ are learned
            values of every channel and position, the same for every image.
        kept: C_h, channels passed on; half of them by default.
        size: (H, W), which only the prior ``constant`` needs; 1×1 stands for all positions alike.
        padding: of the convolution, ``zeros`` or ``ones``.
        context: K, values of a context, of which a linear map is added to the values of ``constant``; 0 for none.

    Shapes: x and y (N, C, H, W); context (N, K); h (N, C_h, H, W) and ε (N, C − C_h, H, W); log_det (N,) in nats.

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
        context: int = 0,
    ) -> None:
        super().__init__(channels)
        kept = kept or channels // 2
        #: Channels of h and of ε.
        self.parts = (kept, channels - kept)
        self.bounded = prior == "conditional"
        self.prior: nn.Module | None = None
        self.context_map: ContextMap | None = None
        if not self.parts[1]:
            return  # nothing is factored out
        if prior == "constant":
            self.prior = Constant(2 * self.parts[1], *size)
            self.context_map = ContextMap(context, 2 * self.parts[1], *size) if context else None
        elif prior != "standard":
            self.prior = last_convolution(kept, 2 * self.parts[1], 3, padding)

    def parameters_of(self, kept: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (μ, log σ) of the channels factored out, each (N, C − C_h, H, W), given ``kept`` (N, C_h, H, W)."""
        if self.prior is None:
            zeros = kept.new_zeros(kept.shape[0], self.parts[1], *kept.shape[2:])
            return zeros, zeros.clone()
        values = with_context(self.prior(kept).to(kept.dtype), self.context_map, context)
        mean, raw = values.expand(-1, -1, *kept.shape[2:]).chunk(2, dim=1)
        return mean, soft_bound(raw, PRIOR_BOUND) if self.bounded else raw

    def emit(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return (kept, ε, log_det) of x (N, C, H, W)."""
        kept, emitted = x.split(self.parts, dim=1)
        if self.prior is None:
            return kept, emitted, x.new_zeros(x.shape[0])
        mean, log_std = self.parameters_of(kept, context)
        return kept, (emitted - mean) * (-log_std).exp(), -log_std.sum(dim=(1, 2, 3))

    def join(self, kept: Tensor, noise: Tensor, context: Tensor | None = None) -> Tensor:
        """Return x from the part passed on and ε."""
        if self.prior is None:
            return torch.cat([kept, noise], dim=1)
        mean, log_std = self.parameters_of(kept, context)
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

    def fix_context(self, context: Tensor) -> None:
        """Add the map of one context (1, K) to learned values, permanently."""
        if isinstance(self.prior, Constant):
            self.prior, self.context_map = constant_with_context(self.prior, self.context_map, context), None
