"""What the page Space computes, once for every checkpoint, image and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from . import loaders

if TYPE_CHECKING:
    from torch import Tensor

    from ..analysis.space import Interpolation, Samples
    from ..checkpoint import Checkpoint
    from .frame import Page

SAMPLES = 16
#: Frames of a moving picture, one way: more than a strip has room for.
MOVING_FRAMES = 25


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
