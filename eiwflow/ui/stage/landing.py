"""The front page: a flow to touch, and the ways to the lesson, the playground and the pages."""

from __future__ import annotations

import streamlit as st

from ...lesson import bundle, default
from ..common import window
from . import first_scene
from .first_scene import TITLE, WHAT

#: The link to the questions, on the last scene of the bundled lesson.
HOMEWORK = {"scene": "12", "choice": "homework"}
_home = st.components.v2.component(
    "eiwflow_home",
    html='<div class="lesson-root"></div>',
    css=bundle.style(),
    js=(bundle.ASSETS / "front.js").read_text(encoding="utf-8"),
)


def page() -> None:
    """Draw the page."""
    window.begin_landing(TITLE)
    if st.query_params.get("lesson") == "1":  # a link of an older version
        st.switch_page("pages/0_lesson.py")
    st.title(TITLE)
    st.markdown(WHAT)
    _home(key="home-stage", data=first_scene.script())
    carried = {key: text for key, text in st.query_params.to_dict().items() if key != "lesson"}
    of_flow = {"ck": carried["ck"]} if "ck" in carried else {}
    ways = st.container(horizontal=True)
    if ways.button("Start the lesson", type="primary"):
        st.switch_page("pages/0_lesson.py", query_params=of_flow)
    if ways.button("Playground", help="Build a flow and watch it learn, in this tab."):
        st.switch_page("pages/12_playground.py")
    if ways.button("Explore a flow"):
        st.switch_page("pages/1_levels.py", query_params=carried)
    if ways.button("Ten minutes", type="tertiary", help="The lesson in seven scenes."):
        st.switch_page("pages/0_lesson.py", query_params={**of_flow, "minutes": "10"})
    if ways.button("Homework", type="tertiary", help="Eight questions that open the lesson where they are asked."):
        st.switch_page("pages/0_lesson.py", query_params=HOMEWORK)
    ways.download_button(
        "Download the lesson",
        data=lambda: bundle.page(default.pack()).encode(),
        file_name="lesson.html",
        mime="text/html",
        on_click="ignore",
        type="tertiary",
    )
