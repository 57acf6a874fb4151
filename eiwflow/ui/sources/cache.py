"""What pages measure, once for every flow, image, level, seed and study: the only cached entry to ``analysis``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import streamlit as st

from ... import files
from ...analysis import FEW_A_GROUP
from .. import access
from . import checkpoints, child

if TYPE_CHECKING:
    import numpy as np
    from streamlit.delta_generator import DeltaGenerator
    from torch import Tensor

    from ...analysis.progress import Progress
    from ...analysis.record import TrainingCurve, TrainingRecord
    from ...analysis.subjects import Look
    from ...checkpoint import Checkpoint
    from ...study.file import Study
    from .data_sets import Images
    from .visit import Page

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
        grain=images.grain,
        large=checkpoints.is_large(page.checkpoint.info.config),
        keep=lambda look, name, choices: _kept(look, images, name, choices),
    )


def record(page: Page) -> TrainingRecord | None:
    """Return the training record of the page's checkpoint, or None where there is none."""
    from ...analysis.record import record_folder

    lines = record_folder(page.file.path) / "metrics.jsonl"
    return _record(page.file.path, *files.stamp(lines)) if lines.is_file() else None


@st.cache_resource(max_entries=4, show_spinner="Reading the training record …")
def _record(path: Path, changed: int, size: int) -> TrainingRecord | None:
    del changed, size  # a record that goes on is a new key
    from ...analysis.record import load_record

    return load_record(path)


def curve(page: Page) -> TrainingCurve | None:
    """Return the curve of the checkpoint's training, or None where there is no record."""
    from ...analysis.record import record_folder

    lines = record_folder(page.file.path) / "metrics.jsonl"
    return _curve(page.file.path, *files.stamp(lines)) if lines.is_file() else None


@st.cache_resource(max_entries=16, show_spinner=False)
def _curve(path: Path, time: int, size: int) -> TrainingCurve | None:
    del time, size
    from ...analysis.record import load_curve

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
    from ...study.file import read_study

    return read_study(path)


@st.cache_resource(max_entries=RESULTS, show_spinner=False)
def _of_study(key: tuple[Hashable, ...], _study: Study, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ...study.measures import MEASURES

    del key
    return MEASURES[_name](_study, **_choices)


# ---------------------------------------------------------------------- keeping


def clear() -> None:
    """Forget what was measured."""
    _small.clear()
    _large.clear()
    _large_flows.clear()
    _of_study.clear()


def forget() -> None:
    """Forget what was measured, drawn from a flow or read."""
    clear()
    for kept in (samples, _record, _curve, _study):
        kept.clear()


def _kept(look: Look, images: Images, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401
    if checkpoints.is_large(look.checkpoint.info.config):
        return _of_large_flow(look, images, name, choices)
    key = _key(look, images, name, choices)
    keep = _large if name in LARGE else _small
    return keep(key, look, name, choices)


def _key(look: Look, images: Images, name: str, choices: dict[str, Any]) -> tuple[Hashable, ...]:
    """Return all that a result depends on."""
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


@st.cache_resource(max_entries=RESULTS, show_spinner="Measuring …")
def _small(key: tuple[Hashable, ...], _look: Look, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ...analysis.subjects import MEASURES

    del key
    return MEASURES[_name].of(_look, **_choices)


@st.cache_resource(max_entries=LARGE_RESULTS, show_spinner="Measuring test images …")
def _large(key: tuple[Hashable, ...], _look: Look, _name: str, _choices: dict[str, Any]) -> Any:  # noqa: ANN401
    from ...analysis.subjects import MEASURES

    del key
    return MEASURES[_name].of(_look, **_choices)


# ---------------------------------------------------------------------- large flows

#: Results of large flows that are kept, and seconds between two signs of life.
LARGE_FLOW_RESULTS, SIGN_OF_LIFE_S = 128, 0.5


@dataclass(frozen=True, eq=False)
class _Job:
    """A measure of a large flow: how far it is, and its result."""

    progress: Progress
    result: Future[Any]


class _LargeFlows:
    """Measures of large flows, each made once for whoever asks."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[tuple[Hashable, ...], _Job] = OrderedDict()
        self._lock = Lock()
        # Averages wait for one another; what a visitor moves does not wait for them.
        self._lanes = {True: ThreadPoolExecutor(1), False: ThreadPoolExecutor(1)}

    def job(self, key: tuple[Hashable, ...]) -> tuple[_Job, bool]:
        """Return the job of a key, and whether it is new: then whoever asked has to see to it."""
        from ...analysis.progress import Progress

        with self._lock:
            if new := key not in self._jobs:
                self._jobs[key] = _Job(Progress(), Future())
            self._jobs.move_to_end(key)
            while len(self._jobs) > LARGE_FLOW_RESULTS:
                self._jobs.popitem(last=False)
            return self._jobs[key], new

    def start(self, key: tuple[Hashable, ...], job: _Job, look: Look, name: str, choices: dict[str, Any]) -> None:
        """Measure beside the scripts: a visitor's move does not lose the work.

        Where strangers come, long work is done in a child that ends with the tab: nobody leaves it behind. To start
        one takes longer than a move of most large flows.
        """
        from ...analysis import progress
        from ...analysis.subjects import MEASURES

        average = MEASURES[name].average
        session, long = child.session(), average or checkpoints.is_slow(look.checkpoint.info.config)
        in_child = long and bool(access.settings().mode)

        def work() -> None:
            progress.watch(job.progress)
            try:
                if in_child:
                    result = child.measure(look, name, choices, job.progress, session)
                else:
                    result = look.measure(name, **choices)
                job.result.set_result(result)
            except BaseException as error:
                if isinstance(error, child.LeftError):
                    with self._lock:
                        self._jobs.pop(key, None)
                job.result.set_exception(error)

        self._lanes[average].submit(work)


@st.cache_resource(show_spinner=False)
def _large_flows() -> _LargeFlows:
    return _LargeFlows()


def _of_large_flow(look: Look, images: Images, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return a measure of a large flow; meanwhile a line shows how far it is. Averages have seed 0."""
    from ...analysis.subjects import MEASURES

    shared = {choice: value for choice, value in choices.items() if choice == "other"}
    known = {need: _of_large_flow(look, images, need, shared) for need in MEASURES[name].needs}
    look = replace(look, seed=0 if MEASURES[name].average else look.seed, known=known, keep=None)
    key, line = _key(look, images, name, choices), st.empty()
    try:
        while True:
            job, new = _large_flows().job(key)
            if new:
                _large_flows().start(key, job, look, name, choices)
            while not job.result.done():
                wait([job.result], timeout=SIGN_OF_LIFE_S)
                if not job.result.done():
                    _show(line, job.progress)
            with suppress(child.LeftError):  # another visitor's tab, which was closed
                return job.result.result()
    finally:
        line.empty()


def _show(line: DeltaGenerator, progress: Progress) -> None:
    """Show how far a measure is: a move of a few images needs no bar."""
    done, total = progress.done, progress.total
    if total >= FEW_A_GROUP:
        line.progress(min(1.0, done / total), f"This flow is large. Measuring, once: {done} of {total} images.")
    else:
        line.caption("This flow is large. Measuring …")


def _hashable(value: Any) -> Hashable:  # noqa: ANN401
    return _bytes(value) if hasattr(value, "numpy") else value


def _bytes(image: Tensor) -> bytes:
    return image.numpy().tobytes()
