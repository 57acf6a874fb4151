"""What a Shuffle's permutation moves: against the entropy order over training and over images, and a static split.

An *order* is a row of channel numbers by position, kept half first; a *rank* is a channel's place in it, from 0. The
split line lies between the halves. The order *in force* was set before the first training step and stands; the
*entropy order* is what sorting by redundancy J would give now.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from ..data import DataError
from ..flow import FlowConfig, MultiScaleFlow, dequantise
from ..flow.information import redundancy
from ..flow.multiscale import Trace
from ..flow.shuffle import Shuffle
from . import intervals
from .intervals import Estimate
from .record import TrainingRecord
from .words.numbers import fixed

#: The part of all random orders that a null band holds.
BAND = 0.95
#: Resamples of the images that a near-tie is judged by, and the probability of a swap from which it is one.
RESAMPLES = 2000
NEAR_TIE = 0.05
#: Flow steps a level up to which :func:`halves_by_steps` looks.
MOST_STEPS = 9


# ---------------------------------------------------------------------- two orders


def ranks_of(orders: np.ndarray) -> np.ndarray:
    """Return the rank of every channel, by channel number, in orders (…, C)."""
    return np.argsort(orders, axis=-1)


def crossing(orders: np.ndarray, in_force: np.ndarray, kept: int | None = None) -> np.ndarray:
    """Return by channel number (…, C) whether orders (…, C) put it on the other side of the split line than (C,).

    ``kept`` is how many channels are passed on; half of them by default.
    """
    line = kept or len(in_force) // 2
    return (ranks_of(orders) < line) != (ranks_of(in_force) < line)


def split_churn(orders: np.ndarray, in_force: np.ndarray, kept: int | None = None) -> np.ndarray:
    """Return the part of the channels, 0 to 1, that orders (…, C) put on the other side than the one in force (C,)."""
    return crossing(orders, in_force, kept).mean(axis=-1)


def kendall_tau(orders: np.ndarray, in_force: np.ndarray) -> np.ndarray:
    """Return Kendall's τ (S,) of orders (S, C) with the order in force (C,): 1 for the same, −1 for the reversed."""
    ranks = ranks_of(in_force)
    return np.array([stats.kendalltau(row, ranks).statistic for row in ranks_of(orders)])


@dataclass(frozen=True)
class NullBand:
    """Where 95 % of all random orders of C channels lie, at least, and their mean; exact, nothing is drawn."""

    low: float
    mean: float
    high: float


def churn_band(channels: int, kept: int | None = None) -> NullBand:
    """Return the null band of :func:`split_churn`: the channels that change from one side are hypergeometric."""
    line = kept or channels // 2
    moved = stats.hypergeom(channels, channels - line, line)
    low, high = 2 * moved.ppf([(1 - BAND) / 2, (1 + BAND) / 2]) / channels
    return NullBand(float(low), float(2 * moved.mean() / channels), float(high))


