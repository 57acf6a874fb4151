"""Sentences about channel weights before a split."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .numbers import counted, fixed, percent, signed

if TYPE_CHECKING:
    from ..weights import ChannelWeights, Correlations


def images(weights: ChannelWeights) -> str:
    """Return the number of images behind an average."""
    of = f" of {counted(weights.photographs, 'photograph')}" if weights.photographs else ""
    return f"{counted(weights.count, 'test image')}{of}"


def follow_loudness(weights: ChannelWeights) -> str:
    """Return whether a picture turns its loud channels down, and by how much.

    The slope of log ω against the channel's log standard deviation is the median over channels. Its words are those of
    the lesson's scene on weights; a full compensation halves the weight of a channel twice as loud.
    """
    slopes = weights.correlations.slope
    finite_slopes = slopes[np.isfinite(slopes)]
    if not len(finite_slopes):
        return "No: these channel weights are the same for every picture."
    change = 2 ** float(np.median(finite_slopes)) - 1
    if abs(change) < 0.005:
        return "No: a channel twice as loud keeps its weight."
    share = change / -0.5
    if abs(share) < 0.05:
        much = "No"
    elif share < 0:
        much = "No, the reverse"
    else:
        much = "Only a little" if share < 0.3 else "Partly" if share < 0.8 else "Yes"
    turned = f"turned {'down' if change < 0 else 'up'} by{' only' if much == 'No' else ''} {percent(abs(change))}"
    return f"{much}: a channel twice as loud is {turned}."


def answer(weights: ChannelWeights) -> str:
    """Return the channels turned up or down for this image, in one or two sentences."""
    if weights.alike:
        return f"Level {weights.level} weights its channels alike for every image."
    ends = [
        f"channel {weights.order[position]} {way} the most, to ×{math.exp(weights.relative[position]):.2f}"
        for way, position in (("up", weights.relative.argmax()), ("down", weights.relative.argmin()))
    ]
    return (
        f"For this image, level {weights.level} turns {ends[0]} of its average weight, and {ends[1]}. "
        f"{correlations(weights.correlations)}"
    )


def correlations(result: Correlations) -> str:
    """Return in how many channels the weight falls with loudness, and by how much."""
    is_known = np.isfinite(result.pearson)
    if not is_known.any():
        return "The weights are the same for every image: there is nothing to correlate."
    return (
        f"Over images, ω falls with the loudness of its channel in {int((result.low > 0).sum())} of {is_known.sum()} "
        f"channels and rises in {int((result.high < 0).sum())} (95 % intervals; median r of −log ω with log σ "
        f"{signed(float(np.median(result.pearson[is_known])), 2)}). Where a channel is twice as loud, its weight is "
        f"×{2 ** np.median(result.slope[is_known]):.2f} (median over channels); ×0.50 would compensate for it."
    )


def slopes(weights: ChannelWeights) -> str:
    """Return the range of the channels' slopes."""
    finite = weights.correlations.slope[np.isfinite(weights.correlations.slope)]
    if not len(finite):
        return f"Over {images(weights)}, the weights are the same for every image."
    return (
        f"Slope of log ω on log σ by channel over {images(weights)}: {fixed(finite.min(), 2)} to "
        f"{fixed(finite.max(), 2)}, median {fixed(float(np.median(finite)), 2)}. −1 would compensate for loudness."
    )
