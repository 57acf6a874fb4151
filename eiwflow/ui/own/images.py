"""A visitor's own images that the page Checkpoint scores: an ``.npz`` archive, in the URL as ``own``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from ... import data
from ...analysis.evaluate import images_to_score
from ..common import state
from ..sources import checkpoints, data_sets, store
from .upload import Files, Upload

if TYPE_CHECKING:
    from torch import Tensor

    from ...flow import MultiScaleFlow
    from ..sources.visit import Page

#: Bytes of images that an archive may unpack to: visitors share the server's memory.
MAX_UNPACKED = 128 * 2**20
#: Values (bytes of images) that a page scores at most: 1,000 images of 3×32×32.
MAX_SCORED = 3_072_000
OWN_IMAGES = "Your own images, an .npz of uint8 (N, H, W, C); it stays on this machine."


@dataclass(frozen=True)
class Archive:
    """Images that were uploaded.

    Attributes:
        key: a hash of their file and its name.
        name: the file's.
        content: of the file.

    """

    key: str
    name: str
    content: bytes


def _archive(key: str, files: Files) -> Archive:
    ((name, content),) = files.items()
    data.images.check_parts(data.npz.read_npz(content, _shown(name), MAX_UNPACKED))
    return Archive(key, _shown(name), content)


def _shown(name: str) -> str:
    """Return a file's name for sentences, in which other characters could be Markdown."""
    return re.sub(r"[^\w .-]", "_", name)[:60]


IMAGES = Upload("images", ("npz",), 64, 4, _archive, lambda archive: len(archive.content))


def own_images() -> Archive | None:
    """Draw the uploader for a visitor's images; return those whose key is in the URL as ``own``."""
    own = st.query_params.get("own")
    archive = IMAGES.kept(own)  # once: other visitors' images may push these out meanwhile
    IMAGES.say_refusal("own", st.container())
    if own is not None:
        if archive is None:
            st.error(IMAGES.gone(own))
        st.button("Back to the data set", on_click=state.drop, args=("own",), width="stretch")
    if archive is None:
        IMAGES.draw("own", OWN_IMAGES)
    return archive


def scored(flow: MultiScaleFlow) -> int:
    """Return how many images are scored at most: a page does not wait for a large set."""
    return max(1, MAX_SCORED // flow.config.dimensions)


def as_flow_takes_them(own: Archive, page: Page) -> data_sets.Images:
    """Return a visitor's images in the shape that a flow takes: smaller images padded, larger images cut.

    For a flow that is given a class, these are the images of the class alone, if they have labels.
    They are unpacked once for all moves: 64 KiB may hold 64 MiB.
    """
    flow, factor, label = page.checkpoint.flow, page.given_factor, page.given_label
    _, classes = checkpoints.classes_of(page.file)

    def fit() -> tuple[Tensor, dict[str, Any]]:
        read = data.images.check_parts(data.npz.read_npz(own.content, own.name, MAX_UNPACKED))
        of = (factor, label) if factor in read.factors else ("", "")
        chosen = data.given_class(read, factor, label, classes) if factor else read
        fitted = data.images.pad_to_multiple(chosen, 2**flow.config.levels, flow.config.shape[1:])
        about = {"note": fitted.note, "stamp": own.key, "of": of, "sources": fitted.sources}
        labels = {name: each.test for name, each in fitted.factors.items()}
        return images_to_score(fitted, flow), about | {"factors": labels}

    key = own.key, flow.config.shape, flow.config.levels, factor, label, classes
    test, about = store.get("own", key, fit, "Reading your images …", long=True)
    return data_sets.Images(own.name, test, test, remade=False, **about)
