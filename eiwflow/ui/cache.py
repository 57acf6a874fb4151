"""What pages measure, once for every flow, image, level, seed and study: the only cached entry to ``analysis``."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from .. import files
from . import loaders

if TYPE_CHECKING:
    from torch import Tensor

    from ..analysis.record import TrainingRecord
    from ..analysis.subjects import Look
    from ..study.file import Study
    from .frame import Page

#: Results that are kept; a trace of all test images is large, so few of those.
RESULTS, LARGE_RESULTS = 512, 4
LARGE = ("test_trace",)


def measure(page: Page, name: str, level: int | None = None, **choices: Any) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure of ``analysis.subjects.MEASURES`` for what a page looks at.

    Arguments:
        page: whose flow, images, image and seed are looked at.
        name: of the measure.
        level: from 1, where the measure is of one level.
        choices: what else it is asked for.

    Raises:
        NonFiniteError: the flow gives a value that is not finite.
        DataError: there are too few images.

    """
    return look(page, level or 1).measure(name, **choices)


def look(page: Page, level: int = 1) -> Look:
    """Return a page's flow and images, as measures take them."""
    from ..analysis.subjects import Look

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
        keep=lambda look, name, choices: _kept(look, images, name, choices),
    )


def record(page: Page) -> TrainingRecord | None:
    """Return the training record of the page's checkpoint, or None where there is none."""
    from ..analysis.record import record_folder

    lines = record_folder(page.file.path) / "metrics.jsonl"
    return _record(page.file.path, *files.stamp(lines)) if lines.is_file() else None


@st.cache_resource(max_entries=4, show_spinner="Reading the training record …")
def _record(path: Path, time: int, size: int) -> TrainingRecord | None:
    del time, size  # a record that goes on is a new key
    from ..analysis.record import load_record

    return load_record(path)


def samples_in_training(page: Page) -> dict[int, bytes]:
    """Return the samples that the training drew on its way, by step."""
    found = record(page)
    return {} if found is None else found.samples


# ---------------------------------------------------------------------- studies


def study(path: Path) -> Study:
    """Return the study of a file, read once for every state of it.

    Raises:
        StudyError: with one sentence.

    """
    from ..study.file import settings_file

    try:
        state = files.stamp(settings_file(path))
    except OSError:
        state = 0, 0  # reading it says what is wrong
    return _study(path, *state)


def of_study(study: Study, name: str, **choices: Hashable) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure of ``study.measures.MEASURES`` of a study.

    Args:
        study: that is looked at.
        name: of the measure.
        choices: what else it is asked for.

    """
    return _of_study((study.sha256, study.path, name, tuple(sorted(choices.items()))), study, name, choices)


@st.cache_resource(max_entries=64, show_spinner=False)
def _study(path: Path, time: int, size: int) -> Study:
    del time, size  # a file that was written again is a new key
    from ..study.file import read_study

    return read_study(path)


@st.cache_resource(max_entries=RESULTS, show_spinner=False)
def _of_study(key: tuple[Hashable, ...], _study: Study, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ..study.measures import MEASURES

    del key
    return MEASURES[_name](_study, **_choices)


# ---------------------------------------------------------------------- keeping


def clear() -> None:
    """Forget what was measured."""
    _small.clear()
    _large.clear()
    _of_study.clear()


def _kept(look: Look, images: loaders.Images, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ..analysis.subjects import MEASURES

    steps = None if look.record is None else len(look.record.steps)
    fields: dict[str, Hashable] = {
        "train": images.key,
        "test": images.key,
        "image": _bytes(look.image),
        "level": look.level,
        "seed": look.seed,
        "record": steps,
    }
    depends_on = tuple(fields[field] for field in MEASURES[name].depends_on)
    chosen = tuple((choice, _hashable(value)) for choice, value in sorted(choices.items()))
    keep = _large if name in LARGE else _small
    return keep((name, look.checkpoint.sha256, depends_on, chosen), look, name, choices)


@st.cache_resource(max_entries=RESULTS, show_spinner="Measuring …")
def _small(key: tuple[Hashable, ...], _look: Look, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ..analysis.subjects import MEASURES

    del key
    return MEASURES[_name].of(_look, **_choices)


@st.cache_resource(max_entries=LARGE_RESULTS, show_spinner="Measuring test images …")
def _large(key: tuple[Hashable, ...], _look: Look, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ..analysis.subjects import MEASURES

    del key
    return MEASURES[_name].of(_look, **_choices)


def _hashable(value: Any) -> Hashable:  # noqa: ANN401
    return _bytes(value) if hasattr(value, "numpy") else value


def _bytes(image: Tensor) -> bytes:
    return image.numpy().tobytes()
