"""The weights of a level's channels, image by image, beside what is measured of the same channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from ..flow import ConfigError, MultiScaleFlow, NonFiniteError, dequantise
from ..flow.information import GAUSSIAN_ENTROPY, entropy_rate, gaussian_entropy, redundancy
from ..flow.shuffle import Shuffle
from . import intervals
from .shuffle import NearTies, near_ties
from .words.numbers import fixed, signed

#: Test images that averages are over.
IMAGES = 128
BATCH = 32
#: Bootstrap: how often images are drawn anew, and what an interval covers.
DRAWS, CONFIDENCE = 2000, 0.95
#: A sentence names at most so many channels.
NAMED = 8
#: A spread of log ω below this (nats, over images) is float32 noise: the weight is the same for every image.
NO_SPREAD = 1e-5

EMITTED_BY = {
    "first": "the first half of its channels",
    "last": "the last half of its channels",
    "variance": "the half of smallest variance",
    "variance-reversed": "the half of largest variance",
    "random": "a random half of its channels",
    "entropy": "the half with the least redundancy",
}


# ---------------------------------------------------------------------- up to a level


def shuffle_at(flow: MultiScaleFlow, level: int) -> Shuffle:
    """Return the Shuffle of a level; raise ConfigError where it has none: every level has one but the last."""
    shuffles = [each.shuffle for each in flow.levels if each.shuffle is not None]
    if not shuffles:
        raise ConfigError("This flow has one level, which has no Shuffle; weights need at least two levels.")
    if not 1 <= level <= len(shuffles):
        raise ConfigError(f"level is {level}; of this flow's levels, 1 to {len(shuffles)} have a Shuffle.")
    return shuffles[level - 1]


def dequantised(flow: MultiScaleFlow, images: Tensor, seed: int) -> Tensor:
    """Return x (N, C, H, W) of uint8 images, under the noise that ``flow.score`` gives them."""
    x = dequantise(images, torch.Generator().manual_seed(seed), next(flow.parameters()).dtype, flow.config.bits)
    return x.contiguous(memory_format=torch.channels_last)


def features_at(flow: MultiScaleFlow, x: Tensor, level: int) -> Tensor:
    """Return the features (N, C, H, W) that reach the Shuffle of a level, by channel number; carries gradients.

    Raises:
        NonFiniteError: they are not finite.

    """
    kept = x
    for before in flow.levels[: level - 1]:
        kept = before(kept)[0]
    features, _ = flow.levels[level - 1].features(kept)
    if not torch.isfinite(features).all():
        raise NonFiniteError(f"Level {level} of the flow gave a value that is not finite while encoding.")
    return features


# ---------------------------------------------------------------------- intervals


def resampled(count: int, sources: Sequence[int] | None = None) -> np.ndarray:
    """Return (:data:`DRAWS`, count): how much each of ``count`` images counts in a bootstrap draw; rows sum to 1.

    With ``sources`` (count,) whole photographs are drawn: crops of one photograph are not independent witnesses.
    """
    drawn = intervals.draws(count, sources, DRAWS)
    return drawn / drawn.sum(axis=1, keepdims=True)


def interval(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends (low, high) of the percentile interval of bootstrap statistics (DRAWS, …)."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(statistics, [tail, 100 - tail], axis=0)
    return low, high


def _correlation(draws: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r (DRAWS, C) of the columns of a and b (N, C) under every row of ``draws`` (DRAWS, N)."""
    draws = draws[(draws > 0).sum(axis=1) > 2]  # fewer images have no correlation to speak of
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    mean_a, mean_b = draws @ a, draws @ b
    scale = np.sqrt((draws @ a**2 - mean_a**2) * (draws @ b**2 - mean_b**2))
    return (draws @ (a * b) - mean_a * mean_b) / scale


# ---------------------------------------------------------------------- results


