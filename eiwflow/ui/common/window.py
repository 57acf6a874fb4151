"""The window of a page: its title, its style, its links to the other pages. Knows no flow, and imports no torch."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ... import project
from ...figures.pixels import file_uri
from ..access import navigation
from . import way_back

STYLE = project.ROOT / "assets" / "style"
#: Pixels of the side bar, which holds links alone: the figure needs the width.
SIDE_BAR = 190


def open_window(title: str) -> None:
    """Set a page's title, icon and style."""
    st.set_page_config(page_title=title, page_icon=_icon(), layout="wide", initial_sidebar_state=SIDE_BAR)
    st.html(STYLE / "page.css")


def begin_landing(title: str) -> None:
    """Start the front page, without torch or a checkpoint."""
    open_window(title)
    links(st.sidebar.container(), {key: text for key, text in st.query_params.to_dict().items() if key != "lesson"})


def begin_stage(title: str) -> None:
    """Start a page that is all stage: no side bar, no header."""
    st.set_page_config(page_title=title, page_icon=_icon(), layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE / "stage.css")


@lru_cache
def _icon() -> str:
    """Return the page's icon as a data URL, since a file may be gone before a slow browser requests it."""
    return file_uri((STYLE / "icon.png").read_bytes(), "png")


def links(box: DeltaGenerator, carried: dict[str, str]) -> None:
    """Draw links to all pages, which carry the parameters of the URL."""
    for group, entries in groupby(navigation.pages(), key=lambda entry: entry.group):
        box.caption(group)
        for entry in entries:
            query = way_back.place(carried) if entry.path == way_back.LESSON else carried
            box.page_link(entry.path, label=entry.label, query_params=query)