@lru_cache(maxsize=16)
def tau_band(channels: int) -> NullBand:
    """Return the null band of :func:`kendall_tau`.

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


# ---------------------------------------------------------------------- over training


@dataclass(frozen=True, eq=False)
class RankRiver:
    """The entropy order of one level at S recording steps beside the order in force; channels C by their number.

    Attributes:
        level: from 1.
        steps: training steps (S,), log-spaced, 0 first.
        order: the order in force (C,).
        entropy_orders: what sorting by J would give at each step, (S, C).
        redundancy: J (S, C) in nats a pixel, mean over the run's probe images.
        passed_on: how many channels are passed on; half of them where that is not stated.

    """

    level: int
    steps: np.ndarray
    order: np.ndarray
    entropy_orders: np.ndarray
    redundancy: np.ndarray
    passed_on: int | None = None

    @property
    def channels(self) -> int:
        """C."""
        return len(self.order)

    @property
    def kept_channels(self) -> int:
        """How many channels are passed on: the ranks before the split line."""
        return self.passed_on or self.channels // 2

    @property
    def kept(self) -> np.ndarray:
        """Whether the order in force keeps a channel, (C,)."""
        return ranks_of(self.order) < self.kept_channels

    @cached_property
    def ranks(self) -> np.ndarray:
        """The rank of every channel in the entropy order at each step, (S, C)."""
        return ranks_of(self.entropy_orders)

    @cached_property
    def crossing(self) -> np.ndarray:
        """Whether a channel would now cross the split line, (S, C)."""
        return crossing(self.entropy_orders, self.order, self.kept_channels)

    @cached_property
    def churn(self) -> np.ndarray:
        """The part of the channels that would cross, (S,)."""
        return split_churn(self.entropy_orders, self.order, self.kept_channels)

    @cached_property
    def tau(self) -> np.ndarray:
        """Kendall's τ with the order in force, (S,)."""
        return kendall_tau(self.entropy_orders, self.order)

    @property
    def churn_null(self) -> NullBand:
        """What random orders give for :attr:`churn`."""
        return churn_band(self.channels, self.kept_channels)

    @property
    def tau_null(self) -> NullBand:
        """What random orders give for :attr:`tau`."""
        return tau_band(self.channels)

    def in_words(self) -> str:
        """Return when channels would have crossed, and how near to chance the orders have come."""
        return f"{self.sorted_anew()} {self.beside_chance()}"

    def beside_chance(self) -> str:
        """Return what random orders would give."""
        band, tau = self.churn_null, self.tau_null
        return (
            f"At least {percent(BAND)} of random orders would move {band.low * self.channels:.0f} to "
            f"{band.high * self.channels:.0f} of {self.channels} channels. Kendall’s τ with the order in force ends at "
            f"{_signed(self.tau[-1])} (random orders: {_signed(tau.low)} to {_signed(tau.high)})."
        )

    def structure_in_words(self) -> str:
        """Return how J lies on both sides of the split line, sorted anew after the last step."""
        kept, emitted = np.split(self.redundancy[-1, self.entropy_orders[-1]], [self.kept_channels])
        return (
            f"J by rank in level {self.level} at step {self.steps[-1]:,}, in nats/pixel: {_signed(kept[0])} to "
            f"{_signed(kept[-1])} left of the split line, {_signed(emitted[0])} to {_signed(emitted[-1])} right of it."
        )

    def sorted_anew(self) -> str:
        """Return how many channels would change sides, and when."""
        moved, steps = self.crossing.sum(axis=1), self.steps
        if not moved.any():
            return f"Sorted anew at any recorded step up to {steps[-1]:,}, no channel would change sides."
        peak = int(moved.argmax())
        most = f", {moved[peak]} at most (step {steps[peak]:,})" if moved[peak] > max(moved[0], moved[-1]) else ""
        start = f"Sorted anew, {_of(moved[0], self.channels)} would change sides at step {steps[0]:,}"
        return f"{start}{most} and {moved[-1] or 'none'} at step {steps[-1]:,}."

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


def rank_river(record: TrainingRecord, level: int) -> RankRiver:
    """Return the rank river of a level that has a Shuffle."""
    seen = record.levels[level - 1]
    if seen.order is None or seen.entropy_order is None or seen.redundancy is None:
        raise ValueError(_no_shuffle(level, len(record.levels)))
    redundancies = seen.redundancy.astype(float)
    return RankRiver(level, record.steps, seen.order[-1], seen.entropy_order, redundancies, seen.kept_channels)


# ---------------------------------------------------------------------- over images


