"""Effects of a Shuffle's permutation: against the entropy order over training and images, and against other orders.

An *order* is a row of channel numbers by position, channels passed on first; a *rank* is a channel's place in it, from
0. The split line lies between the parts passed on and factored out. The *order used* is fixed before the first training
step; the *entropy order* results from sorting by spectral redundancy at a later moment.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..flow.information import redundancy
from ..flow.multiscale import Trace
from ..flow.shuffle import Shuffle
from .entropy import BIT
from .record import TrainingRecord

#: The name of the flow's own rule among :class:`Alternative`.
USED = "used"


# ---------------------------------------------------------------------- two orders


def ranks_of(orders: np.ndarray) -> np.ndarray:
    """Return the rank of every channel, by channel number, in orders (…, C)."""
    return np.argsort(orders, axis=-1)


def crossing(orders: np.ndarray, used: np.ndarray, kept: int) -> np.ndarray:
    """Return for every channel (…, C) whether orders (…, C) and ``used`` (C,) put it on different sides.

    ``kept`` channels are passed on.
    """
    return (ranks_of(orders) < kept) != (ranks_of(used) < kept)


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders of a level's channels by redundancy beside the order used; channels C by their number.

    Attributes:
        order: the order used (C,).
        passed_on: how many channels are passed on.
        redundancy: (R, C) in bits a value.
        entropy_orders: the order by each row of redundancy, (R, C).

    """

    order: np.ndarray
    passed_on: int
    redundancy: np.ndarray
    entropy_orders: np.ndarray

    @property
    def channels(self) -> int:
        """C."""
        return len(self.order)

    @property
    def kept(self) -> np.ndarray:
        """Whether the order used passes a channel on, (C,) by channel number."""
        return ranks_of(self.order) < self.passed_on

    @cached_property
    def ranks(self) -> np.ndarray:
        """The rank of every channel in each order by redundancy, (R, C)."""
        return ranks_of(self.entropy_orders)

    @cached_property
    def crossing(self) -> np.ndarray:
        """Whether sorting by each row would take a channel across the split line, (R, C)."""
        return crossing(self.entropy_orders, self.order, self.passed_on)

    @cached_property
    def churn(self) -> np.ndarray:
        """The part of the channels, 0 to 1, that would cross, (R,)."""
        return self.crossing.mean(axis=-1)


# ---------------------------------------------------------------------- over training


@dataclass(frozen=True, eq=False)
class RankRiver(Orders):
    """The entropy order of one level at S recording steps, from means over the run's probe images.

    Attributes:
        level: from 1.
        steps: training steps (S,), log-spaced, 0 first.

    """

    level: int
    steps: np.ndarray

    def table(self) -> list[dict[str, Any]]:
        """Return one row a step and channel."""
        kept = self.kept
        return [
            {
                "step": int(step),
                "channel": channel,
                "rank": int(self.ranks[s, channel]) + 1,
                "redundancy_bits": float(self.redundancy[s, channel]),
                "in_force": _side(kept[channel]),
                "would_cross": bool(self.crossing[s, channel]),
                "churn": float(self.churn[s]),
            }
            for s, step in enumerate(self.steps)
            for channel in range(self.channels)
        ]


def rank_river(record: TrainingRecord, level: int) -> RankRiver | None:
    """Return the rank river of a level; None for a level without a Shuffle, or of single pixels."""
    stored = record.levels[level - 1]
    if stored.order is None or stored.entropy_order is None or stored.redundancy is None:
        return None
    order, redundancies = stored.order[-1], stored.redundancy / BIT
    return RankRiver(order, stored.kept_channels, redundancies, stored.entropy_order, level, record.steps)


# ---------------------------------------------------------------------- over images


@dataclass(frozen=True, eq=False)
class ImageOrders(Orders):
    """The orders of N images, each by its own redundancy."""

    @property
    def mean(self) -> np.ndarray:
        """The mean redundancy over images, (C,)."""
        return self.redundancy.mean(axis=0)

    @property
    def entropy_order(self) -> np.ndarray:
        """The order by the mean redundancy over images, (C,)."""
        return _by_redundancy(self.mean)

    @property
    def emitted_share(self) -> np.ndarray:
        """The part of the images, 0 to 1, whose own order factors a channel out, (C,)."""
        return (self.ranks >= self.passed_on).mean(axis=0)


def image_orders(trace: Trace, level: int) -> ImageOrders:
    """Return the traced images' own orders at a level with a Shuffle."""
    seen = trace.levels[level - 1]
    assert seen.order is not None and seen.kept is not None  # only the last level has no Shuffle
    redundancies = redundancy(seen.features).numpy() / BIT
    return ImageOrders(seen.order.numpy(), seen.kept.shape[1], redundancies, _by_redundancy(redundancies))


def _by_redundancy(redundancies: np.ndarray) -> np.ndarray:
    """Return orders (…, C), most structure first; ties go by channel number, as in the flow."""
    return np.argsort(-redundancies, axis=-1, kind="stable")


# ---------------------------------------------------------------------- the halves of other rules


