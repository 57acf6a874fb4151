"""Pictures of one's own beside the groups of the page Likelihood: files or a folder, in the URL as ``also``."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ... import data
from ..access import folders
from ..common.untrusted import plain
from ..common.uploads import Shelf, visitor
from ..sources import missing
from .photos import MAX_PHOTO_MB, PICTURE_SUFFIXES
from .uploader import empty, into_url, refusal, uploader

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile
    from torch import Tensor

#: Sets that the server remembers for a session, and pictures and bytes of one.
SETS, MOST_PICTURES, MOST_BYTES = 2, 256, 64 * 2**20
#: Begins the key of an upload; anything else is the path of a folder.
UPLOAD = "upload-"
#: Seconds that the pictures of a folder are kept.
FOLDER_S = 60


@dataclass(frozen=True, eq=False)
class OwnPictures:
    """Pictures as a flow takes them.

    Attributes:
        name: the group's.
        images: uint8 (N, C, H, W).
        made: what was done to them.
        argument: what stands for them on the command line, quoted for a shell.

    """

    name: str
    images: Tensor
    made: str
    argument: str


@st.cache_resource(show_spinner=False)
def _sets() -> Shelf[tuple[tuple[str, bytes], ...]]:
    return Shelf("pictures", SETS, lambda files: sum(len(content) for _, content in files))


def remember_pictures(files: dict[str, bytes]) -> str:
    """Keep the pictures of a visitor in memory, by name; return what stands for them in the URL.

    Raises:
        DataError: there are too many, or one cannot be read.

    """
    size = sum(map(len, files.values()))
    if len(files) > MOST_PICTURES or size > MOST_BYTES:
        raise data.DataError(
            f"These are {len(files):,} pictures of {size / 2**20:.1f} MiB; choose at most {MOST_PICTURES} of "
            f"{MOST_BYTES // 2**20} MiB together"
        )
    ordered = tuple(sorted(files.items()))  # as the command line reads a folder
    for file in map(_opened, ordered):
        data.from_picture(file, (3, 8, 8))
    digest = hashlib.sha256()
    for name, content in ordered:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    key = UPLOAD + digest.hexdigest()[:12]
    _sets().keep(key, ordered, visitor())
    return key


def own_pictures(shape: tuple[int, int, int], above: DeltaGenerator) -> OwnPictures | None:
    """Draw the choice of one's own pictures; return those that the URL names, in a flow's shape (C, H, W).

    What is gone or refused is named ``above``.
    """
    asked = st.query_params.get("also")
    found = None
    # Once: the shelf may let them go meanwhile.
    if asked is not None:
        _sets().hold(asked, visitor())
    try:
        found = None if asked is None else _found(asked, shape)
    except data.DataError as error:
        above.error(plain(error))
    if sentence := refusal("also"):
        above.error(plain(sentence))
    with st.popover("Your own pictures"):
        uploader("upload-pictures", "They stay on this machine.", PICTURE_SUFFIXES, MAX_PHOTO_MB, _take, several=True)
        if folders.data_roots():
            st.text_input("Or a folder", key="also-folder", placeholder="~/Pictures", on_change=_take_folder)
        if asked is not None:
            st.button("Put them away", key="put-away", on_click=_put_away, width="stretch")
    return found


def _found(asked: str, shape: tuple[int, int, int]) -> OwnPictures:
    """Return the pictures that the URL names.

    Raises:
        DataError: they are gone, may not be read, or cannot be.

    """
    if asked.startswith(UPLOAD):
        files = _sets().get(asked)
        if files is None:
            raise data.DataError(missing.pictures(asked))
        return OwnPictures("your pictures", *_in_shape(asked, shape, files), "FOLDER")
    folders.check_data_path(asked)
    folder = Path(os.path.expanduser(asked))
    if asked in data.DATASETS or not folder.is_dir():
        raise data.DataError(f"{asked[:200]!r} is no folder; type the path of a folder of pictures")
    return OwnPictures("your folder", *_of_folder(asked, shape), shlex.quote(asked))


@st.cache_resource(max_entries=8, show_spinner="Reading your pictures …")
def _in_shape(key: str, shape: tuple[int, int, int], _files: tuple[tuple[str, bytes], ...]) -> tuple[Tensor, str]:
    from ...analysis import likelihood

    del key
    group = likelihood.pictures("", [_opened(file) for file in _files], shape)
    return data.to_tensor(group.images), group.made


@st.cache_resource(max_entries=8, ttl=FOLDER_S, show_spinner="Reading your pictures …")
def _of_folder(path: str, shape: tuple[int, int, int]) -> tuple[Tensor, str]:
    from ...analysis import likelihood

    group = likelihood.also(path, shape)
    return data.to_tensor(group.images), group.made


def _opened(file: tuple[str, bytes]) -> io.BytesIO:
    """Return a file whose name a refusal can say."""
    name, content = file
    opened = io.BytesIO(content)
    opened.name = name[:60]
    return opened


def _take(uploads: list[UploadedFile]) -> None:
    if not uploads:
        return
    empty("upload-pictures")
    files: dict[str, bytes] = {}
    for upload in uploads:
        name = upload.name
        while name in files:  # two folders may have a file of the same name
            name = f"{name}_"
        files[name] = upload.getvalue()
    into_url("also", lambda: remember_pictures(files))


def _take_folder() -> None:
    if path := st.session_state["also-folder"].strip():
        st.query_params["also"] = path
    else:
        _put_away()


def _put_away() -> None:
    st.query_params.pop("also", None)
    if "also-folder" in st.session_state:
        st.session_state["also-folder"] = ""
