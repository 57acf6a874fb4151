"""The choices of the page Weights: own or average weights, a change of the picture, and a place with weights."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from streamlit.elements.plotly_chart import PlotlyState

from ...analysis.weights import CHANGES, PictureWeights, Place
from ...analysis.words.weights import NONE, named
from ..common import state
from ..common.untrusted import plain
from ..sources import checkpoints
from ..sources.visit import Page
from .widgets import choose_one

#: Weights in links -> in words.
WEIGHTS = {"own": "its own", "frozen": "average"}
#: Ends of the names of bundled flows with weights.
WEIGHTED = "-entropy-weighted"


def choose() -> tuple[bool, str, float]:
    """Draw the choices above the figure; return whether weights are average, a change of the picture and its amount."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = choose_one("Channel weights", list(WEIGHTS), "own", "weights", format_func=WEIGHTS.get)
        change = choose_one("Change the picture", list(CHANGES), "grain", "change")
        of = CHANGES[change]
        amount = st.slider(
            f"{change.capitalize()} ({of.unit})", of.least, of.most, of.usual, of.step,
            format="%g", key=f"amount-{change}", bind="query-params", width=200,
        )  # fmt: skip
    return kind == "frozen", change, amount


def choose_place(page: Page, of_flows: Iterable[PictureWeights]) -> Place:
    """Draw the choice of a place with weights, of all shown flows; return it.

    The first visit shows the place whose weights are farthest from their average, in the level shared with other pages.
    """
    all_weights = list(of_flows)
    places = sorted({place for weights in all_weights for place in weights.picture.places})
    level = min(page.level, places[-1].level)
    steps = [place.step for place in places if place.level == level]
    distances = all_weights[0].distances
    farthest = max(steps, key=lambda step: distances.get(Place(level, step), 0.0))
    place = Place(level, state.hidden_choice("flow-step", steps, farthest))
    state.write_url({"flow-step": str(place.step)})
    st.session_state["coupling"] = place
    take = lambda: _take(*st.session_state["coupling"])  # noqa: E731
    st.selectbox("Place", places, format_func=named, key="coupling", on_change=take, width=180)
    return place


def nearest(weights: PictureWeights, place: Place) -> Place:
    """Return a place; in a flow without it the nearest before it."""
    places = weights.picture.places
    level = min(place.level, places[-1].level)
    steps = [each.step for each in places if each.level == level]
    return Place(level, max((step for step in steps if step <= place.step), default=steps[0]))


def without_weights(page: Page) -> None:
    """Say that a flow has no weights, and link to a flow with weights."""
    st.info(NONE)
    names = [key for key in checkpoints.checkpoint_files() if key.endswith(WEIGHTED)]
    names.sort(key=lambda name: not name.startswith(page.checkpoint.info.data))  # a flow of the same images goes first
    if names:
        link = {**page.links_to(names[0]), "vs": "none"}
        st.page_link("pages/5_weights.py", label=f"Look at {plain(names[0])}, which has weights", query_params=link)


def take_clicked(key: str) -> None:
    """Choose the coupling whose square was clicked on the map of this key, from a callback."""
    clicked: PlotlyState = st.session_state[key]
    if points := clicked["selection"]["points"]:
        _take(*points[0]["customdata"][:2])


def _take(level: int, step: int) -> None:
    state.set_choice("level", level)
    state.set_choice("flow-step", step)
