"""The page Weights for flows with ``pooled`` weights, which come before the split of a level."""

from __future__ import annotations

from collections.abc import Mapping

from ...analysis.weights import ChannelWeights
from ...analysis.words import weights as words
from ...figures import weights as figures
from ..sources.visit import Page
from . import parts
from .widgets import places


def main(view: Page, results: Mapping[Page, ChannelWeights]) -> None:
    """Draw how far the weights follow loudness, and the weights of this picture."""
    left, right = places(view, [1, 1])
    with left:
        slopes = parts.drawn(figures.slopes, results[view], list(results.values()))
        parts.chart(slopes, view, "slopes", alt=words.slopes(results[view]))
    with right:
        bars = parts.drawn(figures.bars, results[view], list(results.values()))
        parts.chart(bars, view, "weights", alt=words.answer(results[view]))
