"""What pages measure, once for every flow, image, level, seed and study: the only cached entry to ``analysis``."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import streamlit as st

from .. import files
from . import apart, checkpoints, classroom

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..analysis.curve import TrainingCurve
    from ..analysis.record import TrainingRecord
    from ..analysis.subjects import Look
    from ..checkpoint import Checkpoint
    from ..study.file import Study
    from .data_sets import Images
    from .frame import Page

#: Results that are kept; a trace of all test images is large, so few of those.
RESULTS, LARGE_RESULTS = 512, 4
#: Images drawn from a flow to be shown.
SAMPLES = 8
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
        grain=images.grain,
        keep=lambda look, name, choices: _kept(look, images, name, choices),
    )


def record(page: Page) -> TrainingRecord | None:
    """Return the training record of the page's checkpoint, or None where there is none."""
    from ..analysis.record import record_folder

    lines = record_folder(page.file.path) / "metrics.jsonl"
    return _record(page.file.path, *files.stamp(lines)) if lines.is_file() else None


@st.cache_resource(max_entries=4, show_spinner="Reading the training record …")
def _record(path: Path, changed: int, size: int) -> TrainingRecord | None:
    del changed, size  # a record that goes on is a new key
    from ..analysis.record import load_record

    return load_record(path)


def curve(page: Page) -> TrainingCurve | None:
    """Return the curve of the checkpoint's training, or None where there is no record."""
    from ..analysis.record import record_folder

    lines = record_folder(page.file.path) / "metrics.jsonl"
    return _curve(page.file.path, *files.stamp(lines)) if lines.is_file() else None


@st.cache_resource(max_entries=16, show_spinner=False)
def _curve(path: Path, time: int, size: int) -> TrainingCurve | None:
    del time, size
    from ..analysis.curve import load_curve

    return load_curve(path)


def samples_in_training(page: Page) -> dict[int, bytes]:
    """Return the samples that the training drew on its way, by step."""
    found = record(page)
    return {} if found is None else found.samples


@st.cache_resource(
    max_entries=32,
    hash_funcs={"eiwflow.checkpoint.Checkpoint": lambda checkpoint: checkpoint.sha256},
    show_spinner=False,
)
def samples(checkpoint: Checkpoint, seed: int) -> np.ndarray:
    """Return images (N, H, W, C) uint8 drawn from a flow at its own temperature, as ``sample`` draws them.

    Raises:
        NonFiniteError: with one sentence.

    """
    import torch

    from ..flow import quantise

    generator = torch.Generator().manual_seed(seed)
    x = checkpoint.flow.sample(SAMPLES, checkpoint.info.temperature, generator)
    return pixels(quantise(x, checkpoint.flow.config.bits))


def pixels(images: Tensor) -> np.ndarray:
    """Return uint8 images (N, C, H, W) as pictures (N, H, W, C)."""
    from ..analysis.levels import to_pixels

    return to_pixels(images)


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
def _study(path: Path, changed: int, size: int) -> Study:
    del changed, size  # a file that was written again is a new key
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
    _apart.clear()
    _of_study.clear()


def _kept(look: Look, images: Images, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401
    key = _key(look, images, name, choices)
    if checkpoints.is_large(look.checkpoint.info.config):
        # Where strangers come, nobody leaves work behind.
        if classroom.settings().mode:
            return _apart(key, look, name, choices)
        return _watched(key, look, images, name, choices)
    keep = _large if name in LARGE else _small
    return keep(key, look, name, choices)


def _key(look: Look, images: Images, name: str, choices: dict[str, Any]) -> tuple[Hashable, ...]:
    """Return all that a result depends on."""
    from ..analysis.subjects import MEASURES

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


# ---------------------------------------------------------------------- large flows


@st.cache_resource(max_entries=RESULTS, show_spinner="This flow is large. Measuring, once …")
def _apart(key: tuple[Hashable, ...], _look: Look, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    del key
    return apart.measure(_look, _name, _choices)


#: Results of large flows that are kept, and seconds between two signs of life.
LARGE_FLOW_RESULTS, SIGN_OF_LIFE_S = 128, 0.5


class _Background:
    """Measures large flows one after another beside the scripts, so that a move of a visitor does not lose the work."""

    def __init__(self) -> None:
        self._results: OrderedDict[tuple[Hashable, ...], Future[Any]] = OrderedDict()
        self._lock = Lock()
        # Averages wait for one another; what a visitor moves does not wait for them.
        self._lanes = {True: ThreadPoolExecutor(1), False: ThreadPoolExecutor(1)}

    def start(self, key: tuple[Hashable, ...], measure: Callable[[], Any], average: bool) -> Future[Any]:
        """Return the result of a measure, begun now or before."""
        with self._lock:
            found = self._results.get(key)
            if found is None:
                found = self._results[key] = self._lanes[average].submit(measure)
            self._results.move_to_end(key)
            while len(self._results) > LARGE_FLOW_RESULTS:
                self._results.popitem(last=False)[1].cancel()
            return found

    def finished(self, key: tuple[Hashable, ...]) -> Future[Any] | None:
        """Return a result that is there already."""
        with self._lock:
            found = self._results.get(key)
        return found if found is not None and found.done() and not found.cancelled() else None

    def remember(self, key: tuple[Hashable, ...], result: Any) -> None:  # noqa: ANN401
        """Keep what another measure needed."""
        done: Future[Any] = Future()
        done.set_result(result)
        with self._lock:
            self._results.setdefault(key, done)


@st.cache_resource(show_spinner=False)
def _background() -> _Background:
    return _Background()


def _watched(key: tuple[Hashable, ...], look: Look, images: Images, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return a measure of a large flow; meanwhile a line shows that it is at work.

    A visitor who moves on stops this script, not the work: whoever asks again finds it further on or done.
    """
    from ..analysis.subjects import MEASURES

    background = _background()

    def nested(look: Look, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401
        inner = _key(look, images, name, choices)
        if (found := background.finished(inner)) is not None:
            return found.result()
        result = MEASURES[name].of(look, **choices)
        background.remember(inner, result)
        return result

    average = bool({"train", "test"} & set(MEASURES[name].depends_on))
    future = background.start(key, lambda: MEASURES[name].of(replace(look, keep=nested), **choices), average)
    started, line = time.monotonic(), st.empty()
    while not future.done():
        wait([future], timeout=SIGN_OF_LIFE_S)
        if not future.done():
            seconds = time.monotonic() - started
            line.progress(1 - math.exp(-seconds / 20), f"This flow is large. Measuring, once: {seconds:.0f} s so far.")
    line.empty()
    return future.result()


def _hashable(value: Any) -> Hashable:  # noqa: ANN401
    return _bytes(value) if hasattr(value, "numpy") else value


def _bytes(image: Tensor) -> bytes:
    return image.numpy().tobytes()
