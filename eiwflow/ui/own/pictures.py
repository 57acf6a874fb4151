"""A visitor's own pictures beside the groups of the page Likelihood: files or a folder, in the URL as ``also``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from ... import data
from ...analysis import likelihood
from ..access import folders
from ..common import state
from ..common.untrusted import plain
from ..sources import store
from .photos import MAX_PHOTO_MB, PICTURE_SUFFIXES
from .upload import Files, Upload, named

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

#: Pictures of one upload, and their bytes together.
MOST_PICTURES, MOST_BYTES = 256, 64 * 2**20


class OwnPictures(NamedTuple):
    """A visitor's pictures as a flow takes them, and their name on the command line."""

    group: likelihood.Group
    argument: str


#: Pictures of one upload: their names and contents.
Pictures = tuple[tuple[str, bytes], ...]


def _checked(_: str, files: Files) -> Pictures:
    size = sum(map(len, files.values()))
    if len(files) > MOST_PICTURES or size > MOST_BYTES:
        raise data.DataError(
            f"These are {len(files):,} pictures of {size / 2**20:.1f} MiB; choose at most {MOST_PICTURES} of "
            f"{MOST_BYTES // 2**20} MiB together"
        )
    for name, content in files.items():
        data.from_picture(named(name, content), (3, 8, 8))
    return tuple(files.items())


#: Any other value of the URL's parameter is the path of a folder.
PICTURES = Upload(
    "pictures",
    PICTURE_SUFFIXES,
    MAX_PHOTO_MB,
    2,
    _checked,
    lambda files: sum(len(content) for _, content in files),
    several=True,
    prefix="upload-",
)


def own_pictures(shape: tuple[int, int, int], multiple: int, above: DeltaGenerator) -> OwnPictures | None:
    """Draw the choice of a visitor's pictures; return those that the URL names, in a flow's shape (C, H, W).

    Smaller images are padded to a multiple of ``multiple``, 2**levels, as by :func:`eiwflow.data.load`.
    Missing and refused pictures are named ``above``.
    """
    asked = st.query_params.get("also")
    pictures = None
    try:
        pictures = None if asked is None else _named_in_url(asked, shape, multiple)
    except data.DataError as error:
        above.error(plain(error))
    PICTURES.say_refusal("also", above)
    with st.popover("Your own pictures"):
        PICTURES.draw("also", "They stay on this machine.")
        if folders.data_roots():
            st.text_input("Or a folder", key="also-folder", placeholder="~/Pictures", on_change=_take_folder)
        if asked is not None:
            st.button("Put them away", key="put-away", on_click=_put_away, width="stretch")
    return pictures


def _named_in_url(asked: str, shape: tuple[int, int, int], multiple: int) -> OwnPictures:
    """Return the pictures that the URL names."""
    if asked.startswith(PICTURES.prefix):
        if (files := PICTURES.kept(asked)) is None:
            raise data.DataError(PICTURES.gone(asked))
        pictures = [named(*file) for file in files]
        group = _read((asked, shape), lambda: likelihood.pictures("your pictures", pictures, shape))
        return OwnPictures(group, "FOLDER")
    folders.check_data_path(asked)
    folder = Path(os.path.expanduser(asked))
    if asked in data.DATASETS or not folder.is_dir():
        raise data.DataError(f"{asked[:200]!r} is no folder; type the path of a folder of pictures")
    key = os.path.realpath(folder), shape, multiple, folders.stamp(folder.resolve())

    def read() -> likelihood.Group:
        return replace(likelihood.also(asked, shape, multiple), name="your folder", kind="folder", sources=None)

    return OwnPictures(_read(key, read, long=True), asked)


def _read(key: store.Key, read: Callable[[], likelihood.Group], long: bool = False) -> likelihood.Group:
    """Return the one group of a key: what is measured of it is kept under the group itself."""
    return store.get("pictures", key, read, "Reading your pictures …", long)


def _take_folder() -> None:
    if path := st.session_state["also-folder"].strip():
        st.query_params["also"] = path
    else:
        _put_away()


def _put_away() -> None:
    state.drop("also")
    if "also-folder" in st.session_state:
        st.session_state["also-folder"] = ""
