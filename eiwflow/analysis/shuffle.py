"""What a Shuffle's permutation moves: against the entropy order over training and over images, and a static split.

An *order* is a row of channel numbers by position, those passed on first; a *rank* is a channel's place in it, from 0.
The split line lies between what is passed on and what is factored out. The *order used* was set before the first
training step and stands; the *entropy order* is what sorting by spectral redundancy would give now.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import DataError
from ..flow import FlowConfig, MultiScaleFlow, dequantise
from ..flow.config import ROTATED
from ..flow.information import redundancy
from ..flow.multiscale import Trace
from ..flow.shuffle import Shuffle
from . import intervals
from .record import TrainingRecord

#: The part of all random orders that a band of chance holds.
BAND = 0.95
#: The probability of a swap, over resampled images, from which a pair is a near-tie.
NEAR_TIE = 0.05
#: The rule that a flow follows, beside others.
USED = "used"
#: Flow steps a level up to which :func:`halves_by_steps` looks.
MOST_STEPS = 9


# ---------------------------------------------------------------------- two orders


def ranks_of(orders: np.ndarray) -> np.ndarray:
    """Return the rank of every channel, by channel number, in orders (…, C)."""
    return np.argsort(orders, axis=-1)


def crossing(orders: np.ndarray, used: np.ndarray, kept: int) -> np.ndarray:
    """Return by channel number (…, C) whether orders (…, C) put it on the other side of the split line than (C,).

    ``kept`` channels are passed on.
    """
    return (ranks_of(orders) < kept) != (ranks_of(used) < kept)


def split_churn(orders: np.ndarray, used: np.ndarray, kept: int) -> np.ndarray:
    """Return the part of the channels, 0 to 1, that orders (…, C) put on the other side than the one used (C,)."""
    return crossing(orders, used, kept).mean(axis=-1)


def kendall_tau(orders: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return Kendall's τ (S,) of orders (S, C) with the order used (C,): 1 for the same, −1 for the reversed."""
    from scipy import stats

    ranks = ranks_of(used)
    return np.array([stats.kendalltau(row, ranks).statistic for row in ranks_of(orders)])


@dataclass(frozen=True)
class NullBand:
    """Where 95 % of all random orders of C channels lie, at least, and their mean; exact, nothing is drawn."""

    low: float
    mean: float
    high: float


@lru_cache(maxsize=16)
def churn_band(channels: int, kept: int) -> NullBand:
    """Return the band of :func:`split_churn` by chance: what is no longer passed on is hypergeometric."""
    from scipy import stats

    moved = stats.hypergeom(channels, kept, channels - kept)
    low, high = moved.ppf([(1 - BAND) / 2, (1 + BAND) / 2])
    return NullBand(*(float(2 * each / channels) for each in (low, moved.mean(), high)))


@lru_cache(maxsize=16)
def tau_band(channels: int) -> NullBand:
    """Return the band of :func:`kendall_tau` by chance.

    The inversions of a random order are a sum of independent uniform numbers: the i-th channel stands before any
    number from 0 to i − 1 of those above it. Their distribution is convolved, then τ = 1 − 4 inversions / C(C − 1).
    """
    probabilities = np.ones(1)
    for i in range(2, channels + 1):
        summed = np.cumsum(np.pad(probabilities, (0, i - 1)))
        probabilities = (summed - np.pad(summed, (i, 0))[: len(summed)]) / i
    inversions = np.searchsorted(np.cumsum(probabilities), [(1 - BAND) / 2, (1 + BAND) / 2])
    high, low = 1 - 4 * inversions / (channels * (channels - 1))
    return NullBand(float(low), 0.0, float(high))


class _Split:
    """What has an order and a split line.

    Attributes:
        order: the order used, (C,).
        passed_on: how many channels are passed on.

    """

    order: np.ndarray
    passed_on: int

    @property
    def channels(self) -> int:
        """C."""
        return len(self.order)

    @property
    def kept(self) -> np.ndarray:
        """Whether the order used passes a channel on, (C,) by channel number."""
        return ranks_of(self.order) < self.passed_on


# ---------------------------------------------------------------------- over training


