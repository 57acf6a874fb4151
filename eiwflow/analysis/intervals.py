"""All intervals of the project: bootstrap over images, t over seeds.

The bootstrap draws whole photographs where they are known, since crops of one photograph are not independent. Draws
depend only on the seed and on which images share a photograph. So two flows see the same draws of the same images, and
their difference has a paired interval, narrower than those of the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .words.numbers import fixed

#: With fewer photographs, images are drawn instead.
MIN_PHOTOGRAPHS = 4
#: With fewer images, an AUROC's interval is at least as wide as that of a share of as many trials; paired or not.
FEW_PAIRED, FEW = 8, 32
#: Two-sided level of every interval.
ALPHA = 0.05
#: Bootstrap draws for the interval of a mean over images.
RESAMPLES = 2000
#: The photograph of each image (N,), where that is known.
Sources = Sequence[int] | np.ndarray | None
#: Half-width of a 95 % interval in standard errors.
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """A figure and the half-width of its 95 % interval over images, in nats; NaN where there is none.

    Attributes:
        value, error: the figure, and its interval's half-width.
        draws: the figure in every draw of the images, (B,); None where not kept.

    """

    value: float
    error: float
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return the figure with its interval, in as many places as the interval supports."""
        places = 2 if self.error >= 0.005 else 3
        return f"{fixed(self.value, places)} ± {fixed(self.error, places)}"

    @property
    def is_near_zero(self) -> bool:
        """Whether the interval holds 0."""
        return abs(self.value) <= self.error

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference from another estimate over the same images and draws, with the paired interval."""
        if self.draws is None or other.draws is None or len(self.draws) != len(other.draws):
            raise ValueError("A paired difference needs the same draws of the images on both sides.")
        return estimate(self.value - other.value, self.draws - other.draws)


def estimate(value: float | np.ndarray, draws: np.ndarray) -> Estimate:
    """Return a figure with its interval from draws (B,)."""
    return Estimate(float(value), float(NORMAL_95 * draws.std(ddof=1)), draws)


def photographs(sources: Sources) -> int:
    """Return the number of photographs to draw from; 0 to draw images."""
    number = 0 if sources is None else len(np.unique(sources))
    return number if number >= MIN_PHOTOGRAPHS else 0


def draws(count: int, sources: Sources, resamples: int, seed: int = 0) -> np.ndarray:
    """Return how often each of ``count`` images is drawn, (resamples, count) whole numbers.

    Arguments:
        count: of the images, N.
        sources: the photograph (N,) of each image, where that is known.
        resamples: number of draws.
        seed: of the draws.

    """
    groups = np.arange(count)
    if sources is not None and photographs(sources):
        groups = np.unique(sources, return_inverse=True)[1]
    number = int(groups.max()) + 1
    return np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)[:, groups]


def means(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean (B, …) over images of values (N, …) in every draw (B, N)."""
    return _shares(drawn) @ values


