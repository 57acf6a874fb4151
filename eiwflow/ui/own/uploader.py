"""An uploader for files of a visitor's: what comes in is handed on, and the uploader can be emptied for the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from ...data import DataError


def uploader(
    name: str,
    label: str,
    suffixes: Sequence[str],
    megabytes: int,
    take: Callable[[Any], None],
    several: bool = False,
) -> None:
    """Draw an uploader; ``take`` is given each file before the next run, or None where the visitor removes it.

    Arguments:
        name: of the uploader, its own on a page.
        label: what the uploader says.
        suffixes: of the files it offers to take.
        megabytes: the largest file.
        take: what is done with a file.
        several: whether several files come together; ``take`` is then given a list.

    """
    st.file_uploader(
        label,
        list(suffixes),
        accept_multiple_files=several,
        key=_key(name),
        on_change=_hand_on,
        args=(name, take),
        max_upload_size=megabytes,
    )


def empty(name: str) -> None:
    """Make an uploader stand empty in the next run: an uploader that gets a new key holds nothing."""
    st.session_state[_count(name)] = st.session_state.get(_count(name), 0) + 1


def into_url(choice: str, keep: Callable[[], str], name: str = "") -> None:
    """Put what stands for a visitor's files into the URL, or keep for :func:`refusal` why not.

    Arguments:
        choice: the parameter of the URL.
        keep: keeps the files and returns what stands for them.
        name: of the file, where the refusal does not say it.

    """
    try:
        st.query_params[choice] = keep()
    except DataError as error:
        st.session_state[f"_refused_{choice}"] = f"“{name[:60]}”: {error}" if name else str(error)


def refusal(choice: str) -> str:
    """Return why the newest files were refused, once; empty where they were not."""
    sentence: str = st.session_state.pop(f"_refused_{choice}", "")
    return sentence


def _hand_on(name: str, take: Callable[[Any], None]) -> None:
    take(st.session_state[_key(name)])


def _count(name: str) -> str:
    return f"_files_through_{name}"


def _key(name: str) -> str:
    return f"{name}-{st.session_state.get(_count(name), 0)}"
