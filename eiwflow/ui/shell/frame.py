"""The frame of every page: its title, its controls in one line, its URL. Every page calls :func:`begin` first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from ... import data
from ...checkpoint import Checkpoint, CheckpointError
from ...data.registry import bundled
from ...lesson import default
from ..common import state, untrusted, way_back, window
from ..common.untrusted import distinct, plain
from ..components.thumbnails import thumbnails
from ..own import checkpoints as own_checkpoints
from ..own.photos import PHOTOS, photo_of_shape
from ..sources import checkpoints, data_sets
from ..sources.checkpoints import CheckpointFile
from ..sources.visit import Page, Visit
from . import parts

#: Checkpoint of a first visit, if available: that of the lesson.
FIRST_CHECKPOINT = default.FLOW
MAX_SEED = 2**31 - 1
#: Pixels of a choice of a flow.
WIDE = 250
PHOTO = "Your own photo; it stays on this machine. A click on a thumbnail leads back."
#: The most levels of a flow's config.
MAX_LEVELS = 6
#: The URL's word for no choice.
NOTHING = "none"
#: The uploader of a checkpoint in the frame.
MORE = "more"
LARGE = "This flow is large, so its pages measure less: see “More”."


def open_page(title: str, label: str) -> Visit:
    """Start a page that looks at no checkpoint.

    Arguments:
        title: the question that the page answers.
        label: its name in the side bar.

    """
    places, carried = _Places.drawn(title, label), st.query_params.to_dict()
    window.links(places.links, carried)
    return Visit(label, carried, _for_print(places.more))


def begin(
    title: str,
    label: str,
    *,
    level: bool = False,
    compare: bool = False,
    image: bool = True,
) -> Page:
    """Start a page that looks at a checkpoint.

    Arguments:
        title: the question that the page answers.
        label: its name in the side bar.
        level: whether it has the choice of a level.
        compare: whether it can show a second checkpoint beside the first.
        image: whether it has the choice of an image; else it is about all test images.

    """
    places = _Places.drawn(title, label)
    files = checkpoints.checkpoint_files(own_checkpoints.files(st.query_params.get(key, "") for key in ("ck", "vs")))
    untrusted.complaints(places.more, checkpoints.complaints())
    own_checkpoints.CHECKPOINTS.say_refusal(MORE, places.above)
    if not files:
        places.above.error(
            "There is no checkpoint to look at: assets/checkpoints holds no .safetensors file and no run has "
            "ended. Train one with `python -m eiwflow train`, then load this page again."
        )
        _stop(places)
    labels = {key: file.label for key, file in files.items()}
    keys = list(files)
    chosen = state.choice(
        "ck",
        keys,
        FIRST_CHECKPOINT if FIRST_CHECKPOINT in keys else keys[0],
        lambda at: places.line.selectbox("Flow", keys, at, labels.__getitem__, "ck", width=WIDE),
        "flow",
    )
    checkpoint, given = _open(files[chosen], places, choose=True)
    compared = _compared_with(labels, chosen, places, compare)
    with places.more:
        own_checkpoints.CHECKPOINTS.draw(MORE, own_checkpoints.LABEL, own_checkpoints.show)
    second = compared if compare else NOTHING
    other, second_given = None, ("", "")
    if second != NOTHING:
        other, second_given = _open(files[second], places, choose=not given[0])
    of = given if given[0] else second_given  # both columns show images of one class
    linked = st.query_params.get("ck") == chosen and "data" in st.query_params
    images = _images(checkpoint, of, places, linked)
    photo, picked = _choose_image(images, places, image)
    looked_at = _picked(photo, picked["image"], images, checkpoint.info.config.shape)
    deepest = max(opened.info.config.levels for opened in (checkpoint, other) if opened is not None)
    levels = range(1, max(2, deepest))  # the last level splits nothing
    wanted = _level(levels, places.line, level)
    seed = state.choice(
        "seed",
        range(MAX_SEED + 1),
        0,
        lambda value: places.more.number_input(
            "Seed", 0, MAX_SEED, value, key="seed", help="Draws dequantisation noise and samples."
        ),
    )
    label_of_flow = {"label": of[1]} if of[0] else {}
    carried = state.write_url(
        {"ck": chosen, "vs": compared, "data": images.name, **picked, "level": str(wanted), "seed": str(seed)}
        | label_of_flow
    )
    window.links(places.links, carried)
    for_print = _for_print(places.more)
    state.say_notes(places.above)
    page = Page(label, carried, for_print, files[chosen], checkpoint, images, looked_at, photo, seed, wanted, *given)
    return page if other is None else _beside(page, files[second], other, second_given, of, places)


class _Places(NamedTuple):
    """Where the frame draws: links, sentences under the title, the line of controls, and the popover at its end."""

    links: DeltaGenerator
    above: DeltaGenerator
    line: DeltaGenerator
    more: DeltaGenerator
    strip: DeltaGenerator

    @classmethod
    def drawn(cls, title: str, label: str) -> _Places:
        """Draw the window of a page and these places in it."""
        window.open_window(title)
        way_back.link()
        st.title(title)
        return cls(st.sidebar.container(), *parts.begin(label))


def _stop(places: _Places) -> NoReturn:
    """End the page, whose sentence says why; the ways to other pages stay."""
    window.links(places.links, st.query_params.to_dict())
    st.stop()


def _for_print(box: DeltaGenerator) -> bool:
    return box.toggle(
        "Figures for print",
        key="print",
        bind="query-params",
        help="Draws figures in light colours on white; the camera button of a figure then saves SVG instead of PNG.",
    )


def _compared_with(labels: Mapping[str, str], chosen: str, places: _Places, drawn: bool) -> str:
    """Draw the choice of a second checkpoint if the page can show one; return its key or ``none``."""
    options = [NOTHING, *(key for key in labels if key != chosen)]
    name = "second flow"
    if drawn:
        return state.choice(
            "vs",
            options,
            NOTHING,
            lambda at: places.line.selectbox(
                "Compare with", options, at, lambda key: labels.get(key, "nothing"), "vs", width=WIDE + 80
            ),
            name,
        )
    # Also for a missing checkpoint, which the page that shows it reports.
    kept = state.hidden_choice("vs", [*options, state.wanted("vs") or NOTHING], NOTHING, name)
    if kept != NOTHING:
        second = plain(labels.get(kept, kept))
        places.more.caption(f"This page shows one flow. “{second}” stands beside it on pages that compare.")
    return kept


def _level(levels: range, box: DeltaGenerator, drawn: bool) -> int:
    possible = range(1, MAX_LEVELS + 1)
    if not drawn:
        return state.hidden_choice("level", possible, 1)

    def draw() -> None:
        if len(levels) > 1:
            box.segmented_control("Level", levels, key="level", required=True)

    return state.clamped_choice("level", possible, levels, 1, draw)


def _beside(
    page: Page,
    file: CheckpointFile,
    other: Checkpoint,
    given: tuple[str, str],
    of: tuple[str, str],
    places: _Places,
) -> Page:
    """Return the page with the same page of another checkpoint, on the same image in that flow's shape."""
    shape = other.info.config.shape
    try:
        images = data_sets.images(page.images.name, shape, 2**other.info.config.levels, of)
    except data.DataError as error:
        places.above.error(plain(error))
        return page
    if images.note and images.note != page.images.note:
        places.more.caption(plain(images.note))
    if (parts := _parts(page.images, page.checkpoint)) != (others := _parts(images, other)):
        one, two = (f"“{plain(each.label)}” takes" for each in (page.file, file))
        sentence = f"Of each test image, {one} {parts} and {two} {others}: the columns compare different parts."
        places.above.info(sentence)
    image = _picked(page.photo, page.links["image"], images, shape)
    images = data_sets.few(images, other.info.config)
    factor, label = given
    second = replace(page, file=file, checkpoint=other, images=images, image=image, second=True)
    return replace(page, other=replace(second, given_factor=factor, given_label=label))