def _shares(drawn: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a draw of no image has no mean
        return drawn / drawn.sum(axis=1, keepdims=True)


def percentiles(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends (low, high) of the 95 % percentile interval of draws (B, …); NaN draws do not count.

    >>> [float(end) for end in percentiles(np.arange(101.0))]
    [2.5, 97.5]
    """
    low, high = np.nanquantile(statistics, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    return low, high


def auroc(own: np.ndarray, other: np.ndarray, drawn_own: np.ndarray, drawn_other: np.ndarray) -> Estimate:
    """Return how often a value of ``other`` (M,) exceeds a value of ``own`` (N,); ties count ½.

    ``drawn_own`` (B, N) and ``drawn_other`` (B, M) say how often each image is drawn, and give the interval. NaN, as
    latents of no channels have it, gives NaN.

    >>> once = np.ones((2, 3), int)
    >>> round(auroc(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), once, once).value, 3)
    0.778
    """
    if np.isnan(own).any() or np.isnan(other).any():
        return Estimate(math.nan, math.nan)
    higher = (other > own[:, None]) + 0.5 * (other == own[:, None])
    return estimate(higher.mean(), (means(drawn_own, higher) * _shares(drawn_other)).sum(axis=1))


def explained(predicted: np.ndarray, truth: np.ndarray, drawn: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the predicted share R² of the variance of ``truth`` (N,), for the images and for every draw (B, N).

    NaN for a draw in which the truth does not vary.
    """
    counts = np.concatenate([np.ones((1, len(truth)), int), drawn])
    means = (counts @ truth) / counts.sum(axis=1)
    error = counts @ np.square(truth - predicted)
    total = counts @ np.square(truth) - counts.sum(axis=1) * np.square(means)
    total = np.where(total > 0, total, np.nan)
    return 1 - error[0] / total[0], 1 - error[1:] / total[1:]


def of_mean_over_images(values: np.ndarray, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % bootstrap interval (low, high) of the mean over images of values (N, …)."""
    return percentiles(means(draws(len(values), sources, RESAMPLES), values))


# ---------------------------------------------------------------------- means over few values


def standard_error(values: np.ndarray, clusters: np.ndarray | None = None) -> float:
    """Return the standard error of the mean of ``values`` (N,).

    With ``clusters`` (N,), images of one source are not independent: residuals are summed by cluster
    (Liang and Zeger's sandwich with the factor G/(G−1)). NaN for one value or one cluster.
    """
    n = len(values)
    residuals = values - values.mean()
    sums = residuals if clusters is None else np.bincount(np.unique(clusters, return_inverse=True)[1], residuals)
    if len(sums) < 2:
        return math.nan
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum()) / n)


def widened(auroc: Estimate, images: int, independent: int | None = None, paired: bool = False) -> Estimate:
    """Return an AUROC with the interval of Student's t, of few images at least as wide as Wilson's of that many trials.

    If a few images all score higher than the flow's own, the bootstrap has no spread. Wilson's interval has: for 3 of 3
    images the share may be as low as 0.44. Fewer than 4 images cannot show a difference.

    Arguments:
        auroc: with its interval from draws of the images.
        images: of the smaller group.
        independent: images or photographs drawn of the group that has fewer; by default ``images``.
        paired: whether the groups are the same images in two versions, which Wilson's interval does not know.

    >>> round(widened(Estimate(1.0, 0.0), 3).error, 2)
    0.56

    """
    error = by_t(auroc, images if independent is None else independent).error
    if images >= (FEW_PAIRED if paired else FEW):
        return replace(auroc, error=error)
    square = NORMAL_95**2
    centre = (auroc.value + square / (2 * images)) / (1 + square / images)
    spread = math.sqrt(auroc.value * (1 - auroc.value) * square / images + (square / (2 * images)) ** 2)
    wilson = abs(auroc.value - centre) + spread / (1 + square / images)
    return replace(auroc, error=wilson if math.isnan(error) else max(error, wilson))


def by_t(difference: Estimate, count: int) -> Estimate:
    """Return a figure from draws with the interval of Student's t, for ``count`` images; none for 1 image."""
    from scipy import stats

    if count < 2:
        return replace(difference, error=math.nan)
    ratio = float(stats.t.ppf(1 - ALPHA / 2, count - 1)) / NORMAL_95
    return replace(difference, error=difference.error * ratio * math.sqrt(count / (count - 1)))


@dataclass(frozen=True)
class Interval:
    """The ends of an interval of a mean, and the two-sided p of a mean of 0; NaN for a single value."""

    low: float
    high: float
    p: float


def of_mean(values: np.ndarray, level: float = ALPHA) -> Interval:
    """Return the t interval of the mean of values (n,), at the two-sided level; NaN for a single value.

    >>> round(of_mean(np.array([0.5, 1.0, 1.5])).low, 2)
    -0.24
    """
    if len(values) < 2:
        return Interval(math.nan, math.nan, math.nan)
    # scipy.stats.ttest_1samp gives the same in twenty times the time, and a page of studies has hundreds of means.
    from scipy.special import stdtr, stdtrit

    freedom = len(values) - 1
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    if np.ptp(values) == 0 or error == 0:
        # Without scatter the t statistic is 0/0 or infinite.
        return Interval(float(values[0]), float(values[0]), 0.0 if values[0] else 1.0)
    reach = float(stdtrit(freedom, 1 - level / 2)) * error
    return Interval(mean - reach, mean + reach, 2 * float(stdtr(freedom, -abs(mean) / error)))
