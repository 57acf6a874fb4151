"""Split policies: how channels are put in order, and how they are weighted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .bijection import generator_for
from .channel_weights import ChannelWeights
from .entropy_weights import ConstantWeights, EntropyWeights, MeanWeights
from .information import redundancy
from .installed import add_installed
from .partitions import Partition, alternating, at_random, by_information

#: ``keep="auto"`` passes on the channels of a larger mean spectral redundancy, in nats a pixel; white noise has 0.
AUTO_REDUNDANCY = 0.3


@dataclass(frozen=True)
class Order:
    """How channels are put in order. Each function returns channel numbers (C,), those passed on first.

    Attributes:
        made: returns the order before data are seen, from C, the number passed on and the permutation seed.
        sorted: returns the order for features (N, C, H, W); called once, in the initialising pass. None for an order
            that looks at no features.
        by_variance: returns the order from the ranks (C,) of the channels by variance, 0 for the largest, and the
            number passed on. None for every other order. At a level that starts from principal channels these are their
            numbers, at any other the ranks of its features (:func:`variance_ranks`).
        learned: whether the order is a function of parameters, as in :class:`.released.ReleasedShuffle`.

    """

    made: Callable[[int, int, int], Tensor]
    sorted: Callable[[Tensor], Tensor] | None = None
    by_variance: Callable[[Tensor, int], Tensor] | None = None
    learned: bool = False

    def last_half(self, x: Tensor) -> Tensor:
        """Return the half (C,) bool that a level's last two couplings work on, of channels x (N, C, H, W).

        For an order that looks at features this is its first half. With ``keep=0.5`` these are the channels passed on;
        with a smaller ``keep`` the half contains them, with a larger one it is a part of them. For any other order it
        is the half of largest variance.
        """
        channels = torch.arange(x.shape[1])
        order = channels if self.sorted is None else self.sorted(x).cpu()
        return torch.isin(channels, order[: len(channels) // 2])


@dataclass(frozen=True)
class Weighting:
    """The place where channels are weighted, image by image.

    Attributes:
        shuffle: makes the weights of a Shuffle, from C and the number of channels passed on; None without such weights.
        coupling: makes the weights of a coupling, from the numbers of its network's input and output channels and of a
            context's values; None without such weights.

    """

    shuffle: Callable[[int, int], ChannelWeights] | None = None
    coupling: Callable[..., EntropyWeights] | None = None


def by_number(channels: int, kept: int = 0, seed: int = 0) -> Tensor:
    """Return the channel numbers (C,) as they are: the last ones are factored out."""
    del kept, seed
    return torch.arange(channels)


def last_first(channels: int, kept: int, seed: int = 0) -> Tensor:
    """Return the channel numbers (C,), the last ``kept`` before the others: the first ones are factored out."""
    del seed
    return torch.arange(channels).roll(kept)


def drawn(channels: int, kept: int, seed: int) -> Tensor:
    """Return the channel numbers (C,) in an order that depends on (C, seed) alone."""
    del kept
    return torch.randperm(channels, generator=generator_for(seed, f"order of {channels} channels"))


def entropy_order(x: Tensor) -> Tensor:
    """Return the channel numbers (C,) of x (N, C, H, W) by mean redundancy, most structure first."""
    return redundancy(x).mean(dim=0).argsort(descending=True, stable=True)


def variance_ranks(x: Tensor) -> Tensor:
    """Return the rank (C,) of every channel of x (N, C, H, W) by its variance, 0 for the largest."""
    return x.double().var(dim=(0, 2, 3)).argsort(descending=True, stable=True).argsort()


def largest_variance_first(principal: Tensor, kept: int = 0) -> Tensor:
    """Return the order that passes on the channels of largest variance, from their principal numbers (C,)."""
    del kept
    return principal.argsort()


def smallest_variance_first(principal: Tensor, kept: int) -> Tensor:
    """Return the order that passes on the ``kept`` channels of smallest variance, from their principal numbers (C,)."""
    return principal.argsort().roll(kept)


def structured_channels(x: Tensor) -> int:
    """Return how many channels of x (N, C, H, W) ``keep="auto"`` passes on: all redundant ones, within 1 to C − 1."""
    return min(max(int((redundancy(x).mean(dim=0) > AUTO_REDUNDANCY).sum()), 1), x.shape[1] - 1)


#: The orders and the weightings of split policies by their words; to add one, add a row, or install a package that
#: has it (:mod:`.installed`).
ORDERS: dict[str, Order] = {
    "first": Order(last_first),
    "last": Order(by_number),
    "random": Order(drawn),
    "entropy": Order(by_number, sorted=entropy_order),
    "variance": Order(by_number, by_variance=largest_variance_first),
    "variance-reversed": Order(last_first, by_variance=smallest_variance_first),
    "released": Order(by_number, learned=True),
}
WEIGHTS: dict[str, Weighting] = {
    "none": Weighting(),
    "pooled": Weighting(shuffle=ChannelWeights),
    "entropy": Weighting(coupling=EntropyWeights),
    "means": Weighting(coupling=MeanWeights),
    "constant": Weighting(coupling=ConstantWeights),
}
#: How a level's channels are divided among its couplings, where it starts from principal channels.
PARTITIONS: dict[str, Partition] = {"alternating": alternating, "random": at_random, "information": by_information}
add_installed("eiwflow.orders", ORDERS)
add_installed("eiwflow.weights", WEIGHTS)
add_installed("eiwflow.partitions", PARTITIONS)
