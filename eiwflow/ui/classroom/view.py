"""What pages draw of a class: how to join it, who is there, and the queue of trainings."""

from __future__ import annotations

import base64

import streamlit as st

from ..access import roles
from ..access.settings import settings
from ..common.untrusted import plain
from . import join, queue
from .board import BOARD
from .queue import QUEUE, RUNNING, WAITING, Ticket

#: Seconds between two looks at the queue.
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
    svg = base64.b64encode(join.qr_code(join.address()).encode()).decode()
    code.html(f'<img class="qr-code" alt="QR code of {join.address()}" src="data:image/svg+xml;base64,{svg}">')
    with words:
        st.html(f'<p class="join-address">{join.address()}</p>')
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


def waiting() -> None:
    """Draw where this visitor's training stands in the queue; nothing where there is none."""
    if not settings().classroom:
        return
    ticket = queue.own()
    if ticket is None:
        return
    if ticket.refusal and st.session_state.get("_class_refusal") is not ticket:
        st.session_state["_class_refusal"] = ticket
        st.error(f"Your training was not started: {plain(ticket.refusal)}")
    if ticket.state == WAITING:
        st.fragment(_wait, run_every=LOOK_S)(ticket)


def _wait(ticket: Ticket) -> None:
    if ticket.state == WAITING:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(queue.place_in_words(ticket))
            st.button("Leave the queue", key="leave-queue", on_click=QUEUE.leave, args=(ticket,))
        return
    if ticket.state == RUNNING and ticket.run is not None:
        from ..common import state

        state.set_choice("run", ticket.run.path.name)
    st.rerun()
