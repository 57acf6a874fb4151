"""The frame of every page: its title, its side bar, its URL. Every page calls :func:`begin` first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from .. import data
from . import loaders, navigation, state, texts

if TYPE_CHECKING:
    from torch import Tensor

    from ..checkpoint import Checkpoint

STYLE = loaders.ROOT / "assets" / "style"
PICTURE_SUFFIXES = ["png", "jpg", "jpeg", "webp", "bmp", "gif"]
MAX_PHOTO_MB = 32
#: What a first visit shows, where it is there.
FIRST_CHECKPOINT, FIRST_IMAGE = "photos32-weighted", 13
MAX_SEED = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Page:
    """What the side bar has chosen.

    Attributes:
        label: the page's name in the side bar.
        checkpoint: the flow, and what its file says.
        argument: names the checkpoint on the command line.
        images: the data set in the flow's shape.
        image: uint8 (1, C, H, W), the image looked at.
        seed: of its dequantisation and of samples.
        links: what links to other pages carry in their URL.
        lesson: whether the page is shown to a hall.

    """

    label: str
    checkpoint: Checkpoint
    argument: str
    images: loaders.Images
    image: Tensor
    seed: int
    links: dict[str, str]
    lesson: bool

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file: it says from which checkpoint and seed it is."""
        return f"eiwflow-{self.label.lower()}-{what}-{self.checkpoint.sha256[:8]}-seed{self.seed}.{suffix}"


def begin(title: str, label: str) -> Page:
    """Start the page called ``label`` in the side bar; ``title`` is the question it answers."""
    st.set_page_config(page_title=title, page_icon=str(STYLE / "icon.png"), layout="wide")
    st.html(STYLE / "page.css")
    lesson = st.query_params.get("lesson") == "1"
    if lesson:
        st.html(STYLE / "lesson.css")
    st.title(title)
    links, box = st.sidebar.container(), st.sidebar
    above = st.container()  # sentences about what is missing stand under the title, but are known later
    loaders.engine()

    files = loaders.checkpoint_files()
    if not files:
        _links(links, st.query_params.to_dict())
        above.error(
            "There is no checkpoint to look at: assets/checkpoints holds no .safetensors file and no run is "
            "finished. Train one with `python -m eiwflow train`, then load this page again."
        )
        st.stop()
    keys = list(files)
    chosen = state.choice(
        "ck",
        keys,
        FIRST_CHECKPOINT if FIRST_CHECKPOINT in keys else keys[0],
        lambda: box.selectbox("Checkpoint", keys, format_func=lambda key: files[key].label, key="ck"),
        name="the checkpoint",
    )
    checkpoint, file = _open_or_another(files, chosen, above)
    images = _images(checkpoint, box, above)
    image, picked = _image(checkpoint.info.config.shape, images, box)
    seeds = range(MAX_SEED + 1)
    seed = state.choice(
        "seed",
        seeds,
        0,
        lambda: box.number_input(
            "Seed", 0, MAX_SEED, key="seed", help="Draws the dequantisation noise and the samples."
        ),
    )
    carried = state.write_url({"ck": chosen, "data": images.name, **picked, "seed": str(seed)})
    _links(links, carried)
    with box.expander("About EIW-Flow"):
        st.markdown(texts.ABOUT)
    for sentence in state.notes():
        above.info(sentence)
    return Page(label, checkpoint, file.argument, images, image, seed, carried, lesson)


def _links(links: DeltaGenerator, carried: dict[str, str]) -> None:
    for group, entries in groupby(navigation.pages(), key=lambda entry: entry.group):
        links.caption(group)
        for entry in entries:
            links.page_link(entry.path, label=entry.label, query_params=carried)


def _open_or_another(
    files: dict[str, loaders.CheckpointFile], chosen: str, above: DeltaGenerator
) -> tuple[Checkpoint, loaders.CheckpointFile]:
    from ..checkpoint import CheckpointError

    problems = []
    for key in sorted(files, key=lambda key: key != chosen):
        try:
            checkpoint = loaders.open_checkpoint(files[key])
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if problems:
            above.error(f"{problems[0]} Showing {files[key].label} instead.")
        return checkpoint, files[key]
    for problem in problems:
        above.error(problem)
    above.info("No checkpoint can be opened. Train one with `python -m eiwflow train`, then load this page again.")
    st.stop()


def _images(checkpoint: Checkpoint, box: DeltaGenerator, above: DeltaGenerator) -> loaders.Images:
    names = loaders.data_sets()
    if not names:
        above.error("There is no data set to look at: assets/data holds no .npz file.")
        st.stop()
    config, trained_on = checkpoint.info.config, checkpoint.info.data
    default = trained_on if trained_on in names else names[0]
    name = state.choice("data", names, default, lambda: box.selectbox("Data set", names, key="data"), "the data set")
    try:
        images = loaders.images(name, config.shape, 2**config.levels)
    except data.DataError as error:
        above.error(str(error))
        st.stop()
    if images.note:
        box.caption(images.note)
    if trained_on != name:
        box.caption(f"The checkpoint was trained on {trained_on or 'unnamed images'}.")
    return images


def _image(shape: tuple[int, int, int], images: loaders.Images, box: DeltaGenerator) -> tuple[Tensor, dict[str, str]]:
    """Draw the choice of an image; return it, and what stands for it in the URL."""
    photos = loaders.photos()
    photo = state.hidden_choice("photo", ["none", *photos], "none", name="the photo")
    own = photo != "none"
    numbers = range(len(images.test))
    number = state.choice(
        "image",
        numbers,
        min(FIRST_IMAGE, numbers[-1]),
        lambda: box.number_input("Test image", 0, numbers[-1], key="image", disabled=own),
        name="test image",
    )
    with box.expander("Your own photo", expanded=own):
        # A new key empties the uploader.
        key = f"upload-{st.session_state.setdefault('_uploads', 0)}"
        st.file_uploader(
            "It stays on this machine.",
            PICTURE_SUFFIXES,
            key=key,
            on_change=_take_photo,
            args=(key,),
            max_upload_size=MAX_PHOTO_MB,
        )
        if own:
            st.button("Back to the test images", on_click=_drop_photo, width="stretch")
    picked = {"image": str(number), "photo": photo}
    return (loaders.photo(photos[photo], shape) if own else images.test[number : number + 1]), picked


def _take_photo(key: str) -> None:
    upload = st.session_state[key]
    if upload is None:
        _drop_photo()
        return
    try:
        state.set_choice("photo", loaders.remember_photo(upload.getvalue()))
    except data.DataError:
        formats = ", ".join(data.picture.FORMATS)
        state.note(
            f"“{upload.name[:60]}” cannot be read as a picture; it must be {formats} of at most "
            f"{data.picture.MAX_PIXELS:,} pixels."
        )


def _drop_photo() -> None:
    state.set_choice("photo", "none")
    st.session_state["_uploads"] += 1
