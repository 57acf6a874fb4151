"""Where things stand: side by side where there is room, below each other where checkpoints stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from .parts import errors_as_sentences

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from .frame import Page

Found = TypeVar("Found")


def compared(page: Page) -> bool:
    """Return whether the page is one of two that stand side by side."""
    return page.second or page.other is not None


def places(page: Page, widths: Sequence[float]) -> list[DeltaGenerator]:
    """Return a place for each of ``widths``: columns in proportion to them, or, in a compared page's column, rows."""
    return [st.container() for _ in widths] if compared(page) else st.columns(widths, gap="large")


def again(page: Page) -> list[tuple[Page, DeltaGenerator]]:
    """Return the page and its place, as ``side_by_side``, further down: what is compared stands at the same height."""
    if page.other is None:
        return [(page, st.container())]
    both = list(zip((page, page.other), st.columns(2, gap="large"), strict=True))
    for one, place in both:
        place.html(f'<p class="eiw-column eiw-again"><b>{escape(one.file.label)}</b></p>')
    return both


def draw_each(
    both: Iterable[tuple[Page, DeltaGenerator]], found: Mapping[Page, Found], draw: Callable[[Page, Found], None]
) -> None:
    """Draw what was found of each page into its place; what cannot be drawn is a sentence there."""
    for one, place in both:
        if one in found:
            with place, errors_as_sentences():
                draw(one, found[one])
