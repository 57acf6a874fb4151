"""The second image of the Space page: a test image or one's own photo, in the URL as ``b`` and ``photo_b``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from ...analysis import OTHER_IMAGE
from ..common import state
from ..common.untrusted import plain
from ..components.thumbnails import thumbnails
from ..own import photos as own_photos
from ..own.uploader import empty, into_url, refusal
from ..sources import missing

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile
    from torch import Tensor

    from ..sources.visit import Page


@dataclass(frozen=True, eq=False)
class OtherEnd:
    """Image B.

    Attributes:
        number: of the test image; None for a photo of one's own.
        images: uint8 (1, C, H, W) as the flow takes it, for the page and for the one it is compared with.

    """

    number: int | None
    images: dict[Page, Tensor]


def other_end(page: Page) -> OtherEnd:
    """Draw the choice of image B; return it."""
    photos, photo = own_photos.photos(), st.query_params.get("photo_b")
    if sentence := refusal("photo_b"):
        st.error(plain(sentence))
    if photo is not None and photo not in photos:
        st.error(missing.photo(photo))
        st.button("Show a test image as B", on_click=_drop_photo)
        own_photos.photo_uploader("upload-b", _take_photo)
        st.stop()
    numbers = range(len(page.images.test))
    number = state.hidden_choice("b", numbers, min(OTHER_IMAGE, numbers[-1]), name="image B")
    st.caption("These choose B; those at the top choose A.")
    strip, upload = st.columns([6, 1.4], vertical_alignment="center")
    with strip:
        thumbnails(page.images.test, number, _take_number, key="thumbnails-b", label="Image B", live=photo is None)
    with upload.popover("Your own photo as B", width="stretch"):
        own_photos.photo_uploader("upload-b", _take_photo)
        if photo is not None:
            st.button("B back to the test images", on_click=_drop_photo, width="stretch")
    state.write_url({"b": str(number)})
    if photo is not None:
        return OtherEnd(
            None, {one: own_photos.photo(photos[photo], one.checkpoint.flow.config.shape) for one in _columns(page)}
        )
    return OtherEnd(
        number, {one: one.images.test[min(number, len(one.images.test) - 1)][None] for one in _columns(page)}
    )


def _take_number(number: int) -> None:
    state.set_choice("b", number)
    _drop_photo()


def _columns(page: Page) -> list[Page]:
    return [page] if page.other is None else [page, page.other]


def _take_photo(upload: UploadedFile | None) -> None:
    if upload is None:
        _drop_photo()
        return
    into_url("photo_b", lambda: own_photos.remember_photo(upload.getvalue()), upload.name)


def _drop_photo() -> None:
    st.query_params.pop("photo_b", None)
    empty("upload-b")
