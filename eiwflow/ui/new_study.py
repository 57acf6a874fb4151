"""Start a small study from the page, watch it, end it, go on with it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ..flow.config import INITS, FlowConfig
from . import cache, classroom, loaders, parts, studies
from .foreign import plain

if TYPE_CHECKING:
    from ..training.study_recipe import StudyRecipe

#: Splits that a study from the page may have, and the most of each of its numbers.
SPLITS = (
    "static-first", "static-last", "random", "shuffle", "weighted", "first+pooled", "last+pooled", "random+pooled",
)  # fmt: skip
#: Initialisation -> what it is called, where it states a partition as well.
INIT_WORDS = {
    "dealt": "principal, partitions by the order",
    "dealt-by-information": "principal, partitions by information",
    "dealt-by-chance": "principal, random partitions",
    "principal": "principal, alternating partitions",
}
MOST_SEEDS, MOST_ITERATIONS = 8, 500
#: Seconds between two looks at a study that is under way.
LOOK_S = 2


def draw(known: dict[str, Path]) -> None:
    """Draw what is under way, and the form for a new study."""
    if refused := st.session_state.pop("_study_refused", ""):
        st.error(plain(refused))
    if (ended := st.session_state.get("_study_ended")) in known:
        st.success(f"{plain(ended)} is done.")
        st.button("Show it", key="show-ended", type="primary", on_click=_show, args=(ended,))
    own = {key: path for key, path in known.items() if path.parent == studies.own_folder()}
    for key, path in own.items():
        _watch(key, path)
    if not classroom.may_change():
        st.info("On this server only the teacher runs studies. What is there can be looked at.")
        return
    st.markdown(
        "Every arm is trained with every seed on one thread, beside the app; the page may be closed meanwhile. "
        "3 levels of 4 steps, width 48, 16×16 crops, batch 64: larger ones run from the command line."
    )
    first, second, third = st.columns(3)
    data = first.selectbox("Data set", loaders.data_sets(), key="study-data")
    priors = second.multiselect("Priors", ["conditional", "standard"], default=["conditional"], key="study-priors")
    inits = third.multiselect(
        "Initialisation",
        INITS,
        default=[FlowConfig.init],
        format_func=lambda init: INIT_WORDS.get(init, init),
        key="study-inits",
    )
    splits = st.multiselect("Splits", SPLITS, default=["static-first", "static-last", "weighted"], key="study-splits")
    first, second = st.columns(2)
    seeds = first.number_input("Seeds", 1, MOST_SEEDS, 3, key="study-seeds")
    iterations = second.number_input("Iterations", 10, MOST_ITERATIONS, 100, 10, key="study-iterations")
    null = st.toggle("Also run `random` against itself (A/A control)", key="study-null")
    recipe = _recipe(data, splits, inits, priors, null, seeds, iterations)
    if recipe is None:
        st.info("Choose at least one split, one prior and one initialisation, or the A/A control.")
        return
    runs, minutes = len(recipe.arms()) * recipe.seeds, _minutes(recipe, known)
    about = "" if minutes is None else f", about {max(0.1, minutes):.1f} minutes as bundled studies took"
    st.markdown(f"{runs} runs{about}. {'One seed is no conclusion.' if recipe.seeds == 1 else ''}")
    st.button("Start the study", type="primary", on_click=_start, args=(recipe, _new_file()))


def _recipe(
    data: str, splits: list[str], inits: list[str], priors: list[str], null: bool, seeds: int, iterations: int
) -> StudyRecipe | None:
    from ..training.study_recipe import StudyRecipe

    if not (priors and inits and (splits or null)):
        return None
    return StudyRecipe(
        data=data,
        splits=tuple(splits),
        inits=tuple(inits),
        priors=tuple(priors),
        null=null,
        seeds=int(seeds),
        iterations=int(iterations),
    )


def _new_file() -> Path:
    """Return the file of a study that is to be started; its name is generated."""
    return studies.own_folder() / f"study-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.json"


def _minutes(recipe: StudyRecipe, known: dict[str, Path]) -> float | None:
    """Return the CPU minutes that a recipe takes, by what an image took in a bundled study of flows of its size."""
    size = ("size", "levels", "steps", "width", "network")
    for key, study in studies.readable(known).items():
        alike = all(getattr(study.recipe, name) == getattr(recipe, name) for name in size)
        if alike and study.runs and known[key].parent == studies.BUNDLED:
            seconds = sum(run.cpu_s for run in study.runs.values())
            images = study.recipe.batch * sum(run.iterations for run in study.runs.values())
            return len(recipe.arms()) * recipe.seeds * recipe.iterations * recipe.batch * seconds / images / 60
    return None


def _watch(key: str, path: Path) -> None:
    """Draw where a study of one's own stands, unless it is done."""
    from ..analysis.study_file import StudyError
    from ..training import study_worker

    try:
        if cache.study(path).is_done and not study_worker.alive(path):
            return
    except StudyError as error:
        st.error(plain(error))
        return
    st.fragment(_progress, run_every=LOOK_S if study_worker.alive(path) else None)(key, path)


def _progress(key: str, path: Path) -> None:
    from ..training import process, study_worker

    study, alive = cache.study(path), study_worker.alive(path)
    total = len(study.recipe.arms()) * study.recipe.seeds
    if (silent := study_worker.silent_s(path)) > process.SILENT_S:
        st.warning(parts.frozen(silent))
    state = "is running" if alive else "has been stopped"
    st.progress(len(study.runs) / total, f"{study.name} {state}: {len(study.runs)} of {total} runs are done.")
    with st.container(horizontal=True):
        if not classroom.may_change():
            st.caption("Only the teacher may change it.")
        elif alive:
            st.button("Stop", key=f"stop-{key}", on_click=_try, args=(study_worker.stop, path))
            if silent > process.SILENT_S:
                st.button("Kill", key=f"kill-{key}", on_click=_try, args=(study_worker.kill, path))
        else:
            st.button("Go on", key=f"go-on-{key}", on_click=_start, args=(study.recipe, path))
        if study.runs:
            st.button("Show it", key=f"show-{key}", on_click=_show, args=(key,))
    if not alive and (said := study_worker.complaint(path)):
        st.error(plain(said))
    if st.session_state.get(f"_alive-{key}") and not alive:
        # It has just ended: the page is drawn once more, and the look at it comes to an end.
        st.session_state[f"_alive-{key}"] = False
        if study.is_done:
            st.session_state["_study_ended"] = key
        st.rerun()
    st.session_state[f"_alive-{key}"] = alive


def _show(key: str) -> None:
    st.session_state.pop("_study_ended", None)
    studies.show(key)


def _start(recipe: StudyRecipe, path: Path) -> None:
    from ..training import study_worker

    _try(study_worker.start, recipe, path)


def _try(act: Callable[..., None], *arguments: object) -> None:
    from ..training.run import RunError

    try:
        classroom.check_change()
        act(*arguments)
    except RunError as error:
        st.session_state["_study_refused"] = str(error)
