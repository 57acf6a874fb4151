"""What pages measure, from the store: by flow, image, level, seed and study."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from ... import files
from ...analysis.record import TrainingCurve, TrainingRecord, load_curve, load_record
from ...analysis.subjects import Look, Measure
from ...study.file import Study, read_study, settings_file
from . import checkpoints, store
from .data_sets import Images
from .visit import Page

Result = TypeVar("Result")


def look(page: Page, level: int = 1) -> Look:
    """Return a page's flow and images, for measures of :mod:`eiwflow.analysis.subjects`, which the store keeps.

    Arguments:
        page: with flow, images, image and seed.
        level: from 1, for measures of a single level.

    """
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
        keep=lambda look, measure, choices: _kept(look, images, measure, choices),
    )


def _kept(look: Look, images: Images, measure: Measure[..., Any], choices: dict[str, Any]) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure from the store; averages of a large flow have seed 0."""
    kind, sentence = "test_trace" if measure.name == "test_trace" else "flow", "Measuring …"
    if look.large:
        kind, sentence = "large flow", "This flow is large. Measuring, once …"
        look = replace(look, seed=0) if measure.average else look
    key = _key(look, images, measure, choices)
    return store.get(kind, key, lambda: measure.of(look, **choices), sentence, long=measure.average)


def _key(look: Look, images: Images, measure: Measure[..., Any], choices: dict[str, Any]) -> store.Key:
    """Return the key of a result: all values that it depends on."""
    fields: dict[str, Hashable] = {
        "train": images.key,
        "test": images.key,
        "image": _bytes(look.image),
        "level": look.level,
        "seed": look.seed,
        "record": None if look.record is None else len(look.record.steps),
    }
    chosen = tuple((name, _bytes(of) if isinstance(of, Tensor) else of) for name, of in sorted(choices.items()))
    return measure.name, look.checkpoint.sha256, tuple(fields[field] for field in measure.depends_on), chosen


def _bytes(image: Tensor) -> bytes:
    return image.numpy().tobytes()


# ---------------------------------------------------------------------- trainings


def _state_of_record(page: Page) -> store.Key:
    """Return what tells a checkpoint's training record, which ends at its step, from that of a later one."""
    return str(page.file.path), files.stamp_or_zeros(page.file.path)


def record(page: Page) -> TrainingRecord | None:
    """Return the training record of the page's checkpoint, or None without one."""
    path = page.file.path
    return store.get("record", _state_of_record(page), lambda: load_record(path), "Reading the training record …")


def curve(page: Page) -> TrainingCurve | None:
    """Return the curve of the checkpoint's training, or None without a record."""
    path = page.file.path
    return store.get("curve", _state_of_record(page), lambda: load_curve(path))


def samples_in_training(page: Page) -> dict[int, bytes]:
    """Return the samples of the training, by step."""
    training = record(page)
    return {} if training is None else training.samples


# ---------------------------------------------------------------------- studies


def study(path: Path) -> Study:
    """Return the study of a file, read once for every state of it.

    Raises:
        StudyError: with one sentence.

    """
    key = path, *files.stamp_or_zeros(settings_file(path))
    return store.get("study file", key, lambda: read_study(path), "Reading the study …")


def of_study(measure: Callable[..., Result], study: Study, **choices: Hashable) -> Result:
    """Return a measure of a study, given further arguments by name."""
    key = study.sha256, study.path, measure.__name__, tuple(sorted(choices.items()))
    return store.get("study", key, lambda: measure(study, **choices))
