"""The lesson's page: which flow its pack is of, and the way to the other pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import streamlit as st

from .. import lesson
from ..figures.pixels import file_uri
from ..files import stamp
from ..lesson import bundle, default, pack
from . import frame, gone, loaders, navigation
from .foreign import plain

TITLE = "The lesson: multi-scale flows in ten minutes"
_HTML = '<div class="lesson-root" data-home="{home}"></div>'
_stage = st.components.v2.component(
    "eiwflow_lesson", html=_HTML.format(home=0), css=bundle.style(), js=bundle.script("component.js")
)
_home = st.components.v2.component(
    "eiwflow_home", html=_HTML.format(home=1), css=bundle.style(), js=bundle.script("component.js")
)

_live = st.components.v2.component(
    "eiwflow_lesson_live",
    html="<span hidden></span>",
    js=(bundle.ASSETS / "live.js").read_text(encoding="utf-8"),
)


def page() -> None:
    """Draw the lesson, of the bundled flow or of the one that the link names (``ck``)."""
    chosen = st.query_params.get("ck", "")
    content, sentence = _pack_of(chosen)
    frame.begin_stage(TITLE)
    more: dict[str, Any] = {"pages": _pages(), "flow_key": chosen}
    if sentence:
        more["note"] = sentence
    found = _stage(
        key="lesson",
        data=pack.with_fields(content, **more),
        on_at_change=_rest,
        on_leave_change=_rest,
        on_train_change=_rest,
    )
    if found.leave:
        _leave(found.leave, chosen)
    if found.train:
        _train()
    _watch()


def animation() -> None:
    """Draw the first scene, running, as a picture of the front page."""
    _home(key="home-stage", data=default.pack())


def _rest() -> None:
    """Take what the stage says; nothing on this page depends on it."""


def _train() -> None:
    """Start the one-minute preset on faces; what refuses it is said on the stage."""
    from ..data import DataError
    from ..flow import ConfigError
    from ..training import worker
    from ..training.run import RunError, runs_root
    from . import run_loaders

    st.session_state.pop("_lesson_refusal", None)
    try:
        recipe = run_loaders.preset_recipe("minute", default.DATA, "weighted")
        command = run_loaders.command(recipe, "cpu")
        run = worker.start(recipe, runs_root(), "cpu", run_loaders.threads(), command)
        st.session_state["_lesson_run"] = run.path
    except (ConfigError, RunError, DataError, OSError) as error:
        st.session_state["_lesson_refusal"] = str(error)


def _watch() -> None:
    """Tell the stage, once a second while it runs, how the training goes that was started from it."""
    path = st.session_state.get("_lesson_run")
    if refusal := st.session_state.get("_lesson_refusal"):
        _live(key="lesson-live", data={"error": refusal})
    elif path is not None:
        from ..training.run import RunDirectory

        alive = st.session_state["_lesson_alive"] = RunDirectory(path).state().alive
        st.fragment(_tell, run_every=1 if alive else None)(path)


def _tell(path: Path) -> None:
    from ..training.run import RunDirectory
    from . import run_loaders

    run = RunDirectory(path)
    state = run.state()
    progress = run_loaders.progress(run)
    samples = run_loaders.newest_samples(run)
    told: dict[str, Any] = {
        "alive": state.alive,
        "step": max(0, progress.step),
        "total": progress.iterations,
        "bits": float(progress.test[-1]) if len(progress.test) else None,
        "samples": None if samples is None else file_uri(samples[1], "webp"),
    }
    if not state.alive:
        told["key"] = next((key for key, file in loaders.checkpoint_files().items() if file.run == path), None)
    _live(key="lesson-live", data=told)
    if not state.alive and st.session_state.pop("_lesson_alive", False):
        st.rerun()  # ends the timer


def _pages() -> list[list[str]]:
    return [[_name(entry), entry.label] for entry in navigation.pages() if entry.label != "Lesson"]


def _name(entry: navigation.Entry) -> str:
    return entry.path.rpartition("/")[2].removesuffix(".py").split("_", 1)[-1]


def _leave(leave: dict[str, Any], chosen: str) -> None:
    """Open the page that the stage asks for, with the same flow and image."""
    entries = {_name(entry): entry for entry in navigation.pages()}
    entry = entries.get(str(leave.get("page")))
    if entry is None:
        return
    asked = leave.get("query")
    query = {key: str(text)[:40] for key, text in asked.items()} if isinstance(asked, dict) else {}
    st.switch_page(entry.path, query_params={"ck": chosen or default.flow_name(), **query})


def _pack_of(chosen: str) -> tuple[bytes, str]:
    """Return the pack of a flow, by its key in a link, and a sentence where another is shown instead."""
    if not chosen or chosen == default.flow_name():
        return default.pack(), ""
    uploads = set(st.session_state.get("_uploaded", []))
    files = loaders.checkpoint_files({*uploads, chosen})
    if chosen not in files:
        _stop(gone.flow(chosen), chosen, files)
    from ..checkpoint import CheckpointError
    from ..data import DataError
    from ..lesson.spec import LessonError

    file = files[chosen]
    try:
        return _built(file.key, *stamp(file.path), file), ""
    except (CheckpointError, OSError) as error:
        _stop(plain(error), chosen, files)
    except (DataError, LessonError) as error:
        return default.pack(), f"{error} This is the bundled one."


def _stop(sentence: str, chosen: str, files: Mapping[str, loaders.CheckpointFile]) -> NoReturn:
    """Say that the flow of the link cannot be opened, and end the page: no other is shown in its place."""
    frame.begin_landing(TITLE)
    st.title("The lesson")
    labels = {key: file.label for key, file in files.items() if key != chosen}
    gone.stop(st.container(), "ck", sentence, labels, lambda key: st.query_params.update(ck=key))


@st.cache_resource(max_entries=4, show_spinner="Preparing the lesson of this flow …")
def _built(key: str, time: int, size: int, _file: loaders.CheckpointFile) -> bytes:
    del key, time, size
    from ..lesson.build import build_for

    return build_for(loaders.open_checkpoint(_file)).to_bytes()


@st.cache_data(max_entries=2, show_spinner=False)
def offline_page(key: str) -> bytes:
    """Return the lesson as one file, of the bundled flow."""
    del key
    return lesson.one_file(default.pack())
