"""The weights of a level's channels, image by image, beside what is measured of the same channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import ConfigError, MultiScaleFlow
from ..flow.information import GAUSSIAN_ENTROPY, entropy_rate, gaussian_entropy, redundancy
from ..flow.multiscale import Trace, finite
from ..flow.shuffle import Shuffle
from . import intervals
from .levels import dequantised, kept_channels

#: Test images that averages are over.
IMAGES = 128
BATCH = 32
#: A spread of log ω below this (nats, over images) is float32 noise: the weight is the same for every image.
NO_SPREAD = 1e-5

# ---------------------------------------------------------------------- up to a level


def shuffle_at(flow: MultiScaleFlow, level: int) -> Shuffle:
    """Return the Shuffle of a level; raise ConfigError where it has none: every level has one but the last."""
    shuffles = [each.shuffle for each in flow.levels if each.shuffle is not None]
    if not shuffles:
        raise ConfigError("This flow has one level, which has no Shuffle; weights need at least two levels.")
    if not 1 <= level <= len(shuffles):
        raise ConfigError(f"level is {level}; of this flow's levels, 1 to {len(shuffles)} have a Shuffle.")
    return shuffles[level - 1]


def features_at(flow: MultiScaleFlow, x: Tensor, level: int) -> Tensor:
    """Return the features (N, C, H, W) that reach the Shuffle of a level, by channel number; carries gradients.

    Raises:
        NonFiniteError: they are not finite.

    """
    kept = x
    for before in flow.levels[: level - 1]:
        kept = before(kept)[0]
    features, _ = flow.levels[level - 1].features(kept)
    return finite(features, level)


# ---------------------------------------------------------------------- intervals


def _association(draws: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Pearson's r and the least-squares slope of a on b, each (B, C), of the columns of a and b (N, C).

    NaN where a draw holds only images that are alike in a column.
    """
    draws = draws[(draws > 0).sum(axis=1) > 2]  # fewer images have no correlation to speak of
    draws = draws / draws.sum(axis=1, keepdims=True)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    mean_a, mean_b = draws @ a, draws @ b
    covariance = draws @ (a * b) - mean_a * mean_b
    variances = draws @ a**2 - mean_a**2, draws @ b**2 - mean_b**2
    var_a, var_b = (np.where(variance > NO_SPREAD**2, variance, np.nan) for variance in variances)
    return covariance / np.sqrt(var_a * var_b), covariance / var_b


# ---------------------------------------------------------------------- results


@dataclass(frozen=True, eq=False)
class Channels:
    """What is measured of N images' channels before they are weighted, each (N, C) by position after the Shuffle.

    Attributes:
        log_weights: log ω, nats; None where the flow does not weight its channels.
        log_std: log standard deviation over positions, nats.
        redundancy: spectral redundancy, nats a pixel.
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
        slope, slope_low, slope_high: of log ω on log standard deviation by least squares, and its 95 % bootstrap
            interval: −1 would make every image equally loud.

    """

    pearson: np.ndarray
    low: np.ndarray
    high: np.ndarray
    spearman: np.ndarray
    slope: np.ndarray
    slope_low: np.ndarray
    slope_high: np.ndarray


