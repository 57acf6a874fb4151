"""What the page Weights draws of flows with ``pooled`` weights, which stand before the split of a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ...analysis.words import channels as channel_words
from ...analysis.words import weights as words
from ...figures import weights as figures
from ..sources import cache
from . import parts
from .widgets import channel, places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...analysis.weights import ChannelWeights
    from ..sources.visit import Page


def main(view: Page, results: Mapping[Page, ChannelWeights]) -> None:
    """Draw how far the weights follow loudness, and those of this picture."""
    left, right = places(view, [1, 1])
    with left:
        slopes = parts.drawn(figures.slopes, results[view], list(results.values()))
        parts.chart(slopes, view, "slopes", alt=words.slopes(results[view]))
    with right:
        bars = parts.drawn(figures.bars, results[view], list(results.values()))
        parts.chart(bars, view, "weights", alt=words.answer(results[view]))


def one_channel(view: Page, results: Mapping[Page, ChannelWeights]) -> None:
    """Draw one channel over images and in the pixels."""
    weights = results[view]
    chosen = channel(view, weights)
    position = weights.order.index(chosen)
    st.markdown(words.channel(weights, position))
    left, right = places(view, [1.5, 1])
    with left:
        images = view.images.test[: weights.count]
        st.html(figures.extremes(cache.pixels(images), weights, position, 8))
    with right:
        sentence = words.correlation(weights, position)
        parts.chart(parts.drawn(figures.scatter, weights, position), view, "view-channel", alt=sentence)
        st.caption(sentence)
    gradient, change = cache.measure(view, "gradient", weights.level, channel=chosen), None
    if position >= weights.kept:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            how = st.segmented_control(
                "Its ε is", ["resampled", "set to zero"], default="resampled", required=True, key=view.key("epsilon")
            )
            frozen = st.toggle("Freeze the weights at this image", key=view.key("frozen"))
        zeroed = how == "set to zero"
        change = cache.measure(view, "resampling", weights.level, channel=chosen, zeroed=zeroed, frozen=frozen)
    st.html(figures.pixels(cache.pixels(view.image)[0], gradient, change))
    st.markdown(f"{channel_words.gradient(gradient)} {channel_words.change(change) if change else ''}")
    if change is None:
        st.caption(channel_words.PASSED_ON)
    else:
        parts.caveat(channel_words.OTHERS_CHANGE_TOO)


def ablation(view: Page, results: Mapping[Page, ChannelWeights]) -> None:
    """Draw what it costs to hold each weight at its mean."""
    of_all = {each: cache.measure(each, "ablation", weights.level) for each, weights in results.items()}
    held = of_all[view]
    parts.chart(
        parts.drawn(figures.ablation, held, list(of_all.values())), view, "ablation", alt=channel_words.ablation(held)
    )
    st.caption(channel_words.ablation(held))
    parts.exports(view, tables={"ablation": held.table()}, pictures={})
