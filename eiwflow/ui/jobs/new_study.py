"""Start, watch, end and continue a small study from the page."""

from __future__ import annotations

import secrets
import time
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from ...data.registry import bundled
from ...flow import ConfigError
from ...flow.config import ORDERS, WEIGHTS
from ...study import worker
from ...study.file import StudyError
from ...study.recipe import DEFAULT_ARMS, Arm, StudyRecipe, crossed
from ...study.recipe import control as control_arms
from ...study.run import StudyFolder
from .. import access
from ..common.untrusted import plain
from ..shell import parts
from ..sources import cache
from . import control, studies

#: Words for partitions -> initialisation and partition of an arm.
INIT_WORDS = {
    "random partitions": ("principal", "random"),
    "partitions by information": ("principal", "information"),
    "alternating partitions": ("principal", "alternating"),
    "random initialisation (Glow)": ("random", "alternating"),
    "partitions by information, linear start": ("linear", "information"),
}
#: Fraction passed on -> its text.
KEEPS = {"0.25": "¼", "0.5": "½", "0.75": "¾", "all": "all"}
#: The arms of a new study: those of the ladder, or all combinations of lists.
LADDER, CHOSEN = "the ladder", "my own choice"
MOST_SEEDS, MOST_ITERATIONS = 8, 500
#: Seconds between two updates of a running study.
LOOK_S = 2


def draw(known: dict[str, Path], watched: str | None = None) -> None:
    """Draw the studies under way, except the one watched elsewhere, and the form for a new study."""
    if refused := control.refusal(control.STUDIES):
        st.error(plain(refused))
    if (ended := st.session_state.get("_study_ended")) in known:
        st.success(f"{plain(ended)} is done.")
        st.button("Show it", key="show-ended", type="primary", on_click=_show, args=(ended,))
    own = {key: path for key, path in known.items() if path.parent == studies.own_folder()}
    for key, path in own.items():
        if key != watched:
            watch(key, path)
    if not access.may_change():
        st.info(access.TEACHER_ONLY if access.settings().classroom else access.NOBODY)
        return
    st.markdown(
        "Every arm is trained with every seed on one thread, beside the app; the page may be closed meanwhile. "
        "3 levels of 4 steps, width 48, 16×16 crops, batch 64: larger ones run from the command line."
    )
    first, second = st.columns(2)
    first.selectbox("Data set", bundled(), key="study-data")
    second.segmented_control("Arms", [LADDER, CHOSEN], default=LADDER, required=True, key="study-arms")
    if st.session_state["study-arms"] == CHOSEN:
        _draw_choices()
    first, second = st.columns(2)
    first.number_input("Seeds", 1, MOST_SEEDS, 3, key="study-seeds")
    second.number_input("Iterations", 10, MOST_ITERATIONS, 100, 10, key="study-iterations")
    st.toggle("Also run `random` against itself (A/A control)", key="study-null")
    recipe, left_out = _recipe()
    for sentence in left_out:
        st.caption(plain(sentence))
    if recipe is None:
        st.info("Choose at least one of each, or the A/A control.")
        return
    runs, minutes = len(recipe.arms) * recipe.seeds, _minutes(recipe, known)
    about = "" if minutes is None else f", about {max(0.1, minutes):.1f} minutes as bundled studies took"
    st.markdown(f"{runs} runs{about}. {'One seed shows nothing.' if recipe.seeds == 1 else ''}")
    st.button("Start the study", type="primary", on_click=_start, args=(new_folder(),))


def _draw_choices() -> None:
    """Draw lists whose combinations are the arms."""
    first, second, third = st.columns(3)
    first.multiselect("Order", ORDERS, default=["entropy", "variance", "random"], key="study-orders")
    second.multiselect("Channel weights", list(WEIGHTS), default=["none"], key="study-weights")
    third.multiselect("Partitions", INIT_WORDS, default=["random partitions"], key="study-inits")
    first, second = st.columns(2)
    first.multiselect("Passed on", KEEPS, default=["0.5"], format_func=KEEPS.__getitem__, key="study-keeps")
    second.multiselect("Priors", ["conditional", "standard"], default=["conditional"], key="study-priors")


