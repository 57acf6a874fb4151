"""The second image of the Space page: a test image or one's own photo, in the URL as ``b`` and ``photo_b``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from .. import data
from . import gone, loaders
from .door import empty
from .foreign import plain
from .frame import photo_door

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile
    from torch import Tensor

    from .frame import Page

#: The test image that a first visit goes to.
FIRST_OTHER_IMAGE = 24


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
    photos, photo = loaders.photos(), st.query_params.get("photo_b")
    if refused := st.session_state.pop("_refused_b", None):
        st.error(plain(refused))
    if photo is not None and photo not in photos:
        st.error(gone.photo(photo))
        st.button("Show a test image as B", on_click=_drop_photo)
        photo_door("upload-b", _take_photo)
        st.stop()
    last = len(page.images.test) - 1
    number_box, photo_box = st.columns(2, vertical_alignment="bottom")
    number = number_box.number_input(
        "Image B (A is in the side bar)",
        0,
        last,
        min(FIRST_OTHER_IMAGE, last),
        key="b",
        bind="query-params",
        disabled=photo is not None,
    )
    if photo is not None:
        photo_box.button("B back to the test images", on_click=_drop_photo, width="stretch")
        return OtherEnd(
            None, {one: loaders.photo(photos[photo], one.checkpoint.flow.config.shape) for one in _columns(page)}
        )
    with photo_box.popover("Your own photo as B", width="stretch"):
        photo_door("upload-b", _take_photo)
    return OtherEnd(
        number, {one: one.images.test[min(number, len(one.images.test) - 1)][None] for one in _columns(page)}
    )


def _columns(page: Page) -> list[Page]:
    return [page] if page.other is None else [page, page.other]


def _take_photo(upload: UploadedFile | None) -> None:
    if upload is None:
        _drop_photo()
        return
    try:
        st.query_params["photo_b"] = loaders.remember_photo(upload.getvalue())
    except data.DataError as error:
        st.session_state["_refused_b"] = f"“{upload.name[:60]}”: {error}"


def _drop_photo() -> None:
    st.query_params.pop("photo_b", None)
    empty("upload-b")
