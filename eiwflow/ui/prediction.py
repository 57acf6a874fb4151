"""Predict first, then reveal: what a hall has committed itself to, it wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from .frame import Page


def predicted(page: Page, question: str, options: Sequence[str]) -> str | None:
    """Ask for a prediction; return it once the answer is to be revealed, until then None."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        guessed = st.segmented_control(question, options, key=page.key("guess"))
        revealed = st.toggle("Reveal", key=page.key("reveal"), disabled=guessed is None)
    return guessed if revealed else None