@dataclass(frozen=True, eq=False)
class ImageOrders:
    """The orders that N images would each ask for; channels C by their number.

    Attributes:
        order: the order in force (C,), one for all images.
        redundancy: J (N, C) in nats a pixel.
        passed_on: how many channels are passed on; half of them where that is not stated.

    """

    order: np.ndarray
    redundancy: np.ndarray
    passed_on: int | None = None

    @property
    def kept_channels(self) -> int:
        """How many channels are passed on."""
        return self.passed_on or len(self.order) // 2

    @property
    def own_orders(self) -> np.ndarray:
        """The order by each image's own J, (N, C)."""
        return _by_redundancy(self.redundancy)

    @property
    def emitted_share(self) -> np.ndarray:
        """The part of the images, 0 to 1, whose own order would emit a channel, (C,)."""
        return (ranks_of(self.own_orders) >= self.kept_channels).mean(axis=0)

    @property
    def churn(self) -> np.ndarray:
        """The part of the channels on the other side than in the order in force, per image (N,)."""
        return split_churn(self.own_orders, self.order, self.kept_channels)

    def in_words(self) -> str:
        """Return what is the same for every image, and what is not."""
        count, channels = self.redundancy.shape
        undecided = int(np.abs(self.emitted_share - 0.5).argmin())
        return (
            f"The order in force is the same for every image. Sorted by its own J, an image would on average move "
            f"{channels * self.churn.mean():.1f} of {channels} channels across the split line; "
            f"{int((self.churn == 0).sum())} of {count} images would send out just what is sent out. "
            f"Channel {undecided} is the least decided: "
            f"{percent(self.emitted_share[undecided])} of the images would emit it."
        )


class Tie(NamedTuple):
    """Two channels on the two sides of the entropy order's split line.

    Attributes:
        kept, emitted: channel numbers.
        gap: mean J of the one minus mean J of the other, nats a pixel.
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
        order: by mean J over the images, (C,).
        redundancy: that mean, (C,) by channel number, nats a pixel.
        emitted_probability: how often a channel is emitted when the images are resampled, (C,) by channel number.
        draws: the mean J in every draw of the images, (B, C) by channel number.
        at_line: the last channel kept and the first one emitted.
        near: all pairs across the line that swap with a probability of at least :data:`NEAR_TIE`, likeliest first.

    """

    images: int
    photographs: int
    order: np.ndarray
    redundancy: np.ndarray
    emitted_probability: np.ndarray
    draws: np.ndarray
    at_line: Tie
    near: tuple[Tie, ...]

    def in_words(self) -> str:
        """Return whether the split line is sharp."""
        pair = self.at_line
        of_photographs, resampled = "", "the images"
        if self.photographs:
            of_photographs, resampled = f" of {self.photographs} photographs", "whole photographs"
        start = (
            f"By the mean J of these {self.images} images{of_photographs} the split line runs between channel "
            f"{pair.kept} ({fixed(self.redundancy[pair.kept], 3)} nats/pixel) and channel {pair.emitted} "
            f"({fixed(self.redundancy[pair.emitted], 3)}); with {resampled} resampled they swap with probability "
            f"{percent(pair.swap)}"
        )
        if not self.near:
            return f"{start}: no near-tie."
        pairs = "1 pair is a near-tie" if len(self.near) == 1 else f"{len(self.near)} pairs are near-ties"
        return f"{start}. Across the line {pairs} (swap at {percent(NEAR_TIE)} or more)."

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


def near_ties(
    redundancies: np.ndarray, seed: int = 0, sources: Sequence[int] | None = None, kept: int | None = None
) -> NearTies:
    """Judge J (N, C) of N ≥ 2 images: which pairs across the split line could as well stand the other way round.

    Arguments:
        redundancies: nats a pixel, by channel number.
        seed: draws the resamples.
        sources: the photograph (N,) that each image was cut from, where that is known.
        kept: how many channels are passed on; half of them by default.

    Raises:
        DataError: there is one image.

    """
    count, channels = redundancies.shape
    line = kept or channels // 2
    if count < 2:
        raise DataError(f"{count} test image says nothing of near-ties; at least 2 are needed")
    mean = redundancies.mean(axis=0)
    order = _by_redundancy(mean)
    passed_on, emitted = np.split(order, [line])
    # (C, B); one draw of images for all channels of a resample
    resampled = intervals.means(intervals.draws(count, sources, RESAMPLES, seed), redundancies).T
    gaps = resampled[passed_on][:, None] - resampled[emitted]
    swap = (gaps < 0).mean(axis=-1) + (gaps == 0).mean(axis=-1) / 2
    low, high = np.quantile(gaps, [0.025, 0.975], axis=-1)

    def tie(k: int, e: int) -> Tie:
        numbers = mean[passed_on[k]] - mean[emitted[e]], low[k, e], high[k, e], swap[k, e]
        return Tie(int(passed_on[k]), int(emitted[e]), *map(float, numbers))

    close = np.argwhere(swap >= NEAR_TIE)
    return NearTies(
        images=count,
        photographs=intervals.photographs(sources),
        order=order,
        redundancy=mean,
        emitted_probability=(ranks_of(_by_redundancy(resampled.T)) >= line).mean(axis=0),
        draws=resampled.T,
        at_line=tie(line - 1, 0),
        near=tuple(sorted((tie(k, e) for k, e in close), key=lambda pair: -pair.swap)),
    )


