"""What the page Shuffle computes, once for every checkpoint, image, level and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from . import loaders, weight_loaders

if TYPE_CHECKING:
    from torch import Tensor

    from ..analysis.levels import LevelFacts
    from ..analysis.partitions import Deals
    from ..analysis.record import TrainingRecord
    from ..analysis.shuffle import HalvesBySteps, ShuffleReport
    from ..checkpoint import Checkpoint
    from ..flow.multiscale import Trace
    from .frame import Page

#: Words of a heading that are not written as in a file.
SPELT = {"psnr": "PSNR", "db": "dB", "rms": "RMS", "kendall": "Kendall’s", "tau": "τ"}


def record(page: Page) -> TrainingRecord | None:
    """Return the training record of the page's checkpoint, or None where there is none."""
    from ..analysis.record import record_folder

    path = page.file.path
    lines = record_folder(path) / "metrics.jsonl"
    return _record(path, lines.stat().st_mtime_ns) if lines.is_file() else None


@st.cache_resource(max_entries=4, show_spinner="Reading the training record …")
def _record(path: Path, time: int) -> TrainingRecord | None:
    del time  # a record that goes on is a new key
    from ..analysis.record import load_record

    return load_record(path)


def report(page: Page, level: int) -> ShuffleReport:
    """Return what the permutation of a level moves.

    Raises:
        NonFiniteError: with one sentence.

    """
    found = record(page)
    until = None if found is None else int(found.steps[-1])
    return _report(page.checkpoint, page.images, page.image, level, page.seed, until, found)


@st.cache_resource(max_entries=64, hash_funcs=loaders.HASHES, show_spinner=False)
def _report(
    checkpoint: Checkpoint,
    images: loaders.Images,
    image: Tensor,
    level: int,
    seed: int,
    until: int | None,
    _record: TrainingRecord | None,
) -> ShuffleReport:
    del until  # the last step of the record stands for all of it
    from ..analysis import levels, shuffle

    trace, (looked_at,) = _trace(checkpoint, images), levels.traces(checkpoint.flow, image, seed)
    sources = weight_loaders.sources(images)
    known = None if sources is None else sources[: len(trace.x)]
    return shuffle.shuffle_report(trace, level, checkpoint.flow.config.order, _record, looked_at, seed, known)


def samples(page: Page) -> dict[int, bytes]:
    """Return the samples that the training drew on its way, by step."""
    found = record(page)
    return {} if found is None else found.samples


def facts(page: Page, level: int) -> LevelFacts:
    """Return what a level does with the same test images, weights among it."""
    return _facts(page.checkpoint, page.images)[level - 1]


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner=False)
def _facts(checkpoint: Checkpoint, images: loaders.Images) -> tuple[LevelFacts, ...]:
    from ..analysis import levels

    return levels.level_facts(_trace(checkpoint, images))


@st.cache_resource(max_entries=4, hash_funcs=loaders.HASHES, show_spinner="Looking at test images …")
def _trace(checkpoint: Checkpoint, images: loaders.Images) -> Trace:
    from ..analysis import levels

    return levels.trace_of_test_images(checkpoint.flow, images.test)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Initialising a flow …")
def halves_by_steps(checkpoint: Checkpoint, images: loaders.Images, seed: int) -> HalvesBySteps:
    """Return which half of level 1's channels holds the structure, by the number of steps."""
    from ..analysis import shuffle

    return shuffle.halves_by_steps(checkpoint.flow.config, images.reference, seed)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Initialising a flow …")
def deals(checkpoint: Checkpoint, images: loaders.Images, level: int, seed: int) -> Deals:
    """Return what a level's couplings would see of what its channels tell of each other, deal by deal."""
    from ..analysis.partitions import deals as found

    return found(checkpoint.flow.config, images.reference, level, seed)


def summaries(page: Page) -> list[dict[str, Any]]:
    """Return one row a level that splits."""
    return [report(page, level).summary() for level in range(1, page.checkpoint.info.config.levels)]


def readable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with headings that wrap, in the field's spelling."""
    return [
        {" ".join(SPELT.get(word, word) for word in name.split("_")): value for name, value in row.items()}
        for row in rows
    ]
