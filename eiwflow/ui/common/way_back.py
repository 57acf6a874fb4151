"""The way back to the lesson's scene from which a visitor came. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ...lesson import default
from .untrusted import plain

LESSON = "pages/0_lesson.py"
#: What a link to a place in the lesson says.
_KEYS = ("ck", "scene", "scenes", "minutes", "image", "photo", "choice")
_KEPT = "_lesson_place"


def remember(place: Mapping[str, object]) -> None:
    """Keep the lesson's place for this visit: the parameters of its address."""
    st.session_state[_KEPT] = {key: str(place[key])[:200] for key in _KEYS if key in place}


def place(carried: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a link to the lesson from a page with these: the place that was left, if any.

    A page with another flow leads to the same scene of that flow.
    """
    if (kept := st.session_state.get(_KEPT)) is None:  # a new visit: the address still says the scene
        if "scene" not in carried:
            return dict(carried)
        kept = {key: carried[key] for key in ("ck", "scene") if key in carried}
    flow = carried.get("ck", kept.get("ck", default.FLOW))
    return dict(kept) if flow == kept.get("ck", default.FLOW) else {"ck": flow, "scene": kept["scene"]}


def link() -> None:
    """Draw the link to the scene from which this page was opened, if it was."""
    if "scene" in (back := place(st.query_params.to_dict())):
        st.page_link(LESSON, label=f"← Back to scene {plain(back['scene'], 4)}", query_params=back)
