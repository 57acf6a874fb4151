"""A strip of images to choose from, by mouse, by touch, or by the arrow keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from ....figures.pixels import data_uri, file_uri
from .. import declare, sent

if TYPE_CHECKING:
    from torch import Tensor

#: Images shown at once.
AT_ONCE = 16

_component = declare("thumbnails", '<div class="thumbnails"></div>')


def thumbnails(
    images: Tensor,
    chosen: int,
    choose: Callable[[int], None],
    key: str,
    label: str,
    own: bytes | None = None,
    names: Sequence[str] = (),
) -> None:
    """Draw the strip around the chosen image.

    Arguments:
        images: uint8 (N, C, H, W).
        chosen: number of the chosen image, from 0, or -1.
        choose: called with the number of an image when the visitor chooses it.
        key: of the element.
        label: names the choice for screen readers.
        own: a PNG file of the visitor's, which is shown first and is the chosen one instead.
        names: shown under the images, which are then larger.

    """
    page_key = f"_{key}_page"
    if st.session_state.get(f"_{key}_chosen") != chosen:  # chosen elsewhere: bring it into view
        st.session_state[page_key] = max(chosen, 0) // AT_ONCE
        st.session_state[f"_{key}_chosen"] = chosen
    pages = -(-len(images) // AT_ONCE)
    first = AT_ONCE * (min(st.session_state.get(page_key, 0), pages - 1))
    strip = images[first : first + AT_ONCE].permute(0, 2, 3, 1).numpy()

    def picked() -> None:
        if (number := sent(key, "picked")) is not None:
            st.session_state[f"_{key}_chosen"] = int(number)
            choose(int(number))

    def turned() -> None:
        if (page := sent(key, "page")) is not None:
            st.session_state[page_key] = int(page) % pages

    _component(
        key=key,
        data={
            "sheet": data_uri(np.concatenate(list(strip), axis=1)),
            "first": first,
            "shown": len(strip),
            "total": len(images),
            "page": first // AT_ONCE,
            "chosen": chosen if own is None else -1,
            "own": "" if own is None else file_uri(own, "png"),
            "label": label,
            "names": tuple(names[first:]),  # for a list Streamlit imports pandas
        },
        on_picked_change=picked,
        on_page_change=turned,
    )
