"""Sentences on missing things that a link asks for; nothing else is shown in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ..common import state
from ..common.untrusted import distinct, plain


def stop(place: DeltaGenerator, key: str, sentence: str, instead: Mapping[str, str]) -> NoReturn:
    """Name a missing thing as :func:`say` does, and end the page."""
    say(place, key, sentence, instead)
    st.stop()


def say(
    place: DeltaGenerator,
    key: str,
    sentence: str,
    instead: Mapping[str, str],
    choose: Callable[[str], None] | None = None,
) -> None:
    """Name a missing thing and offer to choose another; the URL stays as it is.

    Arguments:
        place: of the sentence.
        key: of the shared choice.
        sentence: names the missing thing.
        instead: the choices and their labels.
        choose: called with the choice; by default the shared choice is set.

    """
    place.error(sentence)
    own = f"{key}-instead"
    take = choose or partial(state.set_choice, key)
    if instead:
        labels = distinct(instead)
        place.selectbox(
            "Choose another",
            list(instead),
            index=None,
            format_func=labels.__getitem__,
            key=own,
            on_change=lambda: take(st.session_state[own]),
        )


def flow(key: str) -> str:
    """Say that a flow is gone."""
    return f"The flow {quoted(key)} is not here: its run was deleted or trains further, or its upload was forgotten."


def upload(kind: str, key: str) -> str:
    """Say that an upload is gone: a photo, or images or pictures."""
    are, them = ("are", "them") if kind.endswith("s") else ("is", "it")
    return (
        f"The {kind} {quoted(key)} {are} not here: the server forgot {them}, or has never seen {them}. "
        f"Upload {them} again."
    )


def data_set(key: str, names: Sequence[str]) -> str:
    """Say that there is no such data set, and list the available ones."""
    return f"The data set {quoted(key)} is not here; choose one of {', '.join(names)}."


def run(key: str) -> str:
    """Say that a run is gone."""
    return f"The run {quoted(key)} is not here: it was deleted, or is of another folder."


def study(key: str) -> str:
    """Say that a study is gone."""
    return f"The study {quoted(key)} is not here: it was deleted, or is no longer bundled."


def quoted(text: str, most: int = 60) -> str:
    """Return an untrusted text in quotes."""
    return f"“{plain(text, most)}”"