@dataclass(frozen=True, eq=False)
class Channels:
    """What is measured of N images' channels before they are weighed, each (N, C) by position after the Shuffle.

    Attributes:
        log_weights: log ω, nats; None where the policy has none.
        log_std: log standard deviation over positions, nats.
        redundancy: J, nats a pixel.
        entropy_rate: Ĥ, nats a pixel.

    """

    log_weights: np.ndarray | None
    log_std: np.ndarray
    redundancy: np.ndarray
    entropy_rate: np.ndarray

    def weights(self) -> np.ndarray:
        """Return log ω (N, C), nats, of a policy that has weights."""
        assert self.log_weights is not None
        return self.log_weights


@dataclass(frozen=True, eq=False)
class Correlations:
    """Over images: how −log ω goes with the channel's log standard deviation; each (C,) by position.

    NaN where the weight is the same for every image, or where fewer than three images were given.

    Attributes:
        pearson, low, high: r and its 95 % bootstrap interval.
        spearman: ρ, the same of the ranks.
        slope: least squares, of log ω by log standard deviation: −1 would make every image equally loud.

    """

    pearson: np.ndarray
    low: np.ndarray
    high: np.ndarray
    spearman: np.ndarray
    slope: np.ndarray

    def in_words(self) -> str:
        """Return two sentences: in how many channels, and by how much."""
        known = np.isfinite(self.pearson)
        if not known.any():
            return "The weights are the same for every image: there is nothing to correlate."
        return (
            f"Over images, −log ω rises with the log standard deviation of its channel in "
            f"{int((self.low > 0).sum())} of {known.sum()} channels and falls in {int((self.high < 0).sum())} "
            f"(95 % interval away from 0; median r = {signed(np.median(self.pearson[known]), 2)}). Where a channel is "
            f"twice as loud, its weight is ×{2 ** np.median(self.slope[known]):.2f} (median over channels); ×0.50 "
            f"would make up for it."
        )


