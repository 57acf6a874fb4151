"""What every page shows stands on file: a change of any word, number or control of it is seen.

These tests see change; whether a number is right is asked by the other tests. The texts on file were read once, page by
page. A state that differs from another by one choice is on file as the lines that differ.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from eiwflow.training.run_directory import runs_root
from eiwflow.ui.access import navigation, roles
from eiwflow.ui.classroom import view
from eiwflow.ui.classroom.board import Board
from eiwflow.ui.jobs import presets, studies
from eiwflow.ui.own.images import IMAGES
from eiwflow.ui.own.photos import PHOTOS
from eiwflow.ui.own.pictures import PICTURES
from eiwflow.ui.sources import checkpoints

from ..app.conftest import few_images, nothing_kept, quiet, visit_page
from ..app.test_compare import BOTH, MEANS, NULL
from ..studies import arms, write_begun, write_study
from . import flows, shown

__all__ = ["few_images", "nothing_kept", "quiet"]


@dataclass(frozen=True)
class Place:
    """Where a page is opened: a folder for checkpoints, patches, and what ends afterwards."""

    folder: Path
    patch: pytest.MonkeyPatch
    stack: ExitStack


@dataclass(frozen=True)
class State:
    """A page as a visitor sees it.

    Attributes:
        page: its file.
        url: parameters of the link that opens it; a function makes an upload's key.
        act: what the visitor then does.
        of: the state from which it differs by one choice; that of no other is on file in full.
        prepare: makes what is there.

    """

    page: str
    url: dict[str, str | list[str] | Callable[[], str]] = field(default_factory=dict)
    act: Callable[[AppTest], AppTest] = lambda at: at
    of: str = ""
    prepare: Callable[[Place], object] = lambda place: flows.write(place.folder, *flows.FLOWS)


def runs(*titles: str, alive: str = "") -> Callable[[Place], None]:
    """Return what writes runs, one of which is being trained."""

    def prepare(place: Place) -> None:
        place.patch.setattr(presets, "devices", lambda: {"cpu": "2 of 4 cores"})
        for title in titles:
            run = flows.write_run(runs_root(), title)
            if title == alive:
                run.set_status("running", flows.RUNS[title][2])
                run.restore_status({**run.status(), "memory_mib": 321.5})
                place.stack.enter_context(run.held())

    return prepare


def classroom(teacher: bool) -> Callable[[Place], None]:
    """Return what begins a class, for its teacher's browser or a student's."""

    def prepare(place: Place) -> None:
        runs("First run")(place)
        place.patch.setenv("EIWFLOW_MODE", "classroom")
        place.patch.setenv("EIWFLOW_JOIN_URL", "http://192.168.1.20:8501")
        present = Board()
        for visitor in ("a", "b", "c"):
            present.here(visitor)
        place.patch.setattr(view, "BOARD", present)
        cookies = {roles.cookie_name(kind): roles.new_cookie(kind) for kind in (roles.VISITOR, roles.TEACHER)}
        place.patch.setattr(roles, "_cookies", lambda: cookies)
        if not teacher:
            del cookies[roles.cookie_name(roles.TEACHER)]

    return prepare


def own_studies(place: Place) -> None:
    """Put made studies among the bundled ones, and others among the visitor's own."""
    folder = place.folder.parent / "studies"
    place.patch.setattr(studies, "BUNDLED", folder)
    write_study(folder / "photos32.zip", BOTH)
    write_study(folder / "photos32-longer.zip", arms({**MEANS, "last/random": 4.3}, seeds=4), iterations=1000)
    write_study(folder / "photos32-null.zip", NULL)
    write_study(studies.own_folder() / "mine.zip", arms(MEANS, seeds=3), iterations=700)
    write_begun(studies.own_folder() / "begun", arms({"entropy/principal": 3.8, "last/random": 4.0}, seeds=4), 5)


def nothing(place: Place) -> None:
    """Add nothing to what comes with the app."""


