"""What the pages Latents and Space compute, once for every checkpoint, image and seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from . import loaders, weight_loaders

if TYPE_CHECKING:
    from torch import Tensor

    from ..analysis.latents import Comparison, Guess, Norms, Survey, Treated, Treatment, Way
    from ..analysis.space import Interpolation, Samples
    from ..checkpoint import Checkpoint
    from .frame import Page

SAMPLES = 16
#: Frames of a moving picture, one way: more than a strip has room for.
MOVING_FRAMES = 25


# ---------------------------------------------------------------------- Latents


def halved(page: Page) -> Treated:
    """Return the image with half, three quarters, … of its numbers thrown away.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis.latents import halvings

    return _treated(page.checkpoint, page.image, halvings(page.checkpoint.flow.config.levels), page.seed)


def rows(page: Page) -> dict[str, Page]:
    """Return the page and those it is shown beside, by the checkpoint's name on the command line.

    They are the one it is compared with or, where none was chosen, the bundled ones like it: images and levels of one
    shape, one data set.
    """
    if page.other is not None:
        name = page.other.file.argument
        # Two uploads may have one name.
        unlike = name if name != page.file.argument else f"{name} ({page.other.file.key})"
        return {page.file.argument: page, unlike: page.other}
    kind, found = _kind(page.checkpoint), {page.file.argument: page}
    for file in loaders.checkpoint_files().values():
        bundled = file.path.parent == loaders.BUNDLED
        if bundled and _kind_of_file(file.path, file.path.stat().st_mtime_ns) == kind:
            found.setdefault(file.argument, replace(page, file=file, checkpoint=loaders.open_checkpoint(file)))
    return found


def short_names(rows: dict[str, Page]) -> tuple[str, ...]:
    """Return the names of rows without the word that all begin with."""
    from ..analysis import latents

    return latents.short_names(list(rows))


def halvings_table(rows: dict[str, Treated]) -> list[dict[str, Any]]:
    """Return one row a flow, by its name, and a way that the image was treated."""
    from ..analysis import latents

    return latents.halvings_table(rows)


def comparison(pages: dict[str, Page]) -> Comparison:
    """Return what throwing numbers away leaves of test images, for flows of images of one size, by name.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis.latents import SURVEY_IMAGES, compare

    surveys = {name: _survey(page.checkpoint, page.images) for name, page in pages.items()}
    sources = weight_loaders.sources(next(iter(pages.values())).images)
    return compare(surveys, None if sources is None else sources[:SURVEY_IMAGES])


def one_level(page: Page, treatment: Treatment) -> Treated:
    """Return the image with one level treated and the others kept, level by level.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis import latents

    ways = latents.one_level(page.checkpoint.flow.config.levels, treatment)
    return _treated(page.checkpoint, page.image, ways, page.seed)


def prediction(page: Page) -> Guess:
    """Return what is to be predicted of the image, and the answer.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis.latents import guess

    return guess(page.checkpoint.flow, one_level(page, "resample"))


def mixed(page: Page, way: Way) -> Treated:
    """Return the image with every level treated as the way says.

    Raises:
        NonFiniteError: with one sentence.

    """
    return _treated(page.checkpoint, page.image, (way,), page.seed)


def norms(page: Page) -> Norms:
    """Return the norms of the image's latents beside those of test images."""
    from ..analysis import latents

    return latents.norms(page.checkpoint.flow, page.image, _survey(page.checkpoint, page.images), page.seed)


@st.cache_resource(max_entries=64, show_spinner=False)
def _kind_of_file(path: Path, time: int) -> tuple[object, ...] | None:
    del time  # a new file is a new key
    from ..checkpoint import CheckpointError, load

    try:
        return _kind(load(path))
    except CheckpointError:
        return None


def _kind(checkpoint: Checkpoint) -> tuple[object, ...]:
    """Return what must agree for two checkpoints to be rows of one picture."""
    config = checkpoint.info.config
    return config.shape, config.levels, checkpoint.info.data


@st.cache_resource(max_entries=256, hash_funcs=loaders.HASHES, show_spinner=False)
def _treated(checkpoint: Checkpoint, image: Tensor, ways: tuple[Way, ...], seed: int) -> Treated:
    """Return one image after its latents were treated in several ways.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis import latents

    return latents.treat_image(checkpoint.flow, image, ways, seed)


@st.cache_resource(max_entries=32, hash_funcs=loaders.HASHES, show_spinner="Throwing away numbers of test images …")
def _survey(checkpoint: Checkpoint, images: loaders.Images) -> Survey:
    """Return what throwing numbers away leaves of the first test images.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis import latents

    return latents.survey(checkpoint.flow, images.test[: latents.SURVEY_IMAGES])


# ---------------------------------------------------------------------- Space


@st.cache_resource(max_entries=32, hash_funcs=loaders.HASHES, show_spinner=False)
def _way(checkpoint: Checkpoint, a: Tensor, b: Tensor, path: str, seed: int, frames: int) -> Interpolation:
    from ..analysis.space import interpolate

    return interpolate(checkpoint.flow, a, b, path, seed, frames)


def way(page: Page, other: Tensor, path: str) -> Interpolation:
    """Return the way from the page's image to another.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis.space import FRAMES

    return _way(page.checkpoint, page.image, other, path, page.seed, FRAMES)


def ways_in_words(ways: dict[Page, Interpolation]) -> str:
    """Return what lies between the images in a flow, or in the two that are compared."""
    from ..analysis.space import pair_in_words

    if len(ways) == 1:
        (way,) = ways.values()
        return way.in_words()
    return pair_in_words([page.file.label for page in ways], list(ways.values()))


def moving(page: Page, other: Tensor, path: str) -> bytes:
    """Return the same way as a GIF, with more frames."""
    from ..figures import space

    return space.gif(space.rows(_way(page.checkpoint, page.image, other, path, page.seed, MOVING_FRAMES)))


@st.cache_resource(max_entries=32, hash_funcs=loaders.HASHES, show_spinner=False)
def _samples(checkpoint: Checkpoint, temperatures: tuple[float, ...], seed: int) -> Samples:
    from ..analysis.space import draw

    return draw(checkpoint.flow, SAMPLES, temperatures, seed)


def samples(page: Page, temperatures: tuple[float, ...]) -> Samples:
    """Return images drawn from the flow, at one temperature a level.

    Raises:
        NonFiniteError: with one sentence.

    """
    return _samples(page.checkpoint, temperatures, page.seed)


# ---------------------------------------------------------------------- files


def latents_file(page: Page, *others: Tensor) -> bytes:
    """Return the latents of the page's image and of others, uint8 (1, C, H, W) each, as an ``.npz`` archive."""
    import torch

    from ..analysis.latents import encode, latents_npz

    flow = page.checkpoint.flow
    _, encoded = encode(flow, torch.cat([page.image, *others]), page.seed)
    return latents_npz(flow, encoded, checkpoint=page.checkpoint.sha256, seed=page.seed)
