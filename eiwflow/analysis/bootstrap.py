"""Intervals over images: whole photographs are drawn where they are known, since crops of one are no new witnesses.

Draws depend on the seed and on which images are of one photograph, and on nothing else. So two flows that look at the
same images see the same draws, and what they differ by has an interval of its own, narrower than those of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .words.numbers import fixed

#: Of fewer photographs nothing can be drawn: then images are.
MIN_PHOTOGRAPHS = 4
#: Half-width of a 95 % interval in standard errors.
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """A figure and the half-width of its 95 % interval over images, in nats; NaN where there is none.

    Attributes:
        value, error: the figure, and its interval's half-width.
        draws: what the figure is in every draw of the images, (B,); None where that is not kept.

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
        """Return the difference from another estimate over the same images and draws; its interval is the paired one.

        Raises:
            ValueError: an estimate without draws, or with others, cannot be paired.

        """
        if self.draws is None or other.draws is None or len(self.draws) != len(other.draws):
            raise ValueError("A paired difference needs the same draws of the images on both sides.")
        return estimate(self.value - other.value, self.draws - other.draws)


def estimate(value: float | np.ndarray, draws: np.ndarray) -> Estimate:
    """Return a figure with the interval that its draws (B,) give it."""
    return Estimate(float(value), float(NORMAL_95 * draws.std(ddof=1)), draws)


def photographs(sources: Sequence[int] | None) -> int:
    """Return how many photographs draws are from, given the photograph (N,) of each image; 0 where images are drawn."""
    number = 0 if sources is None else len(np.unique(sources))
    return number if number >= MIN_PHOTOGRAPHS else 0


def draws(count: int, sources: Sequence[int] | None, resamples: int, seed: int = 0) -> np.ndarray:
    """Return how often each of ``count`` images is drawn, (resamples, count) whole numbers.

    Arguments:
        count: of the images, N.
        sources: the photograph (N,) that each was cut from, where that is known.
        resamples: how often images are drawn anew.
        seed: of the draws.

    """
    groups = np.arange(count)
    if sources is not None and photographs(sources):
        groups = np.unique(sources, return_inverse=True)[1]
    number = int(groups.max()) + 1
    return np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)[:, groups]


def means(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean (B, …) over images of values (N, …) in every draw (B, N)."""
    return (drawn / drawn.sum(axis=1, keepdims=True)) @ values
