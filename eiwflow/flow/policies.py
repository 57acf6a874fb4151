"""Split policies: how channels are put in order, how they are weighted, and the names of the pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .bijection import ConfigError, generator_for
from .channel_weights import Weights
from .information import redundancy
from .partitions import Deal, by_chance, by_information, in_turn

#: The split policies that have a name: name -> (order, weights).
NAMED_SPLITS: dict[str, tuple[str, str]] = {
    "static-first": ("first", "none"),
    "static-last": ("last", "none"),
    "random": ("random", "none"),
    "shuffle": ("entropy", "none"),
    "weighted": ("entropy", "pooled"),
}


@dataclass(frozen=True)
class Order:
    """How channels are put in order, as their numbers (C,): the first half of the order is passed on.

    Attributes:
        made: from C and the permutation seed, before data are seen.
        sorted: from features (N, C, H, W), once, in the initialising pass; None where an order looks at no features.
        by_variance: from the numbers (C,) of the principal channels, largest variance first, as they stand where the
            level splits; None for every other order. Only ``init="principal"`` has principal channels.

    """

    made: Callable[[int, int], Tensor]
    sorted: Callable[[Tensor], Tensor] | None = None
    by_variance: Callable[[Tensor], Tensor] | None = None

    def stays(self, x: Tensor) -> Tensor:
        """Return the half (C,) bool that a level's last two couplings work on, of channels x (N, C, H, W).

        Of an order that looks at features it is what is passed on; of any other the half of largest variance.
        """
        channels = torch.arange(x.shape[1])
        order = channels if self.sorted is None else self.sorted(x).cpu()
        return torch.isin(channels, order[: len(channels) // 2])


def by_number(channels: int, seed: int = 0) -> Tensor:
    """Return the channel numbers (C,) as they are: the last half leaves."""
    del seed
    return torch.arange(channels)


def halves_swapped(channels: int, seed: int = 0) -> Tensor:
    """Return the channel numbers (C,), the second half first: the first half leaves."""
    return by_number(channels, seed).roll(channels // 2)


def drawn(channels: int, seed: int) -> Tensor:
    """Return the channel numbers (C,) in an order that depends on (C, seed) alone."""
    return torch.randperm(channels, generator=generator_for(seed, f"order of {channels} channels"))


def entropy_order(x: Tensor) -> Tensor:
    """Return the channel numbers (C,) of x (N, C, H, W) by mean redundancy, most structure first."""
    return redundancy(x).mean(dim=0).argsort(descending=True, stable=True)


def largest_variance_first(principal: Tensor) -> Tensor:
    """Return the order that passes on the half of largest variance, from the channels' principal numbers (C,)."""
    return principal.argsort()


def smallest_variance_first(principal: Tensor) -> Tensor:
    """Return the order that factors out the half of largest variance, from the channels' principal numbers (C,)."""
    return principal.argsort().roll(len(principal) // 2)


#: The orders and the weightings of split policies by their words: a new one is a row. A weighting is made from C.
ORDERS: dict[str, Order] = {
    "first": Order(halves_swapped),
    "last": Order(by_number),
    "random": Order(drawn),
    "entropy": Order(by_number, sorted=entropy_order),
    "variance": Order(by_number, by_variance=largest_variance_first),
    "variance-reversed": Order(halves_swapped, by_variance=smallest_variance_first),
}
WEIGHTS: dict[str, Callable[[int], Weights] | None] = {"none": None, "pooled": Weights}
#: How a level's channels are divided among its couplings, where it starts from principal channels.
PARTITIONS: dict[str, Deal] = {"alternating": in_turn, "random": by_chance, "information": by_information}

#: The words of ``init`` that state a partition as well, and what they mean: (init, partition). None: by the order.
DEALS: dict[str, tuple[str, str | None]] = {
    "dealt": ("principal", None),
    "dealt-by-information": ("principal", "information"),
    "dealt-by-chance": ("principal", "random"),
}


def partition_for(order: str) -> str:
    """Return the partition that goes with an order where none is named: by information for the order ``entropy``."""
    return "information" if ORDERS[order].sorted is not None else "random"


def order_by_variance(order: str, partition: str, steps: int) -> str:
    """Return what an order does to principal channels: ``first`` and ``last`` are then orders by variance.

    The half of largest variance stands second where a level splits, but for alternating halves and an odd number of
    steps, where it stands first.
    """
    if order not in ("first", "last"):
        return order
    stands_first = partition == "alternating" and steps % 2 == 1
    return "variance" if (order == "first") != stands_first else "variance-reversed"


def parse_split(split: str) -> tuple[str, str]:
    """Return ``(order, weights)`` of a split policy given by name or as ``ORDER+WEIGHTS``."""
    if split in NAMED_SPLITS:
        return NAMED_SPLITS[split]
    if split in ORDERS and ORDERS[split].by_variance is not None:
        return split, "none"
    order, plus, weights = split.partition("+")
    if plus and order in ORDERS and weights in WEIGHTS:
        return order, weights
    raise ConfigError(
        f"split is {split[:40]!r}; it must be one of {', '.join(NAMED_SPLITS)} or ORDER+WEIGHTS "
        f"with ORDER in {', '.join(ORDERS)} and WEIGHTS in {', '.join(WEIGHTS)}."
    )


def split_name(order: str, weights: str) -> str:
    """Return the name of a split policy where it has one, else ``order+weights``."""
    names = {policy: name for name, policy in NAMED_SPLITS.items()}
    names |= {(name, "none"): name for name, row in ORDERS.items() if row.by_variance is not None}
    return names.get((order, weights), f"{order}+{weights}")