@dataclass(frozen=True, eq=False)
class ChannelWeights:
    """The weights of one level for one image, and over N other images.

    Positions run from 0 to C−1 after the Shuffle, those passed on first; ``order`` gives the channel number of each.

    Attributes:
        level: from 1.
        shape: (C, H, W) inside the level.
        rule: what is emitted, one of ``flow.config.ORDERS``.
        order: channel numbers by position, the same for every image.
        image: of the image looked at, N = 1.
        images: of the images that averages are over.
        sources: the photograph of each of them, where that is known.
        passed_on: how many channels are passed on; half of them where that is not stated.

    """

    level: int
    shape: tuple[int, int, int]
    rule: str
    order: tuple[int, ...]
    image: Channels
    images: Channels
    sources: tuple[int, ...] | None = None
    passed_on: int | None = None

    # ------------------------------------------------------------------ channels

    def rates_in_words(self) -> str:
        """Return between which channels the mean entropy rate lies, and how those of the halves compare."""
        rates = self.images.entropy_rate.mean(axis=0)
        low, high = int(rates.argmin()), int(rates.argmax())
        kept, emitted = rates[: self.kept].mean(), rates[self.kept :].mean()
        return (
            f"Ĥ of level {self.level} over {self.witnesses} runs from {fixed(rates[low], 2)} (channel "
            f"{self.order[low]}) to {fixed(rates[high], 2)} nats/pixel (channel {self.order[high]}): {fixed(kept, 2)} "
            f"on average over kept, {fixed(emitted, 2)} over emitted channels."
        )

    @property
    def count(self) -> int:
        """How many images averages are over."""
        return len(self.images.redundancy)

    @property
    def kept(self) -> int:
        """How many channels go on: the positions before the split line."""
        return self.passed_on or self.shape[0] // 2

    @property
    def parts(self) -> list[str]:
        """``kept`` or ``emitted``, by position."""
        return ["kept" if position < self.kept else "emitted" for position in range(self.shape[0])]

    @property
    def witnesses(self) -> str:
        """What the averages are over, in words."""
        photographs = intervals.photographs(self.sources)
        return f"{self.count} test images{f' of {photographs} photographs' if photographs else ''}"

    # ------------------------------------------------------------------ weights

    @property
    def has_weights(self) -> bool:
        """Whether the policy has weights."""
        return self.image.log_weights is not None

    @property
    def log_weights(self) -> np.ndarray:
        """Log ω of the image (C,), nats."""
        return self.image.weights()[0]

    @property
    def mean(self) -> np.ndarray:
        """The mean over images of log ω (C,), nats."""
        return self.images.weights().mean(axis=0)

    @property
    def std(self) -> np.ndarray:
        """The standard deviation over images of log ω (C,), nats."""
        return self.images.weights().std(axis=0, ddof=min(1, self.count - 1))

    @property
    def relative(self) -> np.ndarray:
        """Log ω of the image minus the mean over images (C,), nats.

        This is what is identified: what follows absorbs a constant factor.
        """
        return self.log_weights - self.mean

    @property
    def spread(self) -> float:
        """How much log ω of a channel varies over images: root mean square over channels of their ±1 sd, nats."""
        return float(np.sqrt(np.square(self.std).mean()))

    @cached_property
    def correlations(self) -> Correlations:
        """How −log ω goes with the channel's log standard deviation, over images."""
        unknown = np.full(self.shape[0], np.nan)
        pearson, low, high, spearman, slope = (unknown.copy() for _ in range(5))
        varies = (self.std > NO_SPREAD) & (self.images.log_std.std(axis=0) > NO_SPREAD)
        if self.count > 2 and varies.any():
            a, b = -self.images.weights()[:, varies], self.images.log_std[:, varies]
            pearson[varies] = stats.pearsonr(a, b, axis=0).statistic
            spearman[varies] = [stats.spearmanr(x, y).statistic for x, y in zip(a.T, b.T, strict=True)]
            low[varies], high[varies] = interval(_correlation(resampled(self.count, self.sources), a, b))
            slope[varies] = -pearson[varies] * a.std(axis=0) / b.std(axis=0)
        return Correlations(pearson, low, high, spearman, slope)

    def correlation_in_words(self, position: int) -> str:
        """Return the correlation of one channel, in one sentence."""
        found, channel = self.correlations, self.order[position]
        if not np.isfinite(found.pearson[position]):
            return f"The weight of channel {channel} is the same for every image."
        return (
            f"−log ω of channel {channel} against its log standard deviation over {self.witnesses}: "
            f"r = {signed(found.pearson[position], 2)} "
            f"(95 % interval {signed(found.low[position], 2)} to {signed(found.high[position], 2)})."
        )

    def extremes(self, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the images that turn a channel up the most, and down the most, each (≤ count,)."""
        rising = self.images.weights()[:, position].argsort(kind="stable")
        return rising[::-1][:count], rising[:count]

    def loudness_in_words(self, guessed: str) -> str:
        """Return whether the channel that this image turns up the most is ``louder`` or ``quieter`` here than usual."""
        position = int(self.relative.argmax())
        usual = float(np.exp(self.image.log_std[0, position] - self.images.log_std[:, position].mean()))
        answer = "quieter" if usual < 1 else "louder"
        return (
            f"{'Right' if guessed == answer else 'No'}: channel {self.order[position]} is {answer} in this image, "
            f"×{usual:.2f} of its usual standard deviation, and its weight is ×{np.exp(self.relative[position]):.2f} "
            f"of the average."
        )

    # ------------------------------------------------------------------ why a channel stands where it stands

    @property
    def redundancy(self) -> np.ndarray:
        """The mean over images of J (C,), nats a pixel."""
        return self.images.redundancy.mean(axis=0)

    @cached_property
    def redundancy_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % bootstrap interval of the mean J, two (C,)."""
        return interval(resampled(self.count, self.sources) @ self.images.redundancy)

    @property
    def would_stay(self) -> np.ndarray:
        """Whether redundancy on these images would pass on each position's channel, (C,) bool."""
        ranks = (-self.redundancy).argsort(kind="stable").argsort()
        return ranks < self.kept

    @cached_property
    def ties(self) -> NearTies | None:
        """How firmly J on these images decides the sides; None where there is one image."""
        by_number = self.images.redundancy[:, np.argsort(self.order)]
        return None if self.count < 2 else near_ties(by_number, sources=self.sources, kept=self.kept)

    @property
    def near_ties(self) -> np.ndarray:
        """Whether each position's channel is one of a pair that J on these images might swap, (C,) bool."""
        pairs = () if self.ties is None else self.ties.near
        return np.isin(self.order, [channel for pair in pairs for channel in (pair.kept, pair.emitted)])

    def numbers(self, positions: np.ndarray) -> str:
        """Return the channel numbers at the positions where a (C,) bool array is true, in words."""
        chosen = [str(n) for n in sorted(number for number, here in zip(self.order, positions, strict=True) if here)]
        if len(chosen) > NAMED:
            chosen[NAMED - 1 :] = [f"{len(chosen) - NAMED + 1} more"]
        *before, last = chosen
        return f"channels {', '.join(before)} and {last}" if before else f"channel {last}"

    # ------------------------------------------------------------------ in words

    def in_words(self) -> str:
        """Return the answer to "which channels, and for which image", in one or two sentences."""
        if not self.has_weights:
            emitted = EMITTED_BY.get(self.rule, f"what the order “{self.rule}” puts last")
            if 2 * self.kept != self.shape[0]:
                count = self.shape[0] - self.kept
                emitted = emitted.replace("half of its channels", f"{count} of its {self.shape[0]} channels")
                emitted = emitted.replace("the half ", f"the {count} of its {self.shape[0]} channels ")
                emitted = emitted.replace("a random", "a random choice of")
            start = f"This checkpoint has no weights: level {self.level} sends out {emitted} as they are."
            return f"{start} {self._static_in_words()}"
        if self.std.max() < NO_SPREAD and np.abs(self.relative).max() < NO_SPREAD:
            return f"Level {self.level} weighs its channels alike for every image."
        ends = [
            f"channel {self.order[position]} {way} the most, to ×{math.exp(self.relative[position]):.2f}"
            for way, position in (("up", self.relative.argmax()), ("down", self.relative.argmin()))
        ]
        return (
            f"For this image, level {self.level} turns {ends[0]} of its average weight, and {ends[1]}. "
            f"{self.correlations.in_words()}"
        )

    def _static_in_words(self) -> str:
        emitted = np.arange(self.shape[0]) >= self.kept
        if not (spared := emitted & self.would_stay).any():
            return f"By J on {self.witnesses} the entropy order would send out the same channels."
        return (
            f"By J on {self.witnesses} the entropy order would have kept {spared.sum()} of these {emitted.sum()}, "
            f"{self.numbers(spared)}, and sent out {self.numbers(~emitted & ~self.would_stay)} instead."
        )

    def ties_in_words(self) -> str:
        """Return where J on these images would draw the split line, and how sure that is."""
        emitted = np.arange(self.shape[0]) >= self.kept
        if self.rule != "entropy":
            now = "This order does not look at J."
        elif (spared := emitted & self.would_stay).any():
            leaving = self.numbers(~emitted & ~self.would_stay)
            now = f"J on these images would now send out {leaving} in place of {self.numbers(spared)}."
        else:
            now = "J on these images would send out the same channels."
        return now if self.ties is None else f"{now} {self.ties.in_words()}"

    def table(self) -> list[dict[str, Any]]:
        """Return one row a channel, by position."""
        low, high = self.redundancy_interval
        columns = {
            "redundancy_nats_per_pixel": self.image.redundancy[0],
            "redundancy_mean_nats_per_pixel": self.redundancy,
            "redundancy_mean_low": low,
            "redundancy_mean_high": high,
            "entropy_rate_mean_nats_per_pixel": self.images.entropy_rate.mean(axis=0),
            "log_std_nats": self.image.log_std[0],
            "log_std_mean_nats": self.images.log_std.mean(axis=0),
        }
        if self.has_weights:
            columns |= {
                "log_weight_nats": self.log_weights,
                "log_weight_mean_nats": self.mean,
                "log_weight_std_nats": self.std,
                "log_weight_minus_mean_nats": self.relative,
                "pearson_minus_log_weight_log_std": self.correlations.pearson,
                "pearson_low": self.correlations.low,
                "pearson_high": self.correlations.high,
                "spearman_minus_log_weight_log_std": self.correlations.spearman,
                "slope_log_weight_by_log_std": self.correlations.slope,
            }
        return [
            {
                "position": position + 1,
                "channel": self.order[position],
                "part": self.parts[position],
                "near_tie": bool(self.near_ties[position]),
                **{name: float(values[position]) for name, values in columns.items()},
            }
            for position in range(self.shape[0])
        ]

    def halves(self) -> list[dict[str, Any]]:
        """Return a row each for what is passed on and factored out: mean J with its interval, spread of weights."""
        rows = []
        for part, half in (("kept", slice(None, self.kept)), ("emitted", slice(self.kept, None))):
            of_images = self.images.redundancy[:, half].mean(axis=1)
            low, high = interval(resampled(self.count, self.sources) @ of_images)
            rows.append(
                {
                    "part": part,
                    "redundancy_nats_per_pixel": float(of_images.mean()),
                    "redundancy_low": float(low),
                    "redundancy_high": float(high),
                    "log_weight_spread_nats": (
                        float(np.sqrt(np.square(self.std[half]).mean())) if self.has_weights else math.nan
                    ),
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold, but for numbers that are not finite."""
        return {
            "level": self.level,
            "shape": list(self.shape),
            "order_rule": self.rule,
            "weights": "applied" if self.has_weights else None,
            "images": self.count,
            "photographs": intervals.photographs(self.sources) or None,
            "in_words": self.in_words(),
            "ties_in_words": self.ties_in_words(),
            "halves": self.halves(),
            "channels": self.table(),
        }


# ---------------------------------------------------------------------- measuring


def channel_weights(
    flow: MultiScaleFlow,
    image: Tensor,
    images: Tensor | Channels,
    level: int,
    seed: int = 0,
    sources: Sequence[int] | None = None,
) -> ChannelWeights:
    """Return the weights of a level for one image, and over others.

    Arguments:
        flow: an initialised one.
        image: uint8 (1, C, H, W), the image looked at.
        images: uint8 (N, C, H, W), what averages are over, the first :data:`IMAGES` of them; or what
            :func:`measure` made of them.
        level: from 1, one that has a Shuffle.
        seed: of the dequantisation of ``image``; ``images`` are dequantised alike for every seed.
        sources: the photograph (N,) of each of ``images``, where that is known.

    Raises:
        ConfigError: the level has no Shuffle.
        NonFiniteError: the flow gives no finite number for these images.

    """
    shuffle = shuffle_at(flow, level)
    return ChannelWeights(
        level=level,
        shape=flow.config.level_shape(level),
        rule=shuffle.rule,
        order=tuple(shuffle.order.tolist()),
        passed_on=shuffle.kept,
        image=measure(flow, image, level, seed),
        images=images if isinstance(images, Channels) else measure(flow, images[:IMAGES], level),
        sources=None if sources is None else tuple(int(source) for source in sources[:IMAGES]),
    )


@torch.no_grad()
def measure(flow: MultiScaleFlow, images: Tensor, level: int, seed: int = 0) -> Channels:
    """Return what is measured of the channels of uint8 images (N, C, H, W) at a level that has a Shuffle."""
    shuffle, log_weights, measured = shuffle_at(flow, level), [], []
    for x in dequantised(flow, images, seed).split(BATCH):
        features = features_at(flow, x, level)
        ordered = features[:, shuffle.order]
        log_std = gaussian_entropy(ordered.double()) - GAUSSIAN_ENTROPY
        measured.append((log_std, redundancy(ordered), entropy_rate(ordered)))
        if (found := shuffle.log_weights(features)) is not None:
            log_weights.append(found)

    def together(values: Sequence[Tensor]) -> np.ndarray:
        return torch.cat(list(values)).double().numpy()

    return Channels(
        together(log_weights) if log_weights else None, *(together(values) for values in zip(*measured, strict=True))
    )
