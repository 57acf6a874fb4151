"""Images of one's own that the page Checkpoint scores: an ``.npz`` archive, in the URL as ``own``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from ... import data
from ..common.untrusted import plain
from ..common.uploads import Shelf, visitor
from ..sources import data_sets, missing
from .uploader import empty, into_url, refusal, uploader

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from ...flow import MultiScaleFlow

#: Uploaded archives of images that the server remembers, and how large one may be.
ARCHIVES, MAX_ARCHIVE_MB = 4, 64
#: Bytes of images that one may unpack to: visitors share the server's memory.
MAX_UNPACKED = 128 * 2**20
#: Values (bytes of images) that a page scores at most: 1,000 images of 3×32×32.
MAX_SCORED = 3_072_000
OWN_IMAGES = "Your own images, an .npz of uint8 (N, H, W, C); it stays on this machine."


@dataclass(frozen=True)
class Archive:
    """Images that were uploaded.

    Attributes:
        key: a hash of their file.
        name: the file's, for the visitor's eyes.
        content: of the file.

    """

    key: str
    name: str
    content: bytes


@st.cache_resource(show_spinner=False)
def _archives() -> Shelf[Archive]:
    return Shelf("archives", ARCHIVES, lambda archive: len(archive.content))


def remember_archive(content: bytes, name: str) -> str:
    """Keep an uploaded archive of images in memory; return its hash.

    Raises:
        DataError: it cannot be read as images.

    """
    data.images.check_parts(data.npz.read_npz(content, name, MAX_UNPACKED))
    key = hashlib.sha256(content).hexdigest()[:12]
    _archives().keep(key, Archive(key, name, content), visitor())
    return key


def own_images() -> Archive | None:
    """Draw the uploader for one's own images; return those to be scored, whose key is in the URL as ``own``."""
    own = st.query_params.get("own")
    # Once: other visitors' images may push these out meanwhile.
    found = None if own is None else _archives().hold(own, visitor())
    if sentence := refusal("own"):
        st.error(plain(sentence))
    if own is not None:
        if found is None:
            st.error(missing.images(own))
        st.button("Back to the data set", on_click=_drop_archive, width="stretch")
    if found is None:
        uploader("upload-own", OWN_IMAGES, ["npz"], MAX_ARCHIVE_MB, _take_archive)
        if own is not None:
            st.stop()
    return found


def scored(flow: MultiScaleFlow) -> int:
    """Return how many images are scored at most: a page does not wait for a large set."""
    return max(1, MAX_SCORED // flow.config.dimensions)


def as_flow_takes_them(own: Archive, flow: MultiScaleFlow) -> data_sets.Images:
    """Return one's own images in the shape that a flow takes: padded to its multiple, larger ones cut.

    Raises:
        DataError: they do not fit the flow.

    """
    from ...analysis.evaluate import images_to_score

    read = data.images.check_parts(data.npz.read_npz(own.content, own.name, MAX_UNPACKED))
    fitted = data.images.pad_to_multiple(read, 2**flow.config.levels)
    test = images_to_score(fitted, flow)
    return data_sets.Images(own.name, test, test, f"{fitted.note} ({own.key})", remade=False)


def _safe_name(name: str) -> str:
    """Return an uploaded file's name without what Markdown could take for more than a name: it stands in sentences."""
    return re.sub(r"[^\w .-]", "_", name)[:60]


def _take_archive(upload: UploadedFile | None) -> None:
    if upload is None:
        return
    empty("upload-own")
    into_url("own", lambda: remember_archive(upload.getvalue(), _safe_name(upload.name)))


def _drop_archive() -> None:
    st.query_params.pop("own", None)