@dataclass(frozen=True, eq=False)
class RankRiver(_Split):
    """The entropy order of one level at S recording steps beside the order used; channels C by their number.

    Attributes:
        level: from 1.
        steps: training steps (S,), log-spaced, 0 first.
        order: the order used (C,).
        entropy_orders: what sorting by redundancy would give at each step, (S, C).
        redundancy: (S, C) in nats a pixel, mean over the run's probe images.
        passed_on: how many channels are passed on.

    """

    level: int
    steps: np.ndarray
    order: np.ndarray
    entropy_orders: np.ndarray
    redundancy: np.ndarray
    passed_on: int

    @cached_property
    def ranks(self) -> np.ndarray:
        """The rank of every channel in the entropy order at each step, (S, C)."""
        return ranks_of(self.entropy_orders)

    @cached_property
    def crossing(self) -> np.ndarray:
        """Whether a channel would now cross the split line, (S, C)."""
        return crossing(self.entropy_orders, self.order, self.passed_on)

    @cached_property
    def churn(self) -> np.ndarray:
        """The part of the channels that would cross, (S,)."""
        return split_churn(self.entropy_orders, self.order, self.passed_on)

    @cached_property
    def tau(self) -> np.ndarray:
        """Kendall's τ with the order used, (S,)."""
        return kendall_tau(self.entropy_orders, self.order)

    @property
    def churn_null(self) -> NullBand:
        """What random orders give for :attr:`churn`."""
        return churn_band(self.channels, self.passed_on)

    @property
    def tau_null(self) -> NullBand:
        """What random orders give for :attr:`tau`."""
        return tau_band(self.channels)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a step and channel."""
        kept = self.kept
        return [
            {
                "step": int(step),
                "channel": channel,
                "rank": int(self.ranks[s, channel]) + 1,
                "redundancy_nats_per_pixel": float(self.redundancy[s, channel]),
                "in_force": _side(kept[channel]),
                "would_cross": bool(self.crossing[s, channel]),
                "churn": float(self.churn[s]),
                "kendall_tau": float(self.tau[s]),
            }
            for s, step in enumerate(self.steps)
            for channel in range(self.channels)
        ]


def rank_river(record: TrainingRecord, level: int, passed_on: int | None = None) -> RankRiver:
    """Return the rank river of a level that has a Shuffle; it passes on so many channels, or as the record says."""
    seen = record.levels[level - 1]
    if seen.order is None or seen.entropy_order is None or seen.redundancy is None:
        raise ValueError(_no_shuffle(level, len(record.levels)))
    order = seen.order[-1]
    passed_on = seen.kept_channels if passed_on is None else passed_on
    return RankRiver(level, record.steps, order, seen.entropy_order, seen.redundancy.astype(float), passed_on)


# ---------------------------------------------------------------------- over images


@dataclass(frozen=True, eq=False)
class ImageOrders:
    """The orders that N images would each ask for; channels C by their number.

    Attributes:
        order: the order used (C,), one for all images.
        redundancy: (N, C) in nats a pixel.
        passed_on: how many channels are passed on.

    """

    order: np.ndarray
    redundancy: np.ndarray
    passed_on: int

    @property
    def own_orders(self) -> np.ndarray:
        """The order by each image's own redundancy, (N, C)."""
        return _by_redundancy(self.redundancy)

    @property
    def emitted_share(self) -> np.ndarray:
        """The part of the images, 0 to 1, whose own order would factor a channel out, (C,)."""
        return (ranks_of(self.own_orders) >= self.passed_on).mean(axis=0)

    @property
    def churn(self) -> np.ndarray:
        """The part of the channels on the other side than in the order used, per image (N,)."""
        return split_churn(self.own_orders, self.order, self.passed_on)


class Tie(NamedTuple):
    """Two channels on the two sides of the entropy order's split line.

    Attributes:
        kept, emitted: channel numbers.
        gap: mean redundancy of the one minus that of the other, nats a pixel.
        low, high: its 95 % bootstrap interval over images.
        swap: the probability that resampled images sort them the other way round.

    """

    kept: int
    emitted: int
    gap: float
    low: float
    high: float
    swap: float


