"""Shared by several pages: a choice of one, and columns where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ..sources.visit import Page

Option = TypeVar("Option")


def choose_one(
    label: str,
    options: Sequence[Option],
    default: Option,
    key: str,
    **appearance: Any,  # noqa: ANN401 (those of Streamlit)
) -> Option:
    """Draw a choice of exactly one option, and return it.

    Streamlit itself returns None for an empty value in the URL, as in ``?key=``, also where one option is required.

    Args:
        label: of the choice.
        options: to choose from.
        default: the option without a value in the URL.
        key: of the choice, also in the URL.
        appearance: further arguments of ``st.segmented_control``.

    """
    chosen = st.segmented_control(
        label, options, default=default, required=True, key=key, bind="query-params", **appearance
    )
    return default if chosen is None else chosen


def places(page: Page, widths: Sequence[float]) -> list[DeltaGenerator]:
    """Return a place for each of ``widths``: columns of these proportions, or rows inside a compared page's column."""
    if page.second or page.other is not None:
        return [st.container() for _ in widths]
    return st.columns(widths, gap="large")
