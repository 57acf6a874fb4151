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
    """How channels are put in order, as their numbers (C,), those that stay first: the first half stays.

    Attributes:
        made: from C and the permutation seed, before data are seen.
        sorted: from features (N, C, H, W), once, in the initialising pass; None where an order looks at no data.
        dealt: how the initialisation ``dealt`` gives a level's channels to its couplings; see :data:`DEALS`.

    """

    made: Callable[[int, int], Tensor]
    sorted: Callable[[Tensor], Tensor] | None = None
    dealt: Deal = by_chance

    def stays(self, x: Tensor) -> Tensor:
        """Return the half (C,) bool that a level's last two couplings are dealt, of channels x (N, C, H, W).

        Of an order that looks at data it is what stays; of any other the first half, whichever leaves.
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


#: The orders and the weightings of split policies by their words: a new one is a row. A weighting is made from C.
ORDERS: dict[str, Order] = {
    "first": Order(halves_swapped),
    "last": Order(by_number),
    "random": Order(drawn),
    "entropy": Order(by_number, sorted=entropy_order, dealt=by_information),
}
WEIGHTS: dict[str, Callable[[int], Weights] | None] = {"none": None, "pooled": Weights}
#: How the initialisations that deal give channels to couplings: as the order has it, or all orders alike.
DEALS: dict[str, Callable[[Order], Deal]] = {
    "dealt": lambda order: order.dealt,
    "dealt-by-information": lambda _: by_information,
    "dealt-by-chance": lambda _: by_chance,
}


def deal_of(init: str, order: str) -> Deal:
    """Return how an initialisation gives a level's channels to its couplings, where the split has an order."""
    return DEALS[init](ORDERS[order]) if init in DEALS else in_turn


def parse_split(split: str) -> tuple[str, str]:
    """Return ``(order, weights)`` of a split policy given by name or as ``ORDER+WEIGHTS``."""
    if split in NAMED_SPLITS:
        return NAMED_SPLITS[split]
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
    return names.get((order, weights), f"{order}+{weights}")
