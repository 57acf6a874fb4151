"""The folders on the server whose images visitors may read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import streamlit as st

from ... import data, files, server_settings

#: Most files of a folder that are checked for changes.
MAX_LISTED = 100_000


def check_data_path(name: str) -> None:
    """Refuse a path of the server's that visitors may not read; the refusal does not reveal whether the path exists.

    Raises:
        DataError: it is outside the allowed folders.

    """
    if name in data.DATASETS:
        return
    try:
        path = Path(os.path.expanduser(name)).resolve()
        if any(path.is_relative_to(root) for root in data_roots()):
            return
    except (OSError, ValueError, RuntimeError):
        pass  # an impossible path is not allowed either
    raise data.DataError(
        f"This server reads no images there. {server_settings.DATA_ROOTS_VARIABLE} names the folders that visitors may "
        "read"
    )


def data_roots() -> list[Path]:
    """Return the folders whose images visitors may train on.

    Without the environment variable that is the home folder where the app answers this machine alone, else none.
    """
    if (named := server_settings.data_roots()) is not None:
        return named
    return [Path.home().resolve()] if st.get_option("server.address") in server_settings.OF_THIS_MACHINE else []


def stamp(path: Path) -> object:
    """Return a stamp that changes with a file, or with any file in a folder; None where it cannot be read."""
    try:
        return hash(frozenset(_stamps_in(path))) if path.is_dir() else files.stamp(path)
    except (OSError, ValueError):
        return None  # reading it raises the error


def _stamps_in(folder: Path) -> Iterator[tuple[str, int, int]]:
    for file in islice(files.visible(folder), MAX_LISTED):
        with suppress(OSError):  # a link to nowhere, or a file deleted meanwhile
            yield str(file), *files.stamp(file)
