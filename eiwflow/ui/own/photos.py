"""Photos of one's own that pages look at instead of a test image, in the URL as ``photo`` and ``photo_b``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from ... import data
from ..common.uploads import Shelf, visitor
from .uploader import uploader

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile
    from torch import Tensor

PICTURE_SUFFIXES = ["png", "jpg", "jpeg", "webp", "bmp", "gif"]
MAX_PHOTO_MB = 32
#: Uploaded photos that the server remembers for a session, and the side they are kept at.
PHOTOS, PHOTO_SIDE = 16, 256


@st.cache_resource(show_spinner=False)
def _photos() -> Shelf[bytes]:
    return Shelf("photos", PHOTOS, len)


def photos() -> dict[str, bytes]:
    """Return the photos that the server remembers, by the hash of the file that was uploaded."""
    for key in (st.query_params.get("photo", ""), st.query_params.get("photo_b", "")):
        _photos().hold(key, visitor())  # whoever looks at it keeps it
    return dict(_photos())


def remember_photo(content: bytes) -> str:
    """Keep an uploaded photo in memory, small and without what a camera wrote into it; return its hash.

    Raises:
        DataError: it cannot be read as a picture.

    """
    key = hashlib.sha256(content).hexdigest()[:12]
    _photos().keep(key, data.png_file(data.from_picture(content, (3, PHOTO_SIDE, PHOTO_SIDE))), visitor())
    return key


def photo(content: bytes, shape: tuple[int, int, int]) -> Tensor:
    """Return a photo as a uint8 tensor (1, C, H, W) of a flow's shape."""
    return data.to_tensor(data.from_picture(content, shape)[np.newaxis])


def photo_uploader(name: str, take: Callable[[UploadedFile | None], None]) -> None:
    """Draw an uploader for a photo; see :func:`.uploader.uploader`."""
    uploader(name, "It stays on this machine.", PICTURE_SUFFIXES, MAX_PHOTO_MB, take)
