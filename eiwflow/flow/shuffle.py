"""The Shuffle: which channels leave, and how each is weighed for each image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .bijection import Bijection, generator_for, starts_at_zero
from .coupling import soft_bound
from .entropy import gaussian_entropy, redundancy

#: log ω never leaves ±LOG_WEIGHT_BOUND (nats): a channel is scaled by at most e² = 7.4.
LOG_WEIGHT_BOUND = 2.0
#: Added to a spatial variance before its logarithm; 8-bit dequantisation noise has 1.3e-6.
VARIANCE_FLOOR = 1e-4


def pool(x: Tensor) -> Tensor:
    """Return spatial mean and log spatial variance of every channel: (N, C, H, W) to (N, 2C)."""
    # In two passes: exact as torch.var_mean, and with channels last several times as fast.
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = (x - mean).square().mean(dim=(2, 3))
    return torch.cat([mean.flatten(1), (variance + VARIANCE_FLOOR).log()], dim=1)


class Solver(nn.Module):
    """Finds one log-weight a channel of one half from the pooled other half; 0 at first, so weights start at 1.

    Shapes: x (N, C/2, H, W) of the other half; result (N, C/2) in nats, within ±:data:`LOG_WEIGHT_BOUND`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.hidden = nn.Linear(2 * half, 2 * channels)
        self.out = starts_at_zero(nn.Linear(2 * channels, half))

    def forward(self, x: Tensor) -> Tensor:
        """Return log ω of the half that x is not."""
        return soft_bound(self.out(torch.relu(self.hidden(pool(x)))), LOG_WEIGHT_BOUND)


class Weights(Bijection):
    r"""Weighs every channel of every image in two passes, as two couplings do, so that the inverse recomputes them.

    .. math:: b' = ω_b(a) b, \qquad a' = ω_a(b') a, \qquad \log|\det| = H W \sum_c \log ω_c(x)

    a is the first half of the channels (kept), b the second (emitted).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.kept = Solver(channels)
        self.emitted = Solver(channels)

    def log_weights(self, x: Tensor) -> Tensor:
        """Return log ω (N, C) for the input x, kept half first."""
        return self._weigh(x)[1]

    def _weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.chunk(2, dim=1)
        log_b = self.emitted(a)
        weighed_b = b * log_b.exp()[:, :, None, None]
        log_a = self.kept(weighed_b)
        return torch.cat([a * log_a.exp()[:, :, None, None], weighed_b], dim=1), torch.cat([log_a, log_b], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        y, log_weights = self._weigh(x)
        return y, x.shape[2] * x.shape[3] * log_weights.sum(dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo the second pass, then the first: each is decided by what it did not change."""
        self.check(y)
        weighed_a, weighed_b = y.chunk(2, dim=1)
        a = weighed_a * (-self.kept(weighed_b)).exp()[:, :, None, None]
        b = weighed_b * (-self.emitted(a)).exp()[:, :, None, None]
        return torch.cat([a, b], dim=1)

    def divergence(self, x: Tensor, temperature: float = 1.0) -> Tensor:
        r"""Return KL(softmax(−h(x)/τ) ‖ softmax(log ω(x)/τ)) per image (N,), h each channel's Gaussian entropy.

        h carries no gradient: the divergence teaches the weights, not the features.
        """
        target = (-gaussian_entropy(x.detach()) / temperature).log_softmax(dim=1)
        return (target.exp() * (target - (self.log_weights(x.detach()) / temperature).log_softmax(dim=1))).sum(dim=1)


class Shuffle(Bijection):
    r"""Orders the channels, kept ones first, and weighs them for every input.

    .. math:: y_j = ω_j(x) \, x_{π(j)}, \qquad \log|\det| = HW \sum_j \log ω_j(x)

    The order π is a buffer: set at construction, or, for the order ``entropy``, sorted once from data by
    :meth:`initialise`, largest redundancy first; what is nearest to white noise leaves. The weights are
    recomputed by the inverse. Nothing is remembered between calls.

    With the order ``entropy`` and no weights, a Solver stands beside the density for display only: it is fitted by
    :meth:`divergence` on detached features and changes neither output nor log-determinant.

    Arguments:
        channels: C, even.
        order: ``first``, ``last``, ``random`` or ``entropy``: what is emitted.
        weights: ``none`` or ``pooled``.
        permutation_seed: draws the order ``random``.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.
    Reference: Chen et al., EIW-Flow, 2024, arXiv:2407.04958, on the Shuffle operation.

    """

    def __init__(self, channels: int, order: str, weights: str, permutation_seed: int = 0) -> None:
        super().__init__(channels)
        self.rule = order
        self.permutation_seed = permutation_seed
        self.register_buffer("order", torch.arange(channels))
        self.weights = Weights(channels) if weights == "pooled" else None
        self.display = Weights(channels) if order == "entropy" and weights == "none" else None

    def draw(self, generator: torch.Generator) -> None:
        """Set the order that needs no data."""
        del generator  # the permutation has its own seed, so that a study can vary it alone
        channels = torch.arange(self.channels)
        if self.rule == "first":
            channels = channels.roll(self.channels // 2)
        elif self.rule == "random":
            channels = torch.randperm(
                self.channels, generator=generator_for(self.permutation_seed, f"order of {self.channels} channels")
            )
        self.order.copy_(channels)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Sort the channels of the batch x (N, C, H, W) by redundancy, where this is the rule."""
        if self.rule == "entropy":
            self.order.copy_(entropy_order(x))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        ordered = _in_order(x, self.order)
        if self.weights is None:
            return ordered, x.new_zeros(x.shape[0])
        return self.weights(ordered)

    def inverse(self, y: Tensor) -> Tensor:
        """Return x, from y and the order alone."""
        self.check(y)
        return _in_order(y if self.weights is None else self.weights.inverse(y), self.order.argsort())

    def log_weights(self, x: Tensor) -> Tensor | None:
        """Return log ω (N, C) by position after the order: applied, or for display; None where there are none."""
        weights = self.weights or self.display
        return None if weights is None else weights.log_weights(_in_order(x, self.order))

    def divergence(self, x: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the divergence (N,) of :meth:`Weights.divergence`; a display Solver sees detached features."""
        if self.weights is not None:
            return self.weights.divergence(_in_order(x, self.order), temperature)
        if self.display is not None:
            return self.display.divergence(_in_order(x, self.order), temperature)
        return x.new_zeros(x.shape[0])


def entropy_order(x: Tensor) -> Tensor:
    """Return the channel numbers (C,) of x (N, C, H, W) by mean redundancy, most structure first."""
    return redundancy(x).mean(dim=0).argsort(descending=True, stable=True)


def _in_order(x: Tensor, order: Tensor) -> Tensor:
    # Along the last dimension, so that channels stay last in memory: what follows would otherwise copy them there.
    return x.permute(0, 2, 3, 1).index_select(3, order).permute(0, 3, 1, 2)
