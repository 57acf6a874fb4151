"""What the page Compare reads and computes, once for every state of a study's file; and the studies it starts."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ..files import complaint, entries, is_text, printable, stamp
from . import gone, loaders, state
from .frame import Visit

if TYPE_CHECKING:
    from ..analysis.compare import FalseAlarms, Verdict
    from ..analysis.record import TrainingRecord
    from ..analysis.study_file import Study
    from ..training.study_recipe import Arm, StudyRecipe

BUNDLED = loaders.ROOT / "assets" / "studies"
#: What a first visit shows, where it is there.
FIRST = "photos32"
#: Arms beside the subject in lock-step, and those that are shown unless others are asked for.
MOST_OTHERS = 4
USUAL = ("static-first", "static-last", "random", "shuffle")
#: What stands for an arm as long as the class has not voted.
LETTERS = "ABCDE"


@dataclass(frozen=True, eq=False)
class StudyVisit(Visit):
    """The page on a study: what it saves says from which one it is."""

    study: Study

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file."""
        return super().file_name(f"{what}-{self.study.name}-{self.study.sha256[:8]}", suffix)


# ---------------------------------------------------------------------- files


def own_folder() -> Path:
    """Return the folder of studies that were run here."""
    from ..training.run import runs_root

    return runs_root() / "studies"


def files() -> dict[str, Path]:
    """Return the studies that there are by their key: the bundled ones, then those that were run here, newest first."""
    bundled = {path.stem: path for path in _studies_in(BUNDLED)}
    own = sorted(_studies_in(own_folder()), key=_stamp_or_zero, reverse=True)
    return bundled | {(path.stem if path.stem not in bundled else f"own-{path.stem}"): path for path in own}


def _studies_in(folder: Path) -> list[Path]:
    """Return the files of studies in a folder that can be read as files."""
    return [path for path in _named_as_studies(folder) if not _complaint(path)]


def _named_as_studies(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.suffix == ".json"]


def _complaint(path: Path) -> str:
    from ..training.study_recipe import MAX_BYTES

    if not is_text(path.name):
        return "its name is not valid UTF-8"
    return complaint(path, MAX_BYTES) if os.path.lexists(path) else "it has been removed"


def complaints() -> list[str]:
    """Return a sentence for every file of a study that cannot be read."""
    return [
        f"The study {printable(path.name)} is left out: {why}."
        for folder in (BUNDLED, own_folder())
        for path in _named_as_studies(folder)
        if (why := _complaint(path))
    ]


def read(path: Path) -> Study:
    """Read a study.

    Raises:
        StudyError: with one sentence.

    """
    return _read(path, *_stamp_or_zero(path))


def _stamp_or_zero(path: Path) -> tuple[int, int]:
    try:
        return stamp(path)
    except OSError:
        return 0, 0  # reading it says what is wrong


@st.cache_resource(max_entries=32, show_spinner=False)
def _read(path: Path, time: int, size: int) -> Study:
    del time, size
    from ..analysis.study_file import read_study

    return read_study(path)


_HASHES: dict[str | type[Any], Callable[[Any], Any]] = {"eiwflow.analysis.study_file.Study": lambda study: study.sha256}


@st.cache_resource(max_entries=64, hash_funcs=_HASHES, show_spinner=False)
def verdict(study: Study, subject: tuple[str, str]) -> Verdict:
    """Return what may be said of a study."""
    from ..analysis import compare as analysis

    return analysis.verdict(study, subject)


@st.cache_resource(max_entries=16, hash_funcs=_HASHES, show_spinner="Simulating studies of chance alone …")
def false_alarms(study: Study) -> FalseAlarms | None:
    """Return how often chance with this study's scatter would be believed, None where there is no scatter."""
    from ..analysis import compare as analysis

    pool = analysis.residuals(study)
    return analysis.false_alarms(pool, study.recipe.seeds) if len(pool) else None


def records(study: Study, arms: Sequence[Arm]) -> dict[Arm, TrainingRecord]:
    """Return the records of those arms that have one with at least two steps."""
    found = {arm: _record(study, arm) for arm in arms}
    return {arm: record for arm, record in found.items() if record is not None and len(record.steps) > 1}


@st.cache_resource(
    max_entries=64, hash_funcs={**_HASHES, "eiwflow.training.study_recipe.Arm": hash}, show_spinner=False
)
def _record(study: Study, arm: Arm) -> TrainingRecord | None:
    from ..analysis.study_file import read_record

    return read_record(study, arm)


def floor_in_words(study: Study) -> str:
    """Return the floor of the images that a study scores, as a sentence; empty where it is not known."""
    return loaders.floor_in_words(study.recipe.data, study.recipe.evaluate_on == "validation")


