"""The page Class: how to join, how many are there, and the queue of trainings."""

from __future__ import annotations

import base64

import streamlit as st

from ...server_settings import settings
from ..access import roles
from ..access.address import address
from ..common.untrusted import plain
from ..jobs.queue import QUEUE, Ticket
from . import join
from .board import BOARD

#: Seconds between two updates of the queue.
LOOK_S = 2
#: Trainings that the teacher's list shows.
MOST_LISTED = 10


def page() -> None:
    """Draw the page of the class."""
    limits = settings()
    if not limits.classroom:
        st.info("No class is running here. A lecturer starts one with `eiwflow app --classroom --address 0.0.0.0`.")
        return
    teacher = roles.role() is roles.Role.TEACHER
    code, words = st.columns([1, 1.4], gap="large", vertical_alignment="center")
    svg = base64.b64encode(join.qr_code(address()).encode()).decode()
    code.html(f'<img class="qr-code" alt="QR code of {address()}" src="data:image/svg+xml;base64,{svg}">')
    with words:
        st.html(f'<p class="join-address">{address()}</p>')
        st.markdown(
            "Scan the code or type the address. In the **Lesson** you vote and follow the lecturer; every page can be "
            "explored."
        )
        st.markdown(
            f"One training at a time: at most {limits.steps:,} steps and {limits.minutes} minutes, "
            f"{limits.disk_mib:,} MiB of runs and {limits.uploads_mib:,} MiB of uploads for each of you."
        )
        if teacher:
            st.success("This browser is the teacher’s: it may stop, rename, export and delete everything.")
    st.fragment(_now, run_every=LOOK_S)(teacher)


def _now(teacher: bool) -> None:
    running, waiting = QUEUE.running(), QUEUE.waiting()
    here = f"**{BOARD.present()}** are in the lesson now. " if teacher else ""
    trains = "One training runs" if running else "No student’s training runs"
    st.markdown(f"{here}{trains}; {len(waiting)} {'waits' if len(waiting) == 1 else 'wait'}.")
    if teacher:
        for number, ticket in enumerate(waiting[:MOST_LISTED]):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{number + 1}. {_what(ticket)}")
                st.button("Remove", key=f"remove-{id(ticket)}", on_click=QUEUE.leave, args=(ticket,))


def _what(ticket: Ticket) -> str:
    recipe = ticket.recipe
    return f"{plain(recipe.flow.split)} on {plain(recipe.data, 40)}, {recipe.iterations:,} steps"