def _by_redundancy(redundancies: np.ndarray) -> np.ndarray:
    """Return orders (…, C), most structure first; of equals the lower channel number stands first, as in the flow."""
    return np.argsort(-redundancies, axis=-1, kind="stable")


# ---------------------------------------------------------------------- what a static split would have sent out


@dataclass(frozen=True)
class Alternative:
    """What one rule makes of a level's channels as they are now.

    Attributes:
        rule: ``in force``, or one of ``flow.config.ORDERS``; ``entropy`` sorts anew.
        order: channel numbers, those passed on first.
        kept_redundancy, emitted_redundancy: mean J of both parts over channels and images, nats a pixel.
        moved: how many channels stand on the other side than in the order in force.

    """

    rule: str
    order: tuple[int, ...]
    kept_redundancy: float
    emitted_redundancy: float
    moved: int

    def in_words(self) -> str:
        """Return one sentence."""
        return (
            f"The order “{self.rule}” would keep channels of J = {fixed(self.kept_redundancy, 2)} nats/pixel on "
            f"average and send out {fixed(self.emitted_redundancy, 2)}; {_of(self.moved, len(self.order))} would "
            "change sides."
        )


def alternatives(
    mean: np.ndarray, in_force: np.ndarray, seed: int = 0, kept: int | None = None
) -> tuple[Alternative, ...]:
    """Return what every rule would keep and emit of channels whose mean J is given (C,) by channel number.

    ``seed`` draws the order ``random``, as the flow's ``permutation_seed`` does; ``kept`` is how many channels are
    passed on, half of them by default.
    """
    line = kept or len(mean) // 2
    orders = {"in force": in_force, "entropy": _by_redundancy(mean)}
    orders |= {rule: _order_by_rule(rule, len(mean), seed, line) for rule in ("first", "last", "random")}
    return tuple(
        Alternative(
            rule=rule,
            order=tuple(order.tolist()),
            kept_redundancy=float(mean[order[:line]].mean()),
            emitted_redundancy=float(mean[order[line:]].mean()),
            moved=int(crossing(order, in_force, line).sum()),
        )
        for rule, order in orders.items()
    )


def _order_by_rule(rule: str, channels: int, seed: int, kept: int) -> np.ndarray:
    shuffle = Shuffle(channels, rule, "none", seed, kept)
    shuffle.draw(torch.Generator())
    return shuffle.order.numpy()


