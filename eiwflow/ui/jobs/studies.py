"""Studies on disk, bundled and run here, and the choice among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ... import project
from ...files import stamp_or_zeros
from ...study.file import Study, StudyError, settings_file, studies_in
from ...study.ladder import ladder
from ...training.run_directory import runs_root
from ..common import state
from ..common.untrusted import distinct, plain
from ..shell.reproduce import Call
from ..sources import cache
from ..sources.visit import Visit

BUNDLED = project.ROOT / "assets" / "studies"
#: Choices that depend on the study: another study may lack them.
OF_A_STUDY = ("subject", "against", "prior")


@dataclass(frozen=True, eq=False)
class StudyVisit(Visit):
    """A page that shows a study; its exported files name the study."""

    study: Study

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file."""
        return super().file_name(f"{what}-{self.study.name}-{self.study.sha256[:8]}", suffix)


def own_folder() -> Path:
    """Return the folder of studies run here."""
    return runs_root() / "studies"


def files() -> dict[str, Path]:
    """Return the available studies by key: the bundled ones, then the ones run here, newest first."""
    bundled = {path.stem: path for path in sorted(studies_in(BUNDLED), key=lambda path: path.stem)}
    own = sorted(studies_in(own_folder()), key=lambda path: stamp_or_zeros(settings_file(path)), reverse=True)
    return bundled | {(path.stem if path.stem not in bundled else f"own-{path.stem}"): path for path in own}


def readable(known: Mapping[str, Path]) -> dict[str, Study]:
    """Return the studies with a readable file, by key."""
    studies = {}
    for key, path in known.items():
        try:
            studies[key] = cache.study(path)
        except StudyError:
            continue  # its choice shows the reason
    return studies


def first(known: Mapping[str, Path], bundled: Mapping[str, Study]) -> str:
    """Return the key of a first visit's study: the ladder with the most rungs and the most seeds."""
    ladders = {key: ladder(study) for key, study in bundled.items() if study.runs and not study.recipe.is_control}
    return max(
        ladders, key=lambda key: (len(ladders[key].rungs), bundled[key].recipe.budget), default=next(iter(known))
    )


def state_in_words(study: Study) -> str:
    """Return whether a study is done, and its arms without a run."""
    total = len(study.recipe.arms) * study.recipe.seeds
    if study.is_done:
        return f"Done: {total} runs."
    waiting = [arm.choice for arm in study.recipe.arms if arm not in study.arms]
    none = f" No run yet: {plain(', '.join(waiting))}." if waiting else ""
    return f"Not done: {len(study.runs)} of {total} runs so far.{none}"


def choose(known: Mapping[str, Path], first: str, name_of: Callable[[str], str], top: DeltaGenerator) -> str:
    """Draw the choice of a study; return its key. A study that is gone is named at the top.

    Args:
        known: the studies, by their key.
        first: the key of the study that a first visit shows.
        name_of: returns the name of a study.
        top: the place of the page's first sentence.

    """
    keys = list(known)
    labels = distinct({key: name_of(key) for key in keys})
    key = state.choice(
        "study",
        keys,
        first,
        lambda at: st.selectbox("Study", keys, at, labels.__getitem__, "study", on_change=_forget_choices),
    )
    state.write_unusual("study", key, first)
    state.say_notes(top)
    return key


def show(key: str) -> None:
    """Show another study, from a callback."""
    state.set_choice("study", key)
    _forget_choices()


def argument(path: Path) -> str:
    """Return a study's file for the command line, relative to the project's folder if inside."""
    inside = path.is_relative_to(project.ROOT)
    return str(path.relative_to(project.ROOT) if inside else path)


def commands(study: Study) -> list[Call]:
    """Return the calls that run a study, and run it at equal CPU seconds."""
    recipes = {study.name: study.recipe, f"{study.name}-equal-cpu": dataclasses.replace(study.recipe, equal_time=True)}
    return [Call(*recipe.arguments(name, 2)) for name, recipe in recipes.items()]


def name_of(key: str, titles: Mapping[str, str], known: Mapping[str, Path]) -> str:
    """Return the title of a study, or its file's name if the file cannot be read."""
    own = " (yours)" if key in known and known[key].parent == own_folder() else ""
    return f"{plain(titles.get(key, key))}{own}"


def _forget_choices() -> None:
    for choice in OF_A_STUDY:
        st.session_state.pop(choice, None)
