"""What the page Weights computes, once for every checkpoint, image, level and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from .. import data
from . import loaders
from .columns import compared

if TYPE_CHECKING:
    from torch import Tensor

    from ..analysis.channels import Ablation, EnergyGradient, Reach, Resampling
    from ..analysis.weights import Channels, ChannelWeights
    from ..analysis.weights_pair import WeightsPair
    from ..checkpoint import Checkpoint
    from .frame import Page

#: So many channels are chosen from side by side, half as many in a column; more from a list.
SIDE_BY_SIDE = 24


def asked(label: str, page: Page, level: int) -> bool:
    """Draw a button for what takes seconds; return whether it was asked for, now or before, in this session."""
    answered = st.session_state.setdefault("_asked", set())
    question = label, page.checkpoint.sha256, page.images.name, level
    if question not in answered:
        st.button(
            label, help="Takes a few seconds.", on_click=answered.add, args=(question,), key=page.key(f"ask {label}")
        )
    return question in answered


def channel(page: Page, weights: ChannelWeights) -> int:
    """Draw the choice of a channel; return its number. First the emitted one whose weight differs most over images."""
    first = weights.kept + (int(weights.std[weights.kept :].argmax()) if weights.has_weights else 0)
    label, key = "Channel, in order of position: kept ones first", page.key("channel")
    if len(weights.order) > (SIDE_BY_SIDE // 2 if compared(page) else SIDE_BY_SIDE):
        return st.selectbox(label, weights.order, index=first, key=key, bind="query-params")
    usual = weights.order[first]
    return st.segmented_control(label, weights.order, default=usual, required=True, key=key, bind="query-params")


@st.cache_resource(max_entries=64, hash_funcs=loaders.HASHES, show_spinner=False)
def weights(checkpoint: Checkpoint, images: loaders.Images, image: Tensor, level: int, seed: int) -> ChannelWeights:
    """Return the weights of a level for one image, beside those of test images.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis.weights import channel_weights

    averages = _averages(checkpoint, images, level)
    return channel_weights(checkpoint.flow, image, averages, level, seed, sources(images))


def pair(page: Page, first: ChannelWeights, second: ChannelWeights) -> WeightsPair:
    """Return what can be said of the weights of the page's checkpoint and of the one it is compared with."""
    from ..analysis.weights_pair import WeightsPair

    assert page.other is not None  # there is another flow's weights
    return WeightsPair((page.file.label, page.other.file.label), first, second)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Weighing test images …")
def _averages(checkpoint: Checkpoint, images: loaders.Images, level: int) -> Channels:
    from ..analysis.weights import IMAGES, measure

    return measure(checkpoint.flow, images.test[:IMAGES], level)


def sources(images: loaders.Images) -> tuple[int, ...] | None:
    """Return the photograph that each test image was cut from, or None where that is not known."""
    return _sources(images.name, len(images.test))


@st.cache_resource(max_entries=4, show_spinner=False)
def _sources(name: str, count: int) -> tuple[int, ...] | None:
    found = data.load(name, download=False).test_source
    # Images that were made to fit a flow may be a selection.
    return None if found is None or len(found) != count else tuple(np.asarray(found).tolist())


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Holding each weight at its mean …")
def ablation(checkpoint: Checkpoint, images: loaders.Images, level: int) -> Ablation:
    """Return what each weight of a level is worth."""
    from ..analysis.channels import ablate

    return ablate(checkpoint.flow, images.test, level, sources=sources(images))


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Drawing each channel anew …")
def reach(checkpoint: Checkpoint, images: loaders.Images, level: int) -> Reach:
    """Return how much the image changes with each emitted channel.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis import channels

    return channels.reach(checkpoint.flow, images.test, level, sources=sources(images))


@st.cache_resource(max_entries=128, hash_funcs=loaders.HASHES, show_spinner=False)
def gradient(checkpoint: Checkpoint, image: Tensor, level: int, channel: int, seed: int) -> EnergyGradient:
    """Return which pixels a channel's energy listens to."""
    from ..analysis.channels import energy_gradient

    return energy_gradient(checkpoint.flow, image, level, channel, seed)


@st.cache_resource(max_entries=128, hash_funcs=loaders.HASHES, show_spinner=False)
def resampling(
    checkpoint: Checkpoint, image: Tensor, level: int, channel: int, seed: int, zeroed: bool, frozen: bool
) -> Resampling:
    """Return the image after an emitted channel was drawn anew, or set to zero.

    Raises:
        NonFiniteError: with one sentence.

    """
    from ..analysis.channels import resample_channel

    return resample_channel(checkpoint.flow, image, level, channel, seed, zeroed, frozen)


def pixels(images: loaders.Images) -> np.ndarray:
    """Return the test images that averages are over as bytes (N, H, W, C)."""
    from ..analysis.levels import to_pixels
    from ..analysis.weights import IMAGES

    return to_pixels(images.test[:IMAGES])


def short_table(weights: ChannelWeights) -> list[dict[str, object]]:
    """Return the columns of the table that a page has room for."""
    names = {
        "channel": "channel",
        "part": "part",
        "log_weight_nats": "log ω",
        "log_weight_minus_mean_nats": "minus the mean",
        "log_weight_std_nats": "spread over images",
        "log_std_nats": "log σ",
        "redundancy_nats_per_pixel": "J",
        "redundancy_mean_nats_per_pixel": "J, mean",
        "entropy_rate_mean_nats_per_pixel": "Ĥ, mean",
        "pearson_minus_log_weight_log_std": "r of −log ω with log σ",
    }
    return [{head: row[name] for name, head in names.items() if name in row} for row in weights.table()]