def _parts(images: data_sets.Images, checkpoint: Checkpoint) -> str:
    height, width = checkpoint.info.config.shape[1:]
    return f"a crop of {height}×{width} pixels" if images.cropped else "all of it"


def _open(file: CheckpointFile, places: _Places, *, choose: bool) -> tuple[Checkpoint, tuple[str, str]]:
    """Open a flow; if its file is broken, name it and end the page.

    For a flow with labels, return the flow of a class, which the visitor may ``choose``, with the factor and the class.
    """
    try:
        factor, classes = checkpoints.classes_of(file)
        label = _choose_label(factor, classes, places.line) if classes and choose else _label_of(file)
        return checkpoints.open_checkpoint(file, label), (factor, label)
    except CheckpointError as error:
        places.above.error(plain(error))
        _stop(places)


def _choose_label(factor: str, classes: Sequence[str], box: DeltaGenerator) -> str:
    labels = distinct({label: plain(label) for label in classes})
    return state.choice(
        "label",
        classes,
        classes[0],
        lambda at: box.selectbox(f"Given {plain(factor)}", classes, at, labels.__getitem__, "label", width=WIDE),
        factor,
    )


def _label_of(file: CheckpointFile) -> str:
    """Return the class of a second flow: the chosen class, or else its first; empty without labels."""
    _, classes = checkpoints.classes_of(file)
    label = state.wanted("label") or ""
    return label if label in classes else next(iter(classes), "")