@dataclass(frozen=True, eq=False)
class ChannelWeights:
    """The weights of one level for one image, and over N other images.

    Positions run from 0 to C−1 after the Shuffle, kept channels first; ``order`` gives the channel number of each.

    Attributes:
        level: from 1.
        shape: (C, H, W) inside the level.
        kept: how many channels are passed on: the positions before the split line.
        rule: what is emitted, one of ``flow.config.ORDERS``.
        order: channel numbers by position, the same for every image.
        image: of the image looked at, N = 1.
        images: of the images that averages are over.
        sources: the photograph of each of them, where that is known.

    """

    level: int
    shape: tuple[int, int, int]
    kept: int
    rule: str
    order: tuple[int, ...]
    image: Channels
    images: Channels
    sources: tuple[int, ...] | None = None

    # ------------------------------------------------------------------ channels

    @property
    def count(self) -> int:
        """How many images averages are over."""
        return len(self.images.redundancy)

    @property
    def parts(self) -> list[str]:
        """``kept`` or ``emitted``, by position."""
        return ["kept" if position < self.kept else "emitted" for position in range(self.shape[0])]

    @property
    def photographs(self) -> int:
        """How many photographs the images were cut from; 0 where that is not known or they are too few."""
        return intervals.photographs(self.sources)

    # ------------------------------------------------------------------ weights

    @property
    def has_weights(self) -> bool:
        """Whether the flow weights these channels."""
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

    @property
    def alike(self) -> bool:
        """Whether every image has the same weights."""
        return bool(self.std.max() < NO_SPREAD and np.abs(self.relative).max() < NO_SPREAD)

    @cached_property
    def correlations(self) -> Correlations:
        """How −log ω goes with the channel's log standard deviation, over images."""
        from scipy import stats

        pearson, low, high, spearman, slope, slope_low, slope_high = np.full((7, self.shape[0]), np.nan)
        varies = (self.std > NO_SPREAD) & (self.images.log_std.std(axis=0) > NO_SPREAD)
        if self.count > 2 and varies.any():
            a, b = self.images.weights()[:, varies], self.images.log_std[:, varies]
            pearson[varies] = -stats.pearsonr(a, b, axis=0).statistic
            spearman[varies] = [-stats.spearmanr(x, y).statistic for x, y in zip(a.T, b.T, strict=True)]
            slope[varies] = -pearson[varies] * a.std(axis=0) / b.std(axis=0)
            r, slopes = _association(intervals.draws(self.count, self.sources, intervals.RESAMPLES), a, b)
            low[varies], high[varies] = intervals.percentiles(-r)
            slope_low[varies], slope_high[varies] = intervals.percentiles(slopes)
        return Correlations(pearson, low, high, spearman, slope, slope_low, slope_high)

    def extremes(self, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the images that turn a channel up the most, and down the most, each (≤ count,)."""
        rising = self.images.weights()[:, position].argsort(kind="stable")
        return rising[::-1][:count], rising[:count]

    # ------------------------------------------------------------------ why a channel stands where it stands

    @property
    def redundancy(self) -> np.ndarray:
        """The mean spectral redundancy over images (C,), nats a pixel."""
        return self.images.redundancy.mean(axis=0)

    @cached_property
    def redundancy_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % bootstrap interval of that mean, two (C,)."""
        return intervals.of_mean_over_images(self.images.redundancy, self.sources)

    @property
    def would_stay(self) -> np.ndarray:
        """Whether the entropy order of these images would pass each position's channel on, (C,) bool."""
        ranks = (-self.redundancy).argsort(kind="stable").argsort()
        return ranks < self.kept

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
                "slope_low": self.correlations.slope_low,
                "slope_high": self.correlations.slope_high,
            }
        return [
            {
                "position": position + 1,
                "channel": self.order[position],
                "part": self.parts[position],
                **{name: float(values[position]) for name, values in columns.items()},
            }
            for position in range(self.shape[0])
        ]

    def short_table(self) -> list[dict[str, Any]]:
        """Return the columns of the table that a page has room for."""
        names = {
            "channel": "channel",
            "part": "part",
            "log_weight_minus_mean_nats": "log ω minus its mean",
            "log_weight_std_nats": "spread over images",
            "slope_log_weight_by_log_std": "slope on log σ",
            "log_std_nats": "log σ",
            "redundancy_nats_per_pixel": "redundancy",
            "redundancy_mean_nats_per_pixel": "redundancy, mean",
            "entropy_rate_mean_nats_per_pixel": "entropy rate, mean",
        }
        parts: dict[Any, str] = {"kept": "passed on", "emitted": "factored out"}
        return [
            {head: parts.get(row[name], row[name]) for name, head in names.items() if name in row}
            for row in self.table()
        ]

    def halves(self) -> list[dict[str, Any]]:
        """Return one row a half: its mean redundancy with its 95 % interval, and how much its weights vary."""
        rows = []
        for part, half in (("kept", slice(None, self.kept)), ("emitted", slice(self.kept, None))):
            of_images = self.images.redundancy[:, half].mean(axis=1)
            low, high = intervals.of_mean_over_images(of_images, self.sources)
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
            "photographs": self.photographs or None,
            "halves": self.halves(),
            "channels": self.table(),
        }