def _recipe() -> tuple[StudyRecipe | None, list[str]]:
    """Return the recipe of the controls, None without any arm, and a sentence for every arm left out."""

    def chosen(name: str) -> Any:  # noqa: ANN401 (of the control)
        return st.session_state[f"study-{name}"]

    is_own = chosen("arms") == CHOSEN
    if is_own and "study-orders" not in st.session_state:
        return None, []  # they were not drawn when the visitor clicked
    orders, weights, inits, keeps, priors = (
        map(chosen, ("orders", "weights", "inits", "keeps", "priors")) if is_own else ([], [], [], [], ["conditional"])
    )
    arms: list[Arm] = [] if is_own else list(DEFAULT_ARMS)
    left_out: list[str] = []
    for init, partition in (INIT_WORDS[word] for word in inits):
        try:
            crossings, sentences = crossed(orders, weights, [init], [partition], keeps, priors)
            arms, left_out = [*arms, *crossings], [*left_out, *sentences]
        except ConfigError as error:
            left_out.append(str(error))
    arms += control_arms(priors) if chosen("null") else []
    if not arms:
        return None, []
    seeds, iterations = int(chosen("seeds")), int(chosen("iterations"))
    return StudyRecipe(data=chosen("data"), arms=tuple(arms), seeds=seeds, iterations=iterations), left_out


def new_folder() -> Path:
    """Return the folder of a new study, with a generated name."""
    return studies.own_folder() / f"study-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _minutes(recipe: StudyRecipe, known: dict[str, Path]) -> float | None:
    """Estimate the CPU minutes of a recipe from the time of an image in a bundled study of its size."""
    size = ("size", "levels", "steps", "width", "network")
    bundled = {key: path for key, path in known.items() if path.parent == studies.BUNDLED}
    for study in studies.readable(bundled).values():
        alike = all(getattr(study.recipe, name) == getattr(recipe, name) for name in size)
        if alike and study.runs:
            seconds = sum(run.cpu_s for run in study.runs.values())
            images = study.recipe.batch * sum(run.iterations for run in study.runs.values())
            return len(recipe.arms) * recipe.seeds * recipe.iterations * recipe.batch * seconds / images / 60
    return None


def watch(key: str, path: Path) -> None:
    """Draw the progress of a visitor's study, unless it is done."""
    try:
        alive = StudyFolder(path).state().alive
        if cache.study(path).is_done and not alive:
            return
    except StudyError as error:
        st.error(plain(error))
        return
    st.fragment(_progress, run_every=LOOK_S if alive else None)(key, path, alive)


def _progress(key: str, path: Path, was_alive: bool) -> None:
    try:
        study, state = cache.study(path), StudyFolder(path).state()
    except StudyError:  # it has just been removed or damaged, which the page says
        st.rerun()
    total, alive = len(study.recipe.arms) * study.recipe.seeds, state.alive
    if state.frozen:
        st.warning(parts.frozen(state.silent_s))
    word = "is running" if alive else "has been stopped"
    st.progress(len(study.runs) / total, f"{study.name} {word}: {len(study.runs)} of {total} runs are done.")
    with st.container(horizontal=True):
        if not access.may_change():
            st.caption("Only the teacher may change it.")
        control.buttons(StudyFolder(path), partial(worker.start, study.recipe, path), study=key)
        if study.runs:
            st.button("Show it", key=f"show-{key}", on_click=_show, args=(key,))
    if not alive and state.message:
        st.error(plain(state.message))
    if was_alive and not alive:  # it has just ended: draw the page once more and stop watching
        if study.is_done:
            st.session_state["_study_ended"] = key
        st.rerun()


def _show(key: str) -> None:
    st.session_state.pop("_study_ended", None)
    studies.show(key)


def _start(path: Path) -> None:
    """Start the study that the controls show at this click."""
    recipe, _ = _recipe()
    if recipe is not None:
        control.click(partial(worker.start, recipe, path), control.STUDIES)