def at_equal_cpu(study: Study, known: dict[str, Path]) -> Study | None:
    """Return the study that gave the same arms, and perhaps more, the same CPU seconds; None where there is none."""
    from ..analysis.study_file import StudyError

    arms = study.recipe.arms()
    for path in known.values():
        try:
            other = read(path)
        except StudyError:
            continue
        # One arm's training holds every setting that trainings have.
        alike = other.recipe.training(arms[0], 0) == study.recipe.training(arms[0], 0)
        if other.recipe.equal_cpu and alike and other.runs and {*arms} <= {*other.recipe.arms()}:
            return other
    return None


# ---------------------------------------------------------------------- what is looked at


def choose_study(place: DeltaGenerator, known: dict[str, Path]) -> str:
    """Draw the choice of a study; return its key."""
    keys = list(known)
    if (asked := state.wanted("study")) is not None and asked not in known:
        gone.stop(st.container(), "study", gone.study(asked), {key: key for key in keys})
    key = state.choice(
        "study",
        keys,
        FIRST if FIRST in keys else keys[0],
        lambda: place.selectbox("Study", keys, key="study", on_change=_forget_arms),
        name="the study",
    )
    state.write_url({"study": key})
    return key


def choose_arms(one: DeltaGenerator, others: DeltaGenerator, study: Study) -> list[tuple[str, str]]:
    """Draw the choice of what is compared, and with what; return the subject, then the others."""
    from ..analysis.compare import subjects

    options = ["/".join(subject) for subject in subjects(study)]

    def name_of(option: str) -> str:
        return name(study, _subject(option))

    chosen = one.selectbox("Compared", options, format_func=name_of, key="subject", bind="query-params")
    rest = [option for option in options if option != chosen]
    if "against" in st.session_state:
        # What has become the subject cannot stand on the other side any more.
        st.session_state["against"] = [option for option in st.session_state["against"] if option in rest]
    against = others.multiselect(
        f"with (up to {MOST_OTHERS})",
        rest,
        default=_usual(rest, chosen),
        format_func=name_of,
        max_selections=MOST_OTHERS,
        key="against",
        bind="query-params",
    )
    return [_subject(option) for option in (chosen, *against)]


def _subject(option: str) -> tuple[str, str]:
    split, _, init = option.partition("/")
    return split, init


def name(study: Study, subject: tuple[str, str]) -> str:
    """Return what a split with an initialisation is called in a study."""
    from ..analysis.compare import short
    from ..training.study_recipe import Arm

    return short(study, Arm(*subject, ""))


def _usual(others: Sequence[str], subject: str) -> list[str]:
    """Return what a subject is compared with unless something else is asked for."""
    own, init = subject.split("/")
    usual = [f"{split}/{init}" for split in USUAL if f"{split}/{init}" in others]
    # Or else what it shares the initialisation with, and then the split itself with another.
    alike = sorted(others, key=lambda one: (not one.endswith(f"/{init}"), not one.startswith(f"{own}/")))
    return (usual or alike)[:MOST_OTHERS]


def choose_prior(study: Study) -> str:
    """Draw the choice of a prior where there are several."""
    if len(study.priors) == 1:
        return study.priors[0]
    return st.segmented_control(
        "Prior", study.priors, default=study.priors[0], required=True, key="prior", bind="query-params"
    )


def choose_curves(first: str) -> bool:
    """Draw the choice between curves and their differences from the first; return whether it is differences."""
    note = f"*minus* shows what the others need more than {first}, seed by seed."
    options = ["bits/dim", "minus"]
    chosen = st.segmented_control(
        "Curves", options, default=options[0], required=True, key="curves", bind="query-params", help=note
    )
    return chosen == "minus"


def choose_level(numbers: Sequence[int]) -> int:
    """Draw the choice of a level that splits."""
    return st.segmented_control(
        "Level", numbers, default=numbers[0], required=True, key="of-level", bind="query-params"
    )


def choose_measure() -> str:
    """Draw the choice of what is measured of the halves; return its name in the records."""
    named = {"J": "redundancy", "h": "entropy"}
    chosen = st.segmented_control(
        "Measure", list(named), default="J", required=True, key="measure", bind="query-params",
        help="J: redundancy, which decides the order. h: marginal entropy.",
    )  # fmt: skip
    return named[chosen]