@dataclass(frozen=True, eq=False)
class NearTies:
    """How firmly the entropy order of N images decides the sides; a bootstrap, percentile intervals.

    Attributes:
        images: N.
        photographs: how many they were cut from, where whole photographs are resampled; 0 where images are.
        order: by mean redundancy over the images, (C,).
        redundancy: that mean, (C,) by channel number, nats a pixel.
        emitted_probability: how often a channel is emitted when the images are resampled, (C,) by channel number.
        at_line: the last channel kept and the first one emitted.
        near: all pairs across the line that swap with a probability of at least :data:`NEAR_TIE`, likeliest first.

    """

    images: int
    photographs: int
    order: np.ndarray
    redundancy: np.ndarray
    emitted_probability: np.ndarray
    at_line: Tie
    near: tuple[Tie, ...]

    def table(self) -> list[dict[str, Any]]:
        """Return one row a near-tie, or the pair at the line where there is none."""
        return [
            {
                "kept_channel": tie.kept,
                "emitted_channel": tie.emitted,
                "gap_nats_per_pixel": tie.gap,
                "gap_low": tie.low,
                "gap_high": tie.high,
                "swap_probability": tie.swap,
            }
            for tie in self.near or (self.at_line,)
        ]


def near_ties(redundancies: np.ndarray, kept: int, seed: int = 0, sources: Sequence[int] | None = None) -> NearTies:
    """Judge redundancies (N, C) of N ≥ 2 images: which pairs across the split line could stand the other way round.

    Arguments:
        redundancies: nats a pixel, by channel number.
        kept: how many channels are passed on.
        seed: draws the resamples.
        sources: the photograph (N,) that each image was cut from, where that is known.

    Raises:
        DataError: there is one image.

    """
    count = len(redundancies)
    if count < 2:
        raise DataError(f"{count} test image says nothing of near-ties; at least 2 are needed")
    mean = redundancies.mean(axis=0)
    order = _by_redundancy(mean)
    upper, lower = np.split(order, [kept])
    # (C, B); one draw of images for all channels of a resample
    resampled = intervals.means(intervals.draws(count, sources, intervals.RESAMPLES, seed), redundancies).T
    gaps = resampled[upper][:, None] - resampled[lower]
    swap = (gaps < 0).mean(axis=-1) + (gaps == 0).mean(axis=-1) / 2
    low, high = intervals.percentiles(gaps, axis=-1)

    def tie(k: int, e: int) -> Tie:
        numbers = mean[upper[k]] - mean[lower[e]], low[k, e], high[k, e], swap[k, e]
        return Tie(int(upper[k]), int(lower[e]), *map(float, numbers))

    close = np.argwhere(swap >= NEAR_TIE)
    return NearTies(
        images=count,
        photographs=intervals.photographs(sources),
        order=order,
        redundancy=mean,
        emitted_probability=(ranks_of(_by_redundancy(resampled.T)) >= kept).mean(axis=0),
        at_line=tie(kept - 1, 0),
        near=tuple(sorted((tie(k, e) for k, e in close), key=lambda pair: -pair.swap)),
    )


def _by_redundancy(redundancies: np.ndarray) -> np.ndarray:
    """Return orders (…, C), most structure first; of equals the lower channel number stands first, as in the flow."""
    return np.argsort(-redundancies, axis=-1, kind="stable")


# ---------------------------------------------------------------------- what other rules would factor out


@dataclass(frozen=True)
class Alternative:
    """What one rule makes of a level's channels as they are now.

    Attributes:
        rule: :data:`USED`, or one of ``flow.config.ORDERS``; ``entropy`` sorts anew.
        order: channel numbers, those passed on first.
        kept_redundancy, emitted_redundancy: mean of the halves over channels and images, nats a pixel.
        moved: how many channels stand on the other side than in the order used.

    """

    rule: str
    order: tuple[int, ...]
    kept_redundancy: float
    emitted_redundancy: float
    moved: int


def alternatives(mean: np.ndarray, used: np.ndarray, kept: int, seed: int = 0) -> tuple[Alternative, ...]:
    """Return what every rule would pass on and factor out of channels of this mean redundancy (C,), by their number.

    Arguments:
        mean: redundancy, nats a pixel.
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


@dataclass(frozen=True, eq=False)
class HalvesBySteps:
    """Mean redundancy of level 1's halves in a flow just initialised, if it had K = 1 … steps; nats a pixel, (K,).

    Attributes:
        init: how the 1×1 convolutions start.
        first, last: of the first and of the last channels, as many as are passed on.
        entropy: of those that sorting by redundancy passes on.
        partition: the flow's channel partition.
        kept, channels: how many channels of how many are passed on.

    """

    init: str
    first: np.ndarray
    last: np.ndarray
    entropy: np.ndarray
    partition: str = "alternating"
    kept: int = 1
    channels: int = 2

    @property
    def changes(self) -> int:
        """How often the half with more structure changes from one number of steps to the next."""
        return int(np.diff(self.first > self.last).sum())

    @property
    def gain(self) -> np.ndarray:
        """How much more redundancy sorting passes on than the worse static half, (K,)."""
        return self.entropy - np.minimum(self.first, self.last)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a number of steps."""
        rows = zip(self.first.tolist(), self.last.tolist(), self.entropy.tolist(), strict=True)
        return [
            {"steps_per_level": k, "first_half": first, "last_half": last, "kept_by_entropy": entropy}
            for k, (first, last, entropy) in enumerate(rows, start=1)
        ]