LEVELS, LATENTS, ENTROPY = "pages/1_levels.py", "pages/2_latents.py", "pages/3_entropy.py"
SHUFFLE, WEIGHTS = "pages/4_shuffle.py", "pages/5_weights.py"
CHECKPOINT, LIKELIHOOD = "pages/8_checkpoint.py", "pages/10_likelihood.py"
COMPARE, TRAIN = "pages/6_compare.py", "pages/9_train.py"
FACES = {"ck": "faces", "image": "5", "seed": "3", "level": "2"}
PAIR = {**FACES, "vs": "other"}
MIX: dict[str, Any] = {**FACES, "b": "23", "t": "0.3", "z1": "redraw", "z2": "go to B", "z3": "keep"}
PRIORS = {"study": "photos32-16x16-500", "set": "photos32", "prior": "standard"}
RUNS = {title: {"run": known[0]} for title, known in flows.RUNS.items()}
#: The first state of a page is on file in full. Of the others, most differ from a state by one choice.
STATES: dict[str, State] = {
    "home": State("app.py", {"ck": "faces"}),
    "lesson": State("pages/0_lesson.py"),
    "playground": State("pages/12_playground.py"),
    "levels": State(LEVELS, FACES),
    "levels, another image": State(LEVELS, {**FACES, "image": "40"}, of="levels"),
    "levels, another seed": State(LEVELS, {**FACES, "seed": "4"}, of="levels"),
    "levels, for print": State(LEVELS, {**FACES, "print": "true"}, of="levels"),
    "levels, a class": State(LEVELS, {**FACES, "ck": "hats", "label": "variant02"}, of="levels"),
    "levels, a photo": State(
        LEVELS, {"ck": "photos", "photo": lambda: PHOTOS.keep({"a.png": flows.picture(1)})}, of="levels"
    ),
    "latents": State(LATENTS, MIX),
    "latents, level 2 at zero": State(LATENTS, {**MIX, "z2": "zero"}, of="latents"),
    "latents, a line": State(LATENTS, {**MIX, "path": "line"}, of="latents"),
    "latents, a temperature": State(LATENTS, {**MIX, "temperature": "0.4"}, of="latents"),
    "latents, two flows": State(LATENTS, {**MIX, "vs": "other"}, of="latents"),
    "latents, photographs": State(LATENTS, {"ck": "photos", "image": "7"}, of="latents"),
    "entropy": State(ENTROPY, FACES),
    "entropy, level 1": State(ENTROPY, {**FACES, "level": "1"}, of="entropy"),
    "entropy, an early step": State(ENTROPY, {**FACES, "step": "10"}, of="entropy"),
    "entropy, two flows": State(ENTROPY, PAIR, of="entropy"),
    "entropy, photographs": State(ENTROPY, {"ck": "pooled-photos", "image": "7", "level": "2"}, of="entropy"),
    "shuffle": State(SHUFFLE, FACES),
    "shuffle, another rule": State(SHUFFLE, {**FACES, "rule": "first half"}, of="shuffle"),
    "shuffle, two flows": State(SHUFFLE, PAIR, of="shuffle"),
    "shuffle, without a record": State(SHUFFLE, {**FACES, "ck": "pooled"}, of="shuffle"),
    "weights": State(WEIGHTS, {**FACES, "flow-step": "2"}),
    "weights, another coupling": State(WEIGHTS, {**FACES, "level": "1", "flow-step": "1"}, of="weights"),
    "weights, more contrast": State(
        WEIGHTS, {**FACES, "flow-step": "2", "change": "contrast", "amount-contrast": "1.5"}, of="weights"
    ),
    "weights, two flows": State(WEIGHTS, {**FACES, "flow-step": "2", "vs": "second"}, of="weights"),
    "weights, before a split": State(WEIGHTS, {**FACES, "ck": "pooled"}, of="weights"),
    "weights, photographs": State(WEIGHTS, {"ck": "photos", "image": "7", "level": "2"}, of="weights"),
    "weights, photographs before a split": State(
        WEIGHTS, {"ck": "pooled-photos", "image": "7", "level": "2"}, of="weights, before a split"
    ),
    "likelihood": State(LIKELIHOOD, {**FACES, "guess": "flat grey"}),
    "likelihood, unanswered": State(LIKELIHOOD, FACES, of="likelihood"),
    "likelihood, own pictures": State(
        LIKELIHOOD,
        {
            **FACES,
            "guess": "blurred",
            "also": lambda: PICTURES.keep({f"{seed}.png": flows.picture(seed) for seed in range(5)}),
        },
        of="likelihood",
    ),
    "likelihood, photographs": State(LIKELIHOOD, {"ck": "photos", "image": "7", "guess": "blurred"}, of="likelihood"),
    "checkpoint": State(CHECKPOINT, FACES),
    "checkpoint, own images": State(
        CHECKPOINT, {**FACES, "own": lambda: IMAGES.keep({"mine.npz": flows.archive()})}, of="checkpoint"
    ),
    "checkpoint, a class": State(CHECKPOINT, {**FACES, "ck": "hats", "label": "variant01"}, of="checkpoint"),
    "checkpoint, photographs": State(CHECKPOINT, {**FACES, "ck": "photos"}, of="checkpoint"),
    "compare": State(COMPARE, prepare=nothing),
    "compare, two priors": State(COMPARE, PRIORS, of="compare", prepare=nothing),
    "compare, differences of curves": State(
        COMPARE, {**PRIORS, "curves": "minus"}, of="compare, two priors", prepare=nothing
    ),
    "compare, an own study": State(COMPARE, {"study": "mine"}, of="compare", prepare=own_studies),
    "compare, another arm": State(
        COMPARE, {"study": "mine", "subject": "variance"}, of="compare, an own study", prepare=own_studies
    ),
    "compare, a study under way": State(COMPARE, {"study": "begun"}, of="compare, an own study", prepare=own_studies),
    "compare, a control": State(COMPARE, {"study": "photos32-null"}, of="compare, an own study", prepare=own_studies),
    "train": State(TRAIN, {**RUNS["First run"], "with": RUNS["Held out"]["run"]}, prepare=runs(*RUNS)),
    "train, nothing yet": State(TRAIN, of="train", prepare=runs()),
    "train, another run": State(
        TRAIN, {**RUNS["Held out"], "measure": "redundancy passed on"}, of="train", prepare=runs(*RUNS)
    ),
    "train, a failure": State(TRAIN, RUNS["Broken"], of="train", prepare=runs(*RUNS)),
    "train, under way": State(TRAIN, RUNS["Held out"], of="train", prepare=runs(*RUNS, alive="Held out")),
    "train, a student": State(TRAIN, prepare=classroom(teacher=False), of="train"),
    "class": State("pages/11_class.py", prepare=classroom(teacher=True)),
    "class, a student": State("pages/11_class.py", prepare=classroom(teacher=False), of="class"),
}