def offer_null(place: DeltaGenerator, study: Study, key: str, known: dict[str, Path]) -> None:
    """Draw the button that shows the null control of a study, or leads back from it."""
    null = f"{study.recipe.data}-null"
    if key != null and null in known:
        text = "Two arms that differ by nothing but chance: what does the method say of them?"
        place.button("Show the null", on_click=show, args=(null,), help=text, width="stretch")
    elif key == null and study.recipe.data in known:
        place.button("Back", on_click=show, args=(study.recipe.data,), width="stretch")


# ---------------------------------------------------------------------- the vote


def ask_for_a_vote(letters: dict[tuple[str, str], str]) -> None:
    """Draw the question that a class answers before the names are shown."""
    options = sorted(letters.values())
    st.segmented_control("Which of them needs the fewest bits in the end? The class votes for", options, key="vote")


def answer_the_vote(letters: dict[tuple[str, str], str], names: dict[tuple[str, str], str], study: Study) -> None:
    """Say whom the class voted for, who was who, and who needs the fewest bits under the first prior."""
    from ..analysis.compare_arms import arm_table

    rows = {(row["split"], row["init"]): row for row in arm_table(study) if row["prior"] == study.priors[0]}
    best = letters[min((one for one in letters if one in rows), key=lambda one: rows[one]["bits_per_dim"])]
    voted = st.session_state["vote"]
    verdict = "and that one has the fewest bits" if voted == best else f"but {best} has the fewest bits"
    who = ", ".join(f"{letter} is {names[one]}" for one, letter in sorted(letters.items(), key=lambda pair: pair[1]))
    st.markdown(f"The class voted for **{voted}**, {verdict} in the mean over seeds ({study.priors[0]} prior). {who}.")
    st.button("Vote again", on_click=st.session_state.pop, args=("vote",))


def disguised(shown: Sequence[tuple[str, str]], study: Study) -> dict[tuple[str, str], str]:
    """Return a letter for everything that is compared, in an order that the study's content decides."""
    order = np.random.default_rng(int(study.sha256[:8], 16)).permutation(len(shown))
    return {shown[place]: LETTERS[number] for number, place in enumerate(order)}


def show(key: str) -> None:
    """Show another study, from a callback: what was chosen of this one need not be there."""
    state.set_choice("study", key)
    _forget_arms()


def _forget_arms() -> None:
    for choice in ("subject", "against", "prior", "of-level", "vote"):
        st.session_state.pop(choice, None)


def film_of(arm: Arm) -> str:
    """Return the name of the film of an arm's samples."""
    return f"film-{arm.name}"


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with headings that wrap; small p and CPU seconds are written out: a table has three places."""
    shown = []
    for row in rows:
        small = {key: "< 0.001" for key in ("p", "p_corrected") if row.get(key, 1) < 0.001}
        seconds = {key: f"{row[key]:.1f}" for key in ("cpu_s",) if key in row}
        shown.append({key.replace("_", " "): value for key, value in (row | small | seconds).items()})
    return shown


def runs(study: Study) -> list[dict[str, Any]]:
    """Return one row a run."""
    numbers = ("seed", "bits_per_dim", "iterations", "parameters", "cpu_s")
    return [
        {**dataclasses.asdict(run.arm), **{number: getattr(run, number) for number in numbers}}
        for run in study.runs.values()
    ]


def argument(path: Path) -> str:
    """Return a study's file as the command line takes it, from the project's folder where it lies in there."""
    inside = path.is_relative_to(loaders.ROOT)
    return shlex.quote(str(path.relative_to(loaders.ROOT) if inside else path))


def command(study: Study) -> str:
    """Return the command line that runs a study."""
    return shlex.join(["python", "-m", "eiwflow", *study.recipe.arguments(f"{study.name}.json", 2)])


# ---------------------------------------------------------------------- a study of one's own


def new_file() -> Path:
    """Return the file of a study that is to be started; its name is generated."""
    return own_folder() / f"study-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.json"


def at_equal_cpu_again(study: Study) -> str:
    """Return the command line that runs a study again at equal CPU seconds."""
    recipe = dataclasses.replace(study.recipe, equal_cpu=True)
    return shlex.join(["python", "-m", "eiwflow", *recipe.arguments(f"{study.name}-equal-cpu.json", 2)])


def minutes(recipe: StudyRecipe, known: dict[str, Path]) -> float | None:
    """Return the CPU minutes that a recipe of the usual size takes, by what a step took in the bundled study."""
    from ..analysis.study_file import StudyError

    try:
        study = read(known[FIRST])
    except (StudyError, KeyError):
        return None
    runs = list(study.runs.values())
    if not runs:
        return None
    step = float(np.mean([run.cpu_s / run.iterations for run in runs]))
    return len(recipe.arms()) * recipe.seeds * recipe.iterations * step / 60