def halves_by_steps(config: FlowConfig, images: Tensor, seed: int = 0, most: int = MOST_STEPS) -> HalvesBySteps:
    """Initialise level 1 with up to ``most`` steps on uint8 images (N, C, H, W) and measure its halves after each.

    A fresh coupling changes nothing, so a flow of K steps is the beginning of a longer one, and its width is of no
    consequence. Partitions other than the alternating one end with the same halves whatever K is.
    """
    x = dequantise(images, torch.Generator().manual_seed(seed), bits=config.bits)
    if config.init in ROTATED and config.partition != "alternating":
        means = _redundancies(replace(config, levels=2, steps=1, width=1, kept=config.kept[:1]), x, seed) * most
    else:
        means = _redundancies(replace(config, levels=1, steps=most, width=1, kept=()), x, seed)
    kept, channels, each = config.counts[0], config.level_shape(1)[0], np.stack(means)
    first, last = each[:, :kept].mean(axis=1), each[:, channels - kept :].mean(axis=1)
    by_entropy = -np.sort(-each, axis=1)[:, :kept].mean(axis=1)
    return HalvesBySteps(config.init, first, last, by_entropy, config.partition, kept, channels)


def _redundancies(config: FlowConfig, x: Tensor, seed: int) -> list[np.ndarray]:
    """Return redundancies (C,) behind each step of level 1 of a flow that is initialised from x."""
    flow, found = MultiScaleFlow(config, seed), []
    flow.initialise(x)
    with torch.no_grad():
        x, _ = flow.levels[0].squeeze(x)
        for step in flow.levels[0].steps:
            x, _ = step(x)
            found.append(redundancy(x).mean(dim=0).numpy())
    return found


# ---------------------------------------------------------------------- all of it