@dataclass(frozen=True, eq=False)
class HalvesBySteps:
    """Mean J of level 1's channels in a flow just initialised, if it had K = 1 … steps a level; nats a pixel, (K,).

    Attributes:
        init: how the 1×1 convolutions start.
        first, last: of the first and of the last channels, as many as are passed on; a static split keeps one of them.
        entropy: of those that sorting by J keeps.
        partition: of the couplings.
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
    def dealt(self) -> bool:
        """Whether the initialisation deals channels to couplings."""
        return self.init == "principal" and self.partition != "alternating"

    @property
    def changes(self) -> int:
        """How often the end with more structure changes from one number of steps to the next."""
        return int(np.diff(self.first > self.last).sum())

    @property
    def gain(self) -> np.ndarray:
        """What sorting by J keeps more than the worse static split, (K,)."""
        return self.entropy - np.minimum(self.first, self.last)

    def in_words(self) -> str:
        """Return whether the good static split depends on the number of steps."""
        most = len(self.first)
        part, static = "half", "static half"
        if 2 * self.kept != self.channels:
            part, static = f"{self.kept} of {self.channels}", "static split"
        if self.changes == 0:
            better = "first" if self.first[0] > self.last[0] else "last"
            channels = f"{part} channels hold" if part != "half" else "half of the channels holds"
            return f"Before training, the {better} {channels} more structure with 1 to {most} steps."
        how = "with every step more" if self.changes == most - 1 else f"{self.changes} times from 1 to {most} steps"
        gain = self.gain
        ends = f"{gain.min():.2f}" + (f" to {gain.max():.2f}" if f"{gain.min():.2f}" != f"{gain.max():.2f}" else "")
        return (
            f"Before training, the {'half' if part == 'half' else 'end'} of the channels that holds more structure "
            f"changes {how}. Whatever their number, sorting by J keeps {ends} nats/pixel a channel more than the worse "
            f"{static}, and never less than the better one."
        )

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
    consequence. What is dealt ends with the same halves whatever K is.
    """
    x = dequantise(images, torch.Generator().manual_seed(seed), bits=config.bits)
    kept, channels = config.counts[0], config.level_shape(1)[0]
    # How many channels are passed on does not change the steps before it.
    config = replace(config, keep=0.5, kept=())
    if config.init == "principal" and config.partition != "alternating":
        means = _redundancies(replace(config, levels=2, steps=1, width=1), x, seed) * most
    else:
        means = _redundancies(replace(config, levels=1, steps=most, width=1), x, seed)
    each = np.stack(means)
    by_entropy = -np.sort(-each, axis=1)[:, :kept].mean(axis=1)
    first, last = each[:, :kept].mean(axis=1), each[:, channels - kept :].mean(axis=1)
    return HalvesBySteps(config.init, first, last, by_entropy, config.partition, kept, channels)


