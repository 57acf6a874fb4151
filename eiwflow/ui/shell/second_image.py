"""The second image of the page Latents: a test image or a visitor's photo, in the URL as ``b`` and ``photo_b``."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from ...analysis import OTHER_IMAGE
from ..common import state
from ..components.thumbnails import thumbnails
from ..own.photos import PHOTOS, photo_of_shape
from ..sources.visit import Page


@dataclass(frozen=True, eq=False)
class OtherEnd:
    """Image B.

    Attributes:
        number: of the test image; None for a photo.
        images: uint8 (1, C, H, W) in the flow's shape, for the page and its compared page.

    """

    number: int | None
    images: dict[Page, Tensor]


def other_end(page: Page) -> OtherEnd:
    """Draw the choice of image B, and return it."""
    photo = st.query_params.get("photo_b")
    content = PHOTOS.kept(photo)
    PHOTOS.say_refusal("photo_b", st.container())
    if photo is not None and content is None:
        st.info(PHOTOS.gone(photo))
    numbers = range(len(page.images.test))
    usual = min(OTHER_IMAGE, numbers[-1])
    number = state.hidden_choice("b", numbers, usual, name="image B")
    name, strip, upload = st.columns([0.2, 5.6, 1.8], vertical_alignment="center")
    name.markdown("**B**")
    with strip:
        thumbnails(page.images.test, number, _take_number, key="thumbnails-b", label="Image B", own=content)
    with upload.popover("Your own photo as B", width="stretch"):
        PHOTOS.draw("photo_b")
        if photo is not None:
            st.button("B back to the test images", on_click=state.drop, args=("photo_b",), width="stretch")
    state.write_unusual("b", str(number), str(usual))
    columns = [page] if page.other is None else [page, page.other]
    if content is not None:
        return OtherEnd(
            None, {column: photo_of_shape(content, column.checkpoint.flow.config.shape) for column in columns}
        )
    return OtherEnd(number, {column: column.images.picture(number) for column in columns})


def _take_number(number: int) -> None:
    state.set_choice("b", number)
    state.drop("photo_b")
