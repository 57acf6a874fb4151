"""Where things stand: side by side where there is room, below each other where checkpoints stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from .frame import Page


def compared(page: Page) -> bool:
    """Return whether the page is one of two that stand side by side."""
    return page.second or page.other is not None


def places(page: Page, widths: Sequence[float]) -> list[DeltaGenerator]:
    """Return a place for each of ``widths``: columns in proportion to them, or, in a compared page's column, rows."""
    return [st.container() for _ in widths] if compared(page) else st.columns(widths, gap="large")
