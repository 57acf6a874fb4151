"""Sentences about channel weights."""

from __future__ import annotations

import numpy as np

from ..weights import ChannelWeights
from .numbers import percent


def follow_loudness(found: ChannelWeights) -> str:
    """Return how far the weights follow a channel's loudness over images: 50 % a doubling would undo it.

    The slope of log ω against the channel's log standard deviation is the median over channels.
    """
    slopes = found.correlations.slope
    known = slopes[np.isfinite(slopes)]
    if not len(known):
        return "These channel weights are the same for every image, so they follow nothing."
    change = 2 ** float(np.median(known)) - 1
    if abs(change) < 0.005:
        return "The channel weights do not follow loudness: a channel twice as loud keeps its weight."
    much = "only a little" if abs(change) < 0.15 else "in part" if abs(change) < 0.4 else "closely"
    turned = "down" if change < 0 else "up"
    return (
        f"The channel weights follow loudness {much}: a channel twice as loud is turned {turned} by "
        f"{percent(abs(change))}."
    )