@pytest.fixture(autouse=True)
def no_warnings(quiet: None, caplog: pytest.LogCaptureFixture) -> None:
    """Keep Streamlit's warnings out of a failure, which then shows the difference alone."""
    caplog.set_level(logging.ERROR, "streamlit.runtime.scriptrunner_utils.script_run_context")


#: Texts of this process by state: a state that others differ from is visited once.
_TEXTS: dict[str, str] = {}


def text_of(name: str, tmp_path: Path) -> str:
    """Return what a page shows in a state, with the files that it offers."""
    if name in _TEXTS:
        return _TEXTS[name]
    state, files = STATES[name], dict[str, bytes]()
    folder = tmp_path / _file_of(name) / "checkpoints"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(checkpoints, "BUNDLED", folder)
        patch.setenv("EIWFLOW_RUNS", str(folder.parent / "runs"))
        patch.setenv("EIWFLOW_DATA_ROOTS", str(folder.parent))
        patch.setattr(st, "download_button", shown.recorder(files, st.download_button))
        state.prepare(Place(folder, patch, stack))
        url = {key: value() if callable(value) else value for key, value in state.url.items()}
        at = state.act(visit_page(state.page, **url))
        assert not at.exception
        _TEXTS[name] = shown.page(at, files)
    return _TEXTS[name]


def _file_of(name: str) -> str:
    return f"page-{name.replace(',', '').replace(' ', '-')}"


@pytest.mark.parametrize("name", STATES)
def test_the_page_shows_what_stands_on_file(name: str, tmp_path: Path) -> None:
    text = text_of(name, tmp_path)
    if other := STATES[name].of:
        text = shown.changes(text_of(other, tmp_path), text)
    shown.approved(_file_of(name), text)


def test_every_page_stands_on_file_and_no_text_is_left_over() -> None:
    assert {state.page for state in STATES.values()} == {entry.path for entry in navigation._STORY}
    assert {path.stem for path in shown.FOLDER.glob("page-*.txt")} == set(map(_file_of, STATES))
