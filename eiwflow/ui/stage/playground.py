"""The playground's page: the browser does everything; the server sends the script and leads to the lesson."""

from __future__ import annotations

import streamlit as st

from ...lesson import bundle
from ..common import way_back, window

TITLE = "Playground: a flow that learns in this tab"
_playground = st.components.v2.component(
    "eiwflow_playground",
    html='<div class="lesson-root"></div>',
    css=bundle.style(bundle.PLAYGROUND_STYLE),
    js=bundle.script("playground/component.js"),
)


def page() -> None:
    """Draw the playground."""
    window.begin_stage(TITLE)
    if _playground(key="playground", on_leave_change=lambda: None).leave:
        st.switch_page(way_back.LESSON, query_params=way_back.place({}))
