"""Shared by several pages: columns where there is room, and a prediction before the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from ..sources.visit import Page


def compared(page: Page) -> bool:
    """Return whether the page stands beside another."""
    return page.second or page.other is not None


def places(page: Page, widths: Sequence[float]) -> list[DeltaGenerator]:
    """Return a place for each of ``widths``: columns of these proportions, or rows inside a compared page's column."""
    return [st.container() for _ in widths] if compared(page) else st.columns(widths, gap="large")


def predicted(page: Page, question: str, options: Sequence[str]) -> str | None:
    """Ask for a prediction; return None until the answer may be shown."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        guessed = st.segmented_control(question, options, key=page.key("guess"))
        revealed = st.toggle("Reveal", key=page.key("reveal"), disabled=guessed is None)
    return guessed if revealed else None
