"""The Shuffle: which channels are passed on, and the weight of each for each image."""

from __future__ import annotations

import torch
from torch import Tensor

from .bijection import Bijection, channel_numbers
from .policies import ORDERS, WEIGHTS, variance_ranks


class Shuffle(Bijection):
    r"""Orders the channels, those passed on first, and multiplies each by its weight for every input.

    .. math:: y_j = ω_j(x) \, x_{π(j)}, \qquad \log|\det| = HW \sum_j \log ω_j(x)

    The order π is a buffer: made without data, or, for the order ``entropy``, sorted once from them by
    :meth:`initialise`, largest redundancy first; the channels nearest to white noise are factored out. The weights are
    recomputed by the inverse. Nothing is remembered between calls.

    Arguments:
        channels: C.
        order: a word of :data:`ORDERS`: which channels are passed on.
        weights: a word of :data:`WEIGHTS`.
        permutation_seed: draws the order ``random``.
        kept: channels passed on; half of them by default.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.

    Reference: Chen et al., EIW-Flow, 2024, arXiv:2407.04958, on the Shuffle operation.

    >>> shuffle, x = Shuffle(4, "entropy", "none"), torch.randn(8, 4, 8, 8)
    >>> shuffle.initialise(x)
    >>> y, log_det = shuffle(x)
    >>> torch.equal(y, x[:, shuffle.order])
    True

    """

    order: Tensor

    def __init__(
        self, channels: int, order: str, weights: str, permutation_seed: int = 0, kept: int | None = None
    ) -> None:
        super().__init__(channels)
        self.kept = kept or channels // 2
        self.rule = order
        self.permutation_seed = permutation_seed
        self.register_buffer("order", channel_numbers(channels))
        weighting = WEIGHTS[weights].shuffle
        self.weights = None if weighting is None else weighting(channels, self.kept)

    def draw(self, generator: torch.Generator) -> None:
        """Set the order that needs no data."""
        del generator  # the permutation has its own seed, so that a study can vary it alone
        self.order.copy_(ORDERS[self.rule].made(self.channels, self.kept, self.permutation_seed))

    @torch.no_grad()
    def initialise(self, x: Tensor, principal: Tensor | None = None) -> None:
        """Sort the channels of the batch x (N, C, H, W), where the order looks at features or variances.

        ``principal`` holds the channel numbers (C,), largest variance first, if the level starts from principal
        channels; otherwise an order by variance ranks the channels of x by their own.
        """
        rule = ORDERS[self.rule]
        if rule.sorted is not None:
            self.order.copy_(rule.sorted(x))
        elif rule.by_variance is not None:
            ranks = variance_ranks(x) if principal is None else principal
            self.order.copy_(rule.by_variance(ranks, self.kept))

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
        """Return log ω (N, C) by position after the order; None where there are no weights."""
        return None if self.weights is None else self.weights.log_weights(_in_order(x, self.order))

    def divergence(self, x: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the divergence (N,) of :meth:`ChannelWeights.divergence`; zeros where there are no weights."""
        if self.weights is None:
            return x.new_zeros(x.shape[0])
        return self.weights.divergence(_in_order(x, self.order), temperature)


def _in_order(x: Tensor, order: Tensor) -> Tensor:
    """Return the channels of x (N, C, H, W) in another order, laid out with channels last."""
    return x.permute(0, 2, 3, 1).index_select(3, order).permute(0, 3, 1, 2)
