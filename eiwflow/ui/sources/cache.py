"""Cached measures for pages, by flow, image, level, seed and study: the only cached entry to ``analysis``."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ... import files
from .. import access
from . import checkpoints, child
from .measured import Measured
from .places import DRAWING
from .results import results

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...analysis.progress import Progress
    from ...analysis.record import TrainingCurve, TrainingRecord
    from ...analysis.subjects import Look
    from ...checkpoint import Checkpoint
    from ...study.file import Study
    from .data_sets import Images
    from .visit import Page

#: Samples drawn from a flow.
SAMPLES = 8


def measure(page: Page, *level: int, **choices: Any) -> Measured:  # noqa: ANN401 (each measure has choices of its own)
    """Return the measures of a page's flow and images: ``measure(page).passage`` is made when it is first read.

    Arguments:
        page: with flow, images, image and seed.
        level: from 1, for measures of a single level.
        choices: further arguments of the measure.

    """
    return Measured(look(page, *level), choices)


def look(page: Page, level: int = 1) -> Look:
    """Return a page's flow and images as a look."""
    from ...analysis.subjects import Look

    images = page.images
    return Look(
        checkpoint=page.checkpoint,
        data=images.name,
        train=images.reference,
        test=images.test,
        sources=images.sources,
        image=page.image,
        level=level,
        seed=page.seed,
        record=record(page),
        factors=images.factors,
        takes_first=images.takes_first,
        large=checkpoints.is_large(page.checkpoint.info.config),
        keep=lambda look, name, choices: kept(look, images, name, choices),
    )


def _state_of_record(page: Page) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Return what tells a checkpoint's training record from that of a later step or of a longer training."""
    from ...analysis.record import record_folder

    path = page.file.path
    return str(path), files.stamp_or_zeros(path), files.stamp_or_zeros(record_folder(path) / "metrics.jsonl")


_BY_RECORD: dict[str | type[Any], Callable[[Any], Any]] = {"eiwflow.ui.sources.visit.Page": _state_of_record}


@st.cache_resource(max_entries=4, show_spinner="Reading the training record …", hash_funcs=_BY_RECORD)
def record(page: Page) -> TrainingRecord | None:
    """Return the training record of the page's checkpoint, or None without one."""
    from ...analysis.record import load_record

    return load_record(page.file.path)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_RECORD)
def curve(page: Page) -> TrainingCurve | None:
    """Return the curve of the checkpoint's training, or None without a record."""
    from ...analysis.record import load_curve

    return load_curve(page.file.path)


def samples_in_training(page: Page) -> dict[int, bytes]:
    """Return the samples of the training, by step."""
    training = record(page)
    return {} if training is None else training.samples


def samples(checkpoint: Checkpoint, seed: int) -> np.ndarray:
    """Return images (N, H, W, C) uint8 drawn from a flow at its own temperature, the same as the command ``sample``.

    Raises:
        NonFiniteError: with one sentence.

    """
    key = checkpoint.sha256, seed
    return results().at_once(
        "samples", key, lambda: _samples(checkpoint, seed), among=DRAWING, sentence="Drawing samples …"
    )


def _samples(checkpoint: Checkpoint, seed: int) -> np.ndarray:
    import torch

    from ...flow import quantise

    generator = torch.Generator().manual_seed(seed)
    x = checkpoint.flow.sample(SAMPLES, checkpoint.info.temperature, generator)
    return pixels(quantise(x, checkpoint.flow.config.bits))


def pixels(images: Tensor) -> np.ndarray:
    """Return uint8 images (N, C, H, W) as pictures (N, H, W, C)."""
    from ...analysis.levels import to_pixels

    return to_pixels(images)


# ---------------------------------------------------------------------- studies


def study(path: Path) -> Study:
    """Return the study of a file, read once for every state of it.

    Raises:
        StudyError: with one sentence.

    """
    from ...study.file import settings_file

    return _study(path, *files.stamp_or_zeros(settings_file(path)))


def of_study(study: Study, name: str, **choices: Hashable) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure of ``study.measures.MEASURES`` of a study.

    Args:
        study: to measure.
        name: of the measure.
        choices: further arguments of the measure.

    """
    from ...study.measures import MEASURES

    key = study.sha256, study.path, name, tuple(sorted(choices.items()))
    return results().at_once("study", key, lambda: MEASURES[name](study, **choices))


@st.cache_resource(max_entries=64, show_spinner=False)
def _study(path: Path, changed: int, size: int) -> Study:
    del changed, size  # a rewritten file has a new key
    from ...study.file import read_study

    return read_study(path)


# ---------------------------------------------------------------------- keeping


def clear() -> None:
    """Forget all results."""
    results().clear()


def forget() -> None:
    """Forget results, records and studies."""
    clear()
    for kept in (record, curve, _study):
        kept.clear()


def kept(look: Look, images: Images, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure from the store of results, or make it.

    Averages of a large flow have seed 0.
    """
    from ...analysis.subjects import MEASURES
    from ...flow.score import activation_bytes, images_at_once

    measure = MEASURES[name]
    shared = {choice: value for choice, value in choices.items() if choice == "other"}

    def first() -> dict[str, Any]:
        return {need: kept(look, images, need, shared) for need in measure.needs}

    config = look.checkpoint.info.config
    if not checkpoints.is_large(config):
        kind, key = "test_trace" if name == "test_trace" else "flow", _key(look, images, name, choices)
        needed = activation_bytes(config) * (images_at_once(config) if measure.average else 1)
        return results().at_once(kind, key, lambda: measure.of(look, **choices), measure.average, first, needed)
    needed_results = first()
    look = replace(look, seed=0 if measure.average else look.seed, known=needed_results, keep=None)
    # With other visitors, long work is done in a child that ends with the tab. Starting a child takes longer than a
    # move of most large flows.
    long = measure.average or checkpoints.is_slow(config)
    session, in_child = child.session(), long and bool(access.settings().mode)

    def make(progress: Progress) -> Any:  # noqa: ANN401 (as the measure)
        if in_child:
            return child.measure(look, name, choices, progress, session)
        return look.measure(name, **choices)

    line = st.empty()
    try:
        return results().beside("large flow", _key(look, images, name, choices), make, measure.average, line)
    finally:
        line.empty()


def _key(look: Look, images: Images, name: str, choices: dict[str, Any]) -> tuple[Hashable, ...]:
    """Return the key of a result: all values that it depends on."""
    from ...analysis.subjects import MEASURES

    fields: dict[str, Hashable] = {
        "train": images.key,
        "test": images.key,
        "image": _bytes(look.image),
        "level": look.level,
        "seed": look.seed,
        "record": None if look.record is None else len(look.record.steps),
    }
    depends_on = tuple(fields[field] for field in MEASURES[name].depends_on)
    chosen = tuple((choice, _hashable(value)) for choice, value in sorted(choices.items()))
    return name, look.checkpoint.sha256, depends_on, chosen


def _hashable(value: Any) -> Hashable:  # noqa: ANN401
    return _bytes(value) if hasattr(value, "numpy") else value


def _bytes(image: Tensor) -> bytes:
    return image.numpy().tobytes()
