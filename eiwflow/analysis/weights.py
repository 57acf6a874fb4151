"""The weights of a level's channels before its split (``pooled``), image by image, beside the channels' loudness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..flow import ConfigError, MultiScaleFlow
from ..flow.information import GAUSSIAN_ENTROPY, gaussian_entropy
from ..flow.multiscale import Trace
from ..flow.shuffle import Shuffle
from . import intervals
from .levels import kept_channels

#: Test images for averages.
IMAGES = 128
#: A spread of log ω below this (nats, over images) is float32 noise: the weight is the same for every image.
NO_SPREAD = 1e-5


def shuffle_at(flow: MultiScaleFlow, level: int) -> Shuffle:
    """Return the Shuffle of a level; raise ConfigError for the last level, which has none."""
    shuffles = [each.shuffle for each in flow.levels if each.shuffle is not None]
    if not shuffles:
        raise ConfigError("This flow has one level, which has no Shuffle; weights need at least two levels.")
    if not 1 <= level <= len(shuffles):
        raise ConfigError(f"level is {level}; of this flow's levels, 1 to {len(shuffles)} have a Shuffle.")
    return shuffles[level - 1]


# ---------------------------------------------------------------------- intervals


def _association(draws: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Pearson's r and the least-squares slope of a on b, each (B, C), of the columns of a and b (N, C).

    NaN for a draw whose images all agree in a column.
    """
    draws = draws[(draws > 0).sum(axis=1) > 2]  # fewer images have no meaningful correlation
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
    """Channels of N images before they are weighted, each (N, C) by position after the Shuffle.

    Attributes:
        log_weights: log ω, nats.
        log_std: log standard deviation over positions, nats.

    """

    log_weights: np.ndarray
    log_std: np.ndarray


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlation over images of −log ω with the channel's log standard deviation; each (C,) by position.

    NaN for a weight that is the same for every image, or for fewer than three images.

    Attributes:
        pearson, low, high: r and its 95 % bootstrap interval.
        slope, slope_low, slope_high: of log ω on log standard deviation by least squares, and its 95 % bootstrap
            interval: −1 would make every image equally loud.

    """

    pearson: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray
    slope_low: np.ndarray
    slope_high: np.ndarray


@dataclass(frozen=True, eq=False)
class ChannelWeights:
    """The weights of one level for one image, and over N other images.

    Positions run from 0 to C−1 after the Shuffle, channels passed on first; ``order`` gives their numbers.

    Attributes:
        level: from 1.
        shape: (C, H, W) inside the level.
        kept: number of channels passed on: the positions before the split line.
        order: channel numbers by position, the same for every image.
        image: channels of the chosen image, N = 1.
        images: channels of the test images.
        sources: the photograph of each test image, where that is known.

    """

    level: int
    shape: tuple[int, int, int]
    kept: int
    order: tuple[int, ...]
    image: Channels
    images: Channels
    sources: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Number of test images."""
        return len(self.images.log_weights)

    @property
    def parts(self) -> list[str]:
        """``kept`` or ``emitted``, by position."""
        return ["kept" if position < self.kept else "emitted" for position in range(self.shape[0])]

    @property
    def photographs(self) -> int:
        """Number of photographs of the test images; 0 where unknown or too few."""
        return intervals.photographs(self.sources)

    @property
    def log_weights(self) -> np.ndarray:
        """Log ω of the image (C,), nats."""
        return self.image.log_weights[0]

    @property
    def mean(self) -> np.ndarray:
        """The mean over images of log ω (C,), nats."""
        return self.images.log_weights.mean(axis=0)

    @property
    def std(self) -> np.ndarray:
        """The standard deviation over images of log ω (C,), nats."""
        return self.images.log_weights.std(axis=0, ddof=min(1, self.count - 1))

    @property
    def relative(self) -> np.ndarray:
        """Log ω of the image minus the mean over images (C,), nats.

        Only this relative part is identified: later parts absorb a constant factor.
        """
        return self.log_weights - self.mean

    @property
    def alike(self) -> bool:
        """Whether every image has the same weights."""
        return bool(self.std.max() < NO_SPREAD and np.abs(self.relative).max() < NO_SPREAD)

    @cached_property
    def correlations(self) -> Correlations:
        """The correlation of −log ω with the channel's log standard deviation, over images."""
        from scipy import stats

        pearson, low, high, slope, slope_low, slope_high = np.full((6, self.shape[0]), np.nan)
        varies = (self.std > NO_SPREAD) & (self.images.log_std.std(axis=0) > NO_SPREAD)
        if self.count > 2 and varies.any():
            a, b = self.images.log_weights[:, varies], self.images.log_std[:, varies]
            pearson[varies] = -stats.pearsonr(a, b, axis=0).statistic
            slope[varies] = -pearson[varies] * a.std(axis=0) / b.std(axis=0)
            r, slopes = _association(intervals.draws(self.count, self.sources, intervals.RESAMPLES), a, b)
            low[varies], high[varies] = intervals.percentiles(-r)
            slope_low[varies], slope_high[varies] = intervals.percentiles(slopes)
        return Correlations(pearson, low, high, slope, slope_low, slope_high)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a channel, by position."""
        columns = {
            "log_weight_nats": self.log_weights,
            "log_weight_mean_nats": self.mean,
            "log_weight_std_nats": self.std,
            "log_weight_minus_mean_nats": self.relative,
            "log_std_nats": self.image.log_std[0],
            "log_std_mean_nats": self.images.log_std.mean(axis=0),
            "pearson_minus_log_weight_log_std": self.correlations.pearson,
            "pearson_low": self.correlations.low,
            "pearson_high": self.correlations.high,
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
        """Return the table with the columns of the page."""
        names = {
            "channel": "channel",
            "part": "part",
            "log_weight_minus_mean_nats": "log ω minus its mean",
            "log_weight_std_nats": "spread over images",
            "slope_log_weight_by_log_std": "slope on log σ",
            "log_std_nats": "log σ",
        }
        parts: dict[Any, str] = {"kept": "passed on", "emitted": "factored out"}
        return [{head: parts.get(row[name], row[name]) for name, head in names.items()} for row in self.table()]

    def to_dict(self) -> dict[str, Any]:
        """Return all values for JSON; numbers that are not finite stay as they are."""
        return {
            "level": self.level,
            "shape": list(self.shape),
            "images": self.count,
            "photographs": self.photographs or None,
            "channels": self.table(),
        }


# ---------------------------------------------------------------------- measuring


def channel_weights(
    flow: MultiScaleFlow, image: Trace, averages: Channels, level: int, sources: Sequence[int] | None = None
) -> ChannelWeights:
    """Return the weights of a level for one image, and over test images.

    Arguments:
        flow: an initialised flow.
        image: trace of one image.
        averages: the result of :func:`of_trace` for test images.
        level: from 1, with a Shuffle.
        sources: the photograph (N,) of each test image, where that is known.

    Raises:
        ConfigError: the level has no Shuffle, or the flow does not weight its channels.

    """
    return ChannelWeights(
        level=level,
        shape=flow.config.level_shape(level),
        kept=kept_channels(flow, level),
        order=tuple(shuffle_at(flow, level).order.tolist()),
        image=of_trace(image, level),
        images=averages,
        sources=None if sources is None else tuple(int(source) for source in sources[:IMAGES]),
    )


def of_trace(trace: Trace, level: int) -> Channels:
    """Return the channels of the first :data:`IMAGES` traced images at a level with a Shuffle."""
    level_trace = trace.levels[level - 1]
    if level_trace.log_weights is None:
        raise ConfigError("This flow does not weight its channels before the split.")
    log_std = gaussian_entropy(level_trace.features[:IMAGES, level_trace.order].double()) - GAUSSIAN_ENTROPY
    return Channels(level_trace.log_weights[:IMAGES].double().numpy(), log_std.numpy())