def _images(checkpoint: Checkpoint, of: tuple[str, str], places: _Places, linked: bool) -> data_sets.Images:
    """Draw the choice of a data set; ``linked`` says whether the URL names it together with the flow."""
    names = bundled()
    if not names:
        places.above.error("There is no data set to look at: assets/data holds no .npz file.")
        _stop(places)
    config, trained_on = checkpoint.info.config, checkpoint.info.data
    default = trained_on if trained_on in names else names[0]
    # From a flow's own data set, another flow leads to that flow's data set, unless the URL names both.
    before, st.session_state["_trained_on"] = st.session_state.get("_trained_on", default), default
    if before != default and linked:
        state.read_again("data")
    elif before != default and st.session_state.get("_data") == before:
        state.set_choice("data", default)
    name = state.choice(
        "data",
        names,
        default,
        lambda at: places.more.selectbox("Data set", names, at, key="data"),
        "data set",
    )
    try:
        images = data_sets.images(name, config.shape, 2**config.levels, of)
    except data.DataError as error:
        places.above.error(plain(error))
        _stop(places)
    images = data_sets.few(images, config)
    if checkpoints.is_large(config):
        places.above.caption(LARGE)
    if images.note:
        places.more.caption(plain(images.note))
    if trained_on != name:
        places.more.caption(f"The checkpoint was trained on {plain(trained_on, 80) or 'unnamed images'}.")
    return images


def _choose_image(images: data_sets.Images, places: _Places, drawn: bool) -> tuple[bytes | None, dict[str, str]]:
    """Return the visitor's photo, None for a test image, and the URL's parameters; draw their choice if ``drawn``."""
    key = state.wanted("photo") or NOTHING
    content = PHOTOS.kept(key)  # read once: the server may forget it meanwhile
    PHOTOS.say_refusal("photo", places.above)
    photo = state.hidden_choice("photo", [NOTHING] if content is None else [NOTHING, key], NOTHING)
    own = photo != NOTHING
    numbers = range(len(images.test))
    number = state.hidden_choice("image", numbers, min(default.SHOWN[0], numbers[-1]), name="test image")
    photograph = content if own else None
    if drawn:
        with places.strip:
            _strip(images, number, photograph)
        with places.more:
            PHOTOS.draw("photo", PHOTO, _take_photo)
    return photograph, {"image": str(number), "photo": photo}


def image_strip(page: Page) -> None:
    """Draw the choice of a test image where a page wants it, which begins without one."""
    _strip(page.images, page.number, page.photo)


def _strip(images: data_sets.Images, number: int, own: bytes | None) -> None:
    thumbnails(images.test, number, _take_image, key="thumbnails", label="Test image", own=own)


def _picked(photo: bytes | None, image: str, images: data_sets.Images, shape: tuple[int, int, int]) -> Tensor:
    """Return a photo, or else the test image of this number, in a flow's shape."""
    if photo is not None:
        return photo_of_shape(photo, shape)
    return images.picture(int(image))


def _take_photo(key: str) -> None:
    state.set_choice("photo", key)


def _take_image(number: int) -> None:
    state.set_choice("image", number)
    state.set_choice("photo", NOTHING)
