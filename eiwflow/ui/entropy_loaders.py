"""What the page Entropy computes, once for every checkpoint, data set and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from . import loaders, shuffle_loaders, weight_loaders

if TYPE_CHECKING:
    from ..analysis.entropy import Account, Entropies, Growth, Leakage, SelfTest
    from ..checkpoint import Checkpoint
    from .frame import Page


def entropies(page: Page) -> Entropies:
    """Return what stays and what leaves at every level, over test images.

    Raises:
        DataError: there are too few test images.
        NonFiniteError: with one sentence.

    """
    return _entropies(page.checkpoint, page.images, page.seed)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Measuring entropies …")
def _entropies(checkpoint: Checkpoint, images: loaders.Images, seed: int) -> Entropies:
    from ..analysis import entropy

    return entropy.entropies(checkpoint.flow, images.test, seed, weight_loaders.sources(images))


def account(page: Page) -> Account:
    """Return the log-det account over the same images."""
    return _account(page.checkpoint, page.images, page.seed)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Adding up log-determinants …")
def _account(checkpoint: Checkpoint, images: loaders.Images, seed: int) -> Account:
    from ..analysis import entropy

    return entropy.account(checkpoint.flow, images.test, seed)


def self_tests(page: Page) -> tuple[SelfTest, ...]:
    """Return what the estimators read of N(0, I) in the sizes of the page's levels."""
    return _self_tests(page.checkpoint, page.images, page.seed)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Measuring noise …")
def _self_tests(checkpoint: Checkpoint, images: loaders.Images, seed: int) -> tuple[SelfTest, ...]:
    from ..analysis import entropy

    return entropy.self_test(_entropies(checkpoint, images, seed), seed=seed)


def self_test_table(tests: tuple[SelfTest, ...]) -> list[dict[str, str]]:
    """Return what is right, and below it what was read at each level."""
    from ..analysis.entropy import OF_NOISE, SYMBOLS

    right = {SYMBOLS[name]: f"{value:.4f}" if value else "0" for name, value in OF_NOISE.items()}
    read = [{"": f"level {test.number}", **test.cells()} for test in tests]
    return [{"": "right", **right}, *read]


def leakage(page: Page) -> str:
    """Return how much J a field loses that is cut to the sizes of the page's levels, in words."""
    from ..analysis import entropy

    losses = _leakages(page.checkpoint, page.images, page.seed)
    return entropy.leakage_in_words(losses) if losses else ""


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner=False)
def _leakages(checkpoint: Checkpoint, images: loaders.Images, seed: int) -> tuple[Leakage, ...]:
    from ..analysis import entropy

    return entropy.leakages(_entropies(checkpoint, images, seed))


def growth(page: Page) -> Growth | None:
    """Return how entropies grew over the training, or None where nothing was recorded."""
    from ..analysis import entropy

    record = shuffle_loaders.record(page)
    return None if record is None else entropy.growth(record)


def samples(page: Page) -> dict[int, bytes]:
    """Return the samples that the training drew on its way, by step."""
    return shuffle_loaders.samples(page)
