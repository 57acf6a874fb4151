"""The one control of running work, runs and studies: its buttons, and the refusals of a click."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import streamlit as st

from ...data import DataError
from ...files import reason
from ...flow import ConfigError
from ...training import worker
from ...training.run_directory import RunError, WorkFolder
from .. import access

#: Seconds that a refusal is shown, over all reruns of the page.
FRESH_S = 20.0
#: Places of a refusal on a page: at the run that is shown, at the controls of a new one, at the studies.
SHOWN, NEW, STUDIES = "shown", "new", "studies"


def click(act: Callable[[], object], place: str = SHOWN) -> None:
    """Act on a click if this visitor has the right; a refusal is kept for :func:`refusal`.

    Args:
        act: the action.
        place: of the refusal.

    """
    st.session_state.pop("_refused", None)
    try:
        access.check_change()
        act()
    except (ConfigError, RunError, DataError, OSError) as error:
        sentence = f"{error.filename}: {reason(error)}." if isinstance(error, OSError) else str(error)
        st.session_state["_refused"] = place, sentence, time.monotonic()


def refusal(place: str) -> str | None:
    """Return the sentence that refused the last click at a place of the page, as long as it is fresh."""
    where, sentence, when = st.session_state.get("_refused", ("", "", 0.0))
    return sentence if where == place and time.monotonic() - when < FRESH_S else None


def buttons(work: WorkFolder, resume: Callable[[], object], study: str = "") -> None:
    """Draw the buttons that the state of a run or a study allows.

    Args:
        work: the directory of its process.
        resume: continues the work.
        study: the key of a study; empty for a run. A study cannot pause.

    """
    now, place = work.state(), STUDIES if study else SHOWN
    if not access.may_change():
        return

    def button(label: str, act: Callable[[], object], note: str | None = None) -> None:
        key = f"{label.lower()}-{study or work.path.name}"  # a late click is for the work that was shown
        kind: Literal["primary", "secondary"] = "primary" if act is resume and not study else "secondary"
        st.button(label, on_click=click, args=(act, place), key=key, help=note, type=kind)

    if now.name == "running" and not study:
        button("Pause", partial(worker.ask, work, True), "Saves, and frees the device.")
    if now.alive:
        button("Stop", partial(worker.ask, work, False), "Finishes the step and saves.")
        if now.frozen:
            button("Kill", partial(worker.kill, work), "Ends its process at once.")
    elif now.name != "finished":
        button("Resume", resume)