@dataclass(frozen=True)
class Alternative:
    """The order of one rule for a level's present channels.

    Attributes:
        rule: :data:`USED`, or one of ``flow.config.ORDERS``; ``entropy`` sorts again.
        order: channel numbers, those passed on first.
        kept_redundancy, emitted_redundancy: mean of the halves over channels and images, bits a value.
        moved: number of channels on the other side than in the order used.

    """

    rule: str
    order: tuple[int, ...]
    kept_redundancy: float
    emitted_redundancy: float
    moved: int


def alternatives(mean: np.ndarray, used: np.ndarray, kept: int, seed: int = 0) -> tuple[Alternative, ...]:
    """Return the order of every rule for channels of this mean redundancy (C,), by their number.

    Arguments:
        mean: redundancy, bits a value.
        used: the order used (C,).
        kept: how many channels are passed on.
        seed: draws the order ``random``, as the flow's ``permutation_seed`` does.

    """
    channels = len(mean)
    drawn = Shuffle(channels, "random", "none", seed)
    drawn.draw(torch.Generator())
    orders = {
        USED: used,
        "entropy": _by_redundancy(mean),
        "first": np.roll(np.arange(channels), kept),
        "last": np.arange(channels),
        "random": drawn.order.numpy(),
    }
    return tuple(
        Alternative(
            rule=rule,
            order=tuple(order.tolist()),
            kept_redundancy=float(mean[order[:kept]].mean()),
            emitted_redundancy=float(mean[order[kept:]].mean()),
            moved=int(crossing(order, used, kept).sum()),
        )
        for rule, order in orders.items()
    )


# ---------------------------------------------------------------------- the whole report


@dataclass(frozen=True, eq=False)
class ShuffleReport:
    """The effects of one level's permutation, over training, over images, and beside other rules.

    Attributes:
        level: from 1.
        rule: the order's rule, one of ``flow.config.ORDERS``.
        river: over training; None where the checkpoint has no record.
        images: over the traced images.
        alternatives: the orders of other rules for the traced images.
        image: the chosen image alone.

    """

    level: int
    rule: str
    river: RankRiver | None
    images: ImageOrders
    alternatives: tuple[Alternative, ...]
    image: ImageOrders

    @property
    def would_cross(self) -> np.ndarray:
        """Whether sorting by the traced images again would take a channel across the split line, (C,)."""
        return crossing(self.images.entropy_order, self.images.order, self.images.passed_on)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a channel, by position in the order used."""
        now, share = ranks_of(self.images.entropy_order), self.images.emitted_share
        return [
            {
                "position": position + 1,
                "channel": int(channel),
                "in_force": _side(self.images.kept[channel]),
                "redundancy_bits": float(self.images.mean[channel]),
                "entropy_rank": int(now[channel]) + 1,
                "would_cross": bool(self.would_cross[channel]),
                "images_that_would_emit": float(share[channel]),
            }
            for position, channel in enumerate(self.images.order)
        ]

    def rules_table(self) -> list[dict[str, Any]]:
        """Return one row per rule: the channels that it passes on and factors out."""
        rows = [asdict(alternative) for alternative in self.alternatives]
        return [{name: value for name, value in row.items() if name != "order"} for row in rows]

    def summary(self) -> dict[str, Any]:
        """Return the level as one row beside others; NaN for figures that need a missing training record."""
        used, river = self.alternatives[0], self.river
        return {
            "level": self.level,
            "channels": self.images.channels,
            "kept_redundancy": used.kept_redundancy,
            "emitted_redundancy": used.emitted_redundancy,
            "churn_at_first_step": math.nan if river is None else float(river.churn[0]),
            "churn_at_last_step": math.nan if river is None else float(river.churn[-1]),
            "churn_of_single_images": float(self.images.churn.mean()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        river, training = self.river, None
        if river is not None:
            training = {
                "steps": river.steps.tolist(),
                "entropy_orders": river.entropy_orders.tolist(),
                "churn": river.churn.tolist(),
                "table": river.table(),
            }
        return {
            "level": self.level,
            "rule": self.rule,
            "order": self.images.order.tolist(),
            "channels": self.table(),
            "training": training,
            "images": {
                "count": len(self.images.redundancy),
                "churn": float(self.images.churn.mean()),
                "same_half": float((self.images.churn == 0).mean()),
            },
            "image_order": self.image.entropy_orders[0].tolist(),
            "alternatives": [asdict(alternative) for alternative in self.alternatives],
        }


def shuffle_report(
    trace: Trace, level: int, rule: str, image: Trace, record: TrainingRecord | None = None, seed: int = 0
) -> ShuffleReport:
    """Measure the effects of the permutation of a level.

    Arguments:
        trace: of test images, as :func:`.levels.trace_of` makes it.
        level: from 1, with a Shuffle.
        rule: the flow's ``config.order``.
        image: trace of the chosen image.
        record: of the checkpoint's training, where there is one.
        seed: draws the order ``random`` among the alternatives.

    """
    images = image_orders(trace, level)
    river = None if record is None else rank_river(record, level)
    of_another_flow = river is not None and not np.array_equal(river.order, images.order)
    return ShuffleReport(
        level=level,
        rule=rule,
        river=None if of_another_flow else river,
        images=images,
        alternatives=alternatives(images.mean, images.order, images.passed_on, seed),
        image=image_orders(image, level),
    )


def _side(kept: bool) -> str:
    return "kept" if kept else "emitted"