def _redundancies(config: FlowConfig, x: Tensor, seed: int) -> list[np.ndarray]:
    """Return J (C,) behind each step of level 1 of a flow that is initialised from x."""
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
class ShuffleReport:
    """What one level's permutation does, over training, over images, and beside other rules.

    Attributes:
        level: from 1.
        rule: the order's rule, one of ``flow.config.ORDERS``.
        order: in force, (C,).
        river: over training; None where the checkpoint has no record.
        images: over the traced images.
        ties: how sharp the split line is over them.
        alternatives: what other rules would keep and emit of them.
        image: the image looked at, alone; None where none was given.

    """

    level: int
    rule: str
    order: np.ndarray
    river: RankRiver | None
    images: ImageOrders
    ties: NearTies
    alternatives: tuple[Alternative, ...]
    image: ImageOrders | None = None

    @property
    def channels(self) -> int:
        """C."""
        return len(self.order)

    @property
    def kept(self) -> np.ndarray:
        """Whether the order in force keeps a channel, (C,) by channel number."""
        return ranks_of(self.order) < self.kept_channels

    @property
    def kept_channels(self) -> int:
        """How many channels are passed on."""
        return self.images.kept_channels

    def mean_redundancy(self, kept: bool) -> Estimate:
        """Return the mean J over the channels that the order in force keeps, or emits, nats a pixel."""
        side = self.kept == kept
        return intervals.estimate(self.ties.redundancy[side].mean(), self.ties.draws[:, side].mean(axis=1))

    def moved_now(self) -> str:
        """Return how many channels sorting the traced images anew would take across the split line."""
        return _of(int(crossing(self.ties.order, self.order, self.kept_channels).sum()), self.channels)

    def in_words(self) -> str:
        """Return the answer to "what does the permutation move, and when"."""
        channels, kept = self.channels, self.kept_channels
        emitted, moved = channels - kept, int(crossing(self.order, np.arange(channels), kept).sum())
        static = {
            "first": f"Level {self.level} sends out the first {emitted} of {channels} channels by rule",
            "last": f"Level {self.level} sends out the last {emitted} of {channels} channels by rule",
            "variance": f"Level {self.level} passes on the {kept} of {channels} principal channels that vary most",
            "variance-reversed": f"Level {self.level} passes on the {kept} of {channels} principal channels that vary "
            "least",
            "random": f"Level {self.level} sends out {emitted} of {channels} channels that were drawn once",
            "released": f"Level {self.level} passes on the {kept} of {channels} channels of largest learned weight w",
        }
        what = static.get(
            self.rule,
            f"The Shuffle of level {self.level} takes {_of(moved, channels)} across the split line, once, "
            "before the first training step",
        )
        return f"{what}, the same for every image. {self._anew()}"

    def _anew(self) -> str:
        if self.river is None:
            return f"Sorted by the J of {self.ties.images} test images, {self.moved_now()} would change sides."
        churn, null = self.river.churn, self.river.churn_null
        learnt = self.rule != "entropy" and churn[0] >= null.mean and churn[-1] <= null.low
        by_itself = " In training the flow brought structure into the channels that it keeps." if learnt else ""
        return self.river.sorted_anew() + by_itself

    def table(self) -> list[dict[str, Any]]:
        """Return one row a channel, by position in the order in force."""
        now, share = ranks_of(self.ties.order), self.images.emitted_share
        would_cross = crossing(self.ties.order, self.order, self.kept_channels)
        return [
            {
                "position": position + 1,
                "channel": int(channel),
                "in_force": _side(self.kept[channel]),
                "redundancy_nats_per_pixel": float(self.ties.redundancy[channel]),
                "entropy_rank": int(now[channel]) + 1,
                "would_cross": bool(would_cross[channel]),
                "images_that_would_emit": float(share[channel]),
                "emitted_in_resamples": float(self.ties.emitted_probability[channel]),
            }
            for position, channel in enumerate(self.order)
        ]

    def rules_table(self) -> list[dict[str, Any]]:
        """Return one row a rule: what it would keep and emit of these channels."""
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
        in_force, river = self.alternatives[0], self.river
        at_ends = (math.nan,) * 4 if river is None else (*river.churn[[0, -1]], *river.tau[[0, -1]])
        names = ("churn_at_first_step", "churn_at_last_step", "kendall_tau_at_first_step", "kendall_tau_at_last_step")
        return {
            "level": self.level,
            "channels": self.channels,
            "kept_nats_per_pixel": in_force.kept_redundancy,
            "emitted_nats_per_pixel": in_force.emitted_redundancy,
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
            "in_words": self.in_words(),
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
    """Say what the permutation of level ``level`` moves.

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
    ties = near_ties(images.redundancy, seed, sources, images.kept_channels)
    return ShuffleReport(
        level=level,
        rule=rule,
        order=order.numpy(),
        river=_river_of(record, level, order.numpy()),
        images=images,
        ties=ties,
        alternatives=alternatives(ties.redundancy, order.numpy(), seed, images.kept_channels),
        image=None if image is None else image_orders(image, level),
    )


def _river_of(record: TrainingRecord | None, level: int, order: np.ndarray) -> RankRiver | None:
    """Return the river, or None where the record is not there or is another flow's."""
    if record is None or level > len(record.levels) or record.levels[level - 1].order is None:
        return None
    river = rank_river(record, level)
    return river if np.array_equal(river.order, order) else None


def image_orders(trace: Trace, level: int) -> ImageOrders:
    """Return the orders that the traced images would ask for at a level that has a Shuffle."""
    seen = trace.levels[level - 1]
    assert seen.order is not None and seen.kept is not None  # only the last level has no Shuffle
    return ImageOrders(seen.order.numpy(), redundancy(seen.features).numpy(), seen.kept.shape[1])


# ---------------------------------------------------------------------- words


def _side(kept: bool) -> str:
    return "kept" if kept else "emitted"


def _of(moved: int, channels: int) -> str:
    return f"{moved} of {channels} channels" if moved else "no channel"


def percent(part: float) -> str:
    """Return a part of 1 as per cent, in words."""
    return f"{100 * part:.0f} %"


def _signed(number: float) -> str:
    """Return a figure of two decimals with the minus sign that print uses."""
    return fixed(number, 2)


def _no_shuffle(level: int, levels: int) -> str:
    with_one = f"levels 1 to {levels - 1} have one" if levels > 2 else "only level 1 has one"
    return f"Level {level} has no Shuffle; {with_one if levels > 1 else 'a flow of one level splits nowhere'}."