@dataclass(frozen=True, eq=False)
class ShuffleReport(_Split):
    """What one level's permutation does, over training, over images, and beside other rules.

    Attributes:
        level: from 1.
        rule: the order's rule, one of ``flow.config.ORDERS``.
        order: the order used, (C,).
        passed_on: how many channels are passed on.
        river: over training; None where the checkpoint has no record.
        images: over the traced images.
        ties: how sharp the split line is over them.
        alternatives: what other rules would pass on and factor out of them.
        image: the image looked at, alone; None where none was given.

    """

    level: int
    rule: str
    order: np.ndarray
    passed_on: int
    river: RankRiver | None
    images: ImageOrders
    ties: NearTies
    alternatives: tuple[Alternative, ...]
    image: ImageOrders | None = None

    @property
    def would_cross(self) -> np.ndarray:
        """Whether sorting the traced images anew would take a channel across the split line, (C,)."""
        return crossing(self.ties.order, self.order, self.passed_on)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a channel, by position in the order used."""
        now, share = ranks_of(self.ties.order), self.images.emitted_share
        return [
            {
                "position": position + 1,
                "channel": int(channel),
                "in_force": _side(self.kept[channel]),
                "redundancy_nats_per_pixel": float(self.ties.redundancy[channel]),
                "entropy_rank": int(now[channel]) + 1,
                "would_cross": bool(self.would_cross[channel]),
                "images_that_would_emit": float(share[channel]),
                "emitted_in_resamples": float(self.ties.emitted_probability[channel]),
            }
            for position, channel in enumerate(self.order)
        ]

    def rules_table(self) -> list[dict[str, Any]]:
        """Return one row a rule: what it would pass on and factor out of these channels."""
        return [
            {
                "rule": one.rule,
                "kept_nats_per_pixel": one.kept_redundancy,
                "emitted_nats_per_pixel": one.emitted_redundancy,
                "would_change_sides": one.moved,
            }
            for one in self.alternatives
        ]

    def summary(self) -> dict[str, Any]:
        """Return the level as one row beside others; NaN where a training record is needed and there is none."""
        used, river = self.alternatives[0], self.river
        at_ends = (math.nan,) * 4 if river is None else (*river.churn[[0, -1]], *river.tau[[0, -1]])
        names = ("churn_at_first_step", "churn_at_last_step", "kendall_tau_at_first_step", "kendall_tau_at_last_step")
        return {
            "level": self.level,
            "channels": self.channels,
            "kept_nats_per_pixel": used.kept_redundancy,
            "emitted_nats_per_pixel": used.emitted_redundancy,
            **{name: float(value) for name, value in zip(names, at_ends, strict=True)},
            "near_ties": len(self.ties.near),
            "churn_of_single_images": float(self.images.churn.mean()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        river = self.river
        over_training = (
            None
            if river is None
            else {
                "steps": river.steps.tolist(),
                "entropy_orders": river.entropy_orders.tolist(),
                "churn": river.churn.tolist(),
                "churn_band": asdict(river.churn_null),
                "kendall_tau": river.tau.tolist(),
                "kendall_tau_band": asdict(river.tau_null),
                "table": river.table(),
            }
        )
        return {
            "level": self.level,
            "rule": self.rule,
            "order": self.order.tolist(),
            "channels": self.table(),
            "training": over_training,
            "images": {
                "count": len(self.images.redundancy),
                "churn": float(self.images.churn.mean()),
                "same_half": float((self.images.churn == 0).mean()),
            },
            "image_order": None if self.image is None else self.image.own_orders[0].tolist(),
            "near_ties": self.ties.table(),
            "alternatives": [asdict(alternative) for alternative in self.alternatives],
        }


def shuffle_report(
    trace: Trace,
    level: int,
    rule: str,
    record: TrainingRecord | None = None,
    image: Trace | None = None,
    seed: int = 0,
    sources: Sequence[int] | None = None,
) -> ShuffleReport:
    """Measure what the permutation of level ``level`` moves.

    Arguments:
        trace: of at least two test images, as :func:`.levels.trace_of_test_images` makes it.
        level: from 1; one that has a Shuffle.
        rule: the flow's ``config.order``.
        record: of the checkpoint's training, where there is one.
        image: trace of the image looked at.
        seed: draws the resamples, and the order ``random`` among the alternatives.
        sources: the photograph that each traced image was cut from, where that is known.

    Raises:
        ValueError: the level has no Shuffle.
        DataError: there is one image.

    """
    order = trace.levels[level - 1].order
    if order is None:
        raise ValueError(_no_shuffle(level, len(trace.levels)))
    images = image_orders(trace, level)
    kept = images.passed_on
    ties = near_ties(images.redundancy, kept, seed, sources)
    return ShuffleReport(
        level=level,
        rule=rule,
        order=order.numpy(),
        passed_on=kept,
        river=_river_of(record, level, order.numpy(), kept),
        images=images,
        ties=ties,
        alternatives=alternatives(ties.redundancy, order.numpy(), kept, seed),
        image=None if image is None else image_orders(image, level),
    )


def _river_of(record: TrainingRecord | None, level: int, order: np.ndarray, kept: int) -> RankRiver | None:
    """Return the river, or None where the record is not there or is another flow's."""
    if record is None or level > len(record.levels) or record.levels[level - 1].order is None:
        return None
    river = rank_river(record, level, kept)
    return river if np.array_equal(river.order, order) else None


def image_orders(trace: Trace, level: int) -> ImageOrders:
    """Return the orders that the traced images would ask for at a level that has a Shuffle."""
    seen = trace.levels[level - 1]
    assert seen.order is not None and seen.kept is not None  # only the last level has no Shuffle
    return ImageOrders(seen.order.numpy(), redundancy(seen.features).numpy(), seen.kept.shape[1])


def _side(kept: bool) -> str:
    return "kept" if kept else "emitted"


def _no_shuffle(level: int, levels: int) -> str:
    with_one = f"levels 1 to {levels - 1} have one" if levels > 2 else "only level 1 has one"
    return f"Level {level} has no Shuffle; {with_one if levels > 1 else 'a flow of one level splits nowhere'}."
