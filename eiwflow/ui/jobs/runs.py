"""Runs on disk for the page Train, and clicks that start, resume, rename or delete a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

from ... import files
from ...analysis import train
from ...checkpoint import CheckpointError
from ...training import worker
from ...training.history import sample_files
from ...training.recipe import Recipe
from ...training.run_directory import RunDirectory, RunError, RunState, list_runs, runs_root
from ..access import navigation
from ..common import state
from ..own import checkpoints as own_checkpoints
from ..sources import checkpoints
from ..sources.visit import Visit
from . import control, presets

# ---------------------------------------------------------------------- runs


@lru_cache(512)
def _progress(run: RunDirectory, stamp: tuple[int, int]) -> train.Progress:
    """Return the progress in a run's records, read once for every state of its file; RunError for a broken config."""
    return train.progress(run)


def points(run: RunDirectory) -> list[dict[str, Any]]:
    """Return the rows of a run's curves, read once for every state of its file."""
    return _points(run, files.stamp_or_zeros(run.path / "metrics.jsonl"))


@lru_cache(64)
def _points(run: RunDirectory, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return train.points(run)


@dataclass(frozen=True)
class Listed:
    """A run in the list.

    Attributes:
        run: its directory.
        state: of its training.
        recipe: of its training.
        command: the command line of the same training.
        progress: of its training so far.

    """

    run: RunDirectory
    state: RunState
    recipe: Recipe
    command: str
    progress: train.Progress

    def row(self) -> dict[str, Any]:
        """Return the run as a row of the list, without its settings."""
        progress = self.progress
        return {
            "run": self.run.title,
            "note": self.run.note,
            "state": self.state.name,
            "step": max(0, progress.step),
            "bits per value": progress.bits,
            "scored on": ("held out" if self.recipe.validation else "test") + " images" * (progress.final is not None),
            "seconds": round(progress.seconds),
        }

    def settings(self) -> dict[str, Any]:
        """Return all settings of its recipe, those of its flow among them."""
        recipe = self.recipe.to_dict()
        flow = recipe.pop("flow")
        return {**recipe, **flow, "shape": "×".join(map(str, flow["shape"]))}


def table(known: Iterable[Listed]) -> list[dict[str, Any]]:
    """Return a row for each run: its result, and the settings in which the runs differ."""
    every = [(listed.row(), listed.settings()) for listed in known]
    names = dict.fromkeys(name for _, settings in every for name in settings)
    differ = [name for name in names if len({repr(settings.get(name)) for _, settings in every}) > 1]
    return [{**row, **{name: str(settings.get(name, "–")) for name in differ}} for row, settings in every]


def listed() -> tuple[dict[str, Listed], list[str]]:
    """Return the runs by their directory's name, the newest first, and a sentence for every damaged one."""
    runs, complaints = list_runs(runs_root())
    known = {run.path.name: look_at(run) for run in runs}
    return {name: entry for name, entry in known.items() if entry is not None}, complaints


def look_at(run: RunDirectory) -> Listed | None:
    """Return a run's present state, None if its config cannot be read."""
    try:
        chosen, command = run.config()
        progress = _progress(run, files.stamp_or_zeros(run.path / "metrics.jsonl"))
        return Listed(run, run.state(), chosen, command, progress)
    except RunError:
        return None


def export_link(run: Path) -> str:
    """Return the relative link that saves a run as one ZIP file."""
    return f"{navigation.EXPORT}/{quote(run.name, safe='')}.zip"


def samples(run: RunDirectory) -> dict[int, Path]:
    """Return the WEBP files of samples by step."""
    with suppress(OSError):
        return sample_files(run.samples)
    return {}


def open_links(run: RunDirectory, page: Visit, alive: bool) -> None:
    """Draw links to every page that can show the run's flow, during training its last save."""
    entries = [entry for entry in navigation.pages() if entry.group in ("Learn", "Look inside")]
    entries = [entry for entry in entries if entry.label != "Compare"]
    if alive:
        with st.container(horizontal=True):
            st.markdown("Open it as it is now in")
            for entry in entries:
                if st.button(entry.label, key=f"open-{entry.label}"):
                    _open_now(run, entry.path, page)
        return
    file = next((file for file in checkpoints.checkpoint_files().values() if file.path == run.last_checkpoint), None)
    if file is None:
        return
    with st.container(horizontal=True):
        st.markdown("Open it in")
        for entry in entries:
            st.page_link(entry.path, label=entry.label, query_params=page.links_to(file.key))


def _open_now(run: RunDirectory, path: str, page: Visit) -> None:
    """Open a page on a copy of the run's last save, since the next save replaces the file."""
    try:
        content = run.last_checkpoint.read_bytes()
        key = own_checkpoints.CHECKPOINTS.keep({f"of {run.title} in training": content})
    except (OSError, CheckpointError):
        st.info("Nothing of this run is saved yet: try again in a few seconds.")
        return
    own_checkpoints.show(key)
    st.switch_page(path, query_params=page.links_to(key))


# ---------------------------------------------------------------------- clicks


def start(make: Callable[[], Recipe], device: str) -> None:
    """Start a run from a click."""

    def act() -> None:
        chosen = make()
        presets.memory(chosen, device)
        run = worker.start(chosen, runs_root(), device, presets.threads(), presets.command(chosen, device))
        run.rename(f"{Path(chosen.data).stem[:20]}, half by {chosen.flow.order}, {time.strftime('%H:%M')}")
        state.set_choice("run", run.path.name)
        st.session_state["_started_run"] = run.title

    control.click(act, control.NEW)


def resume(run: RunDirectory, device: str) -> None:
    """Resume a run on its device or, if this machine has no such device, on the chosen one."""
    before = worker.device_of(run)
    worker.resume(run, before if before in presets.devices() else device, presets.threads())


def write(change: Callable[[str], None], key: str) -> None:
    """Change a run, such as its name or its note, by the text in the field ``key``, from a click."""
    control.click(lambda: change(st.session_state[key]))


def delete(run: RunDirectory) -> None:
    """Remove a run, from a second click."""

    def act() -> None:
        run.delete()
        state.forget_choice("run")

    control.click(act)


def started() -> str | None:
    """Return, once, the name of the run that the last click started."""
    return st.session_state.pop("_started_run", None)
