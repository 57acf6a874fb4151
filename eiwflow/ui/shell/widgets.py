"""Shared by several pages: columns where there is room, a prediction before the answer, the choice of a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from ...analysis.weights import ChannelWeights
    from ..sources.visit import Page

#: So many channels are chosen from side by side, half as many in a column; more from a list.
SIDE_BY_SIDE = 24


def compared(page: Page) -> bool:
    """Return whether the page stands beside another."""
    return page.second or page.other is not None


def places(page: Page, widths: Sequence[float]) -> list[DeltaGenerator]:
    """Return a place for each of ``widths``: columns in proportion to them, or, in a compared page's column, rows."""
    return [st.container() for _ in widths] if compared(page) else st.columns(widths, gap="large")


def predicted(page: Page, question: str, options: Sequence[str]) -> str | None:
    """Ask for a prediction; return it once the answer is to be revealed, until then None."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        guessed = st.segmented_control(question, options, key=page.key("guess"))
        revealed = st.toggle("Reveal", key=page.key("reveal"), disabled=guessed is None)
    return guessed if revealed else None


def channel(page: Page, weights: ChannelWeights) -> int:
    """Draw the choice of a channel; return its number. By default the factored-out channel whose weight varies most."""
    first = weights.kept + (int(weights.std[weights.kept :].argmax()) if weights.has_weights else 0)
    label, key = "Channel, in the split order: passed-on ones first", page.key("channel")
    if len(weights.order) > (SIDE_BY_SIDE // 2 if compared(page) else SIDE_BY_SIDE):
        return st.selectbox(label, weights.order, index=first, key=key, bind="query-params")
    usual = weights.order[first]
    return st.segmented_control(label, weights.order, default=usual, required=True, key=key, bind="query-params")
