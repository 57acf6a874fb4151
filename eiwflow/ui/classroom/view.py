"""The page Class: how to join, and how many are there."""

from __future__ import annotations

import base64

import streamlit as st

from ...server_settings import settings
from ..access import roles
from ..access.app_url import address
from . import join
from .board import BOARD

#: Seconds between two counts of who is there.
LOOK_S = 2


def page() -> None:
    """Draw the page of the class."""
    if not settings().classroom:
        st.markdown("Students scan a code, land in the lesson, vote before every answer, and train in their tabs.")
        st.page_link("pages/0_lesson.py", label="See the lesson")
        st.caption("No class is running here. A lecturer starts one with `eiwflow app --classroom --address 0.0.0.0`.")
        return
    code, words = st.columns([1, 1.4], gap="large", vertical_alignment="center")
    svg = base64.b64encode(join.qr_code(address()).encode()).decode()
    code.html(f'<img class="qr-code" alt="QR code of {address()}" src="data:image/svg+xml;base64,{svg}">')
    with words:
        st.html(f'<p class="join-address">{address()}</p>')
        st.markdown(
            "Scan the code or type the address. In the **Lesson** you vote and follow the lecturer; every page can be "
            "explored."
        )
        if roles.role() is roles.Role.TEACHER:
            st.success("This browser is the teacher’s: it may train, stop, rename, export and delete everything.")
            st.fragment(_now, run_every=LOOK_S)()


def _now() -> None:
    st.markdown(f"**{BOARD.present()}** are in the lesson now.")