@dataclass(frozen=True, eq=False)
class WeightsPair:
    """The weights of one level of two flows, each over the same images.

    A channel's number is each flow's own, so no channel of one stands for a channel of the other. What can be compared
    is how much the weights vary from image to image, and how much redundancy is factored out.

    Attributes:
        names: of the two checkpoints.
        first, second: what was found at a level of each.

    """

    names: tuple[str, str]
    first: ChannelWeights
    second: ChannelWeights

    @property
    def both(self) -> tuple[ChannelWeights, ChannelWeights]:
        """The first and the second."""
        return self.first, self.second

    @property
    def paired(self) -> bool:
        """Whether their channels are maps of one size, of the same images."""
        return self.first.shape == self.second.shape and self.first.count == self.second.count

    @property
    def emitted_redundancy(self) -> tuple[float, float]:
        """The mean redundancy over factored-out channels and images of each, nats a pixel."""
        first, second = (float(weights.redundancy[weights.kept :].mean()) for weights in self.both)
        return first, second

    @property
    def emitted_difference(self) -> tuple[float, float, float]:
        """The first's minus the second's factored-out redundancy: its mean over images and 95 % bootstrap interval.

        Nats a pixel; whole photographs are drawn where they are known.
        """
        first, second = (weights.images.redundancy[:, weights.kept :].mean(axis=1) for weights in self.both)
        low, high = intervals.of_mean_over_images(first - second, self.first.sources)
        return float((first - second).mean()), float(low), float(high)

    @property
    def titles(self) -> tuple[str, str]:
        """What the two are called: with their levels, where these differ."""
        if self.first.level == self.second.level:
            return self.names
        first, second = (f"{name} (level {weights.level})" for name, weights in zip(self.names, self.both, strict=True))
        return first, second

    def table(self) -> list[dict[str, Any]]:
        """Return one row a checkpoint and half, and the paired difference of what is factored out."""
        rows = [
            {"checkpoint": name, "level": weights.level, **row}
            for name, weights in zip(self.names, self.both, strict=True)
            for row in weights.halves()
        ]
        if self.paired:
            mean, low, high = self.emitted_difference
            rows.append(
                {
                    "checkpoint": f"{self.names[0]} minus {self.names[1]}",
                    "level": self.first.level,
                    "part": "emitted",
                    "redundancy_nats_per_pixel": mean,
                    "redundancy_low": low,
                    "redundancy_high": high,
                    "log_weight_spread_nats": math.nan,
                }
            )
        return rows


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
        kept=kept_channels(flow, level),
        rule=shuffle.rule,
        order=tuple(shuffle.order.tolist()),
        image=measure(flow, image, level, seed),
        images=images if isinstance(images, Channels) else measure(flow, images[:IMAGES], level),
        sources=None if sources is None else tuple(int(source) for source in sources[:IMAGES]),
    )


@torch.no_grad()
def measure(flow: MultiScaleFlow, images: Tensor, level: int, seed: int = 0) -> Channels:
    """Return what is measured of the channels of uint8 images (N, C, H, W) at a level that has a Shuffle."""
    shuffle, log_weights, parts = shuffle_at(flow, level), [], []
    for x in dequantised(flow, images, seed, BATCH):
        features = features_at(flow, x, level)
        parts.append(_measured(features[:, shuffle.order]))
        if (of_images := shuffle.log_weights(features)) is not None:
            log_weights.append(of_images.double().numpy())
    together = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Channels(np.concatenate(log_weights) if log_weights else None, *together)


def of_trace(trace: Trace, level: int) -> Channels:
    """Return the same of the first :data:`IMAGES` traced images."""
    seen = trace.levels[level - 1]
    log_weights = None if seen.log_weights is None else seen.log_weights[:IMAGES].double().numpy()
    return Channels(log_weights, *_measured(seen.features[:IMAGES, seen.order]))


def _measured(ordered: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log standard deviation, redundancy and entropy rate (N, C) of features (N, C, H, W) by position."""
    log_std = gaussian_entropy(ordered.double()) - GAUSSIAN_ENTROPY
    return log_std.numpy(), redundancy(ordered).double().numpy(), entropy_rate(ordered).double().numpy()
