"""Train the flow of a checkpoint with another split: two arms of a study, or one run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial

import streamlit as st

from ...data import DataError
from ...data.registry import bundled
from ...flow import ConfigError, FlowConfig
from ...flow.config import ROTATED
from ...options import STUDY_SHARED
from ...study import worker
from ...study.recipe import Arm, StudyRecipe
from .. import access
from ..common.untrusted import plain
from ..sources.visit import Page
from . import control, new_study, presets, runs

#: Name -> order and start of a split.
SPLITS = {
    "start from the data, half by entropy": ("entropy", "principal"),
    "start from the data, half by variance": ("variance", "principal"),
    "start from the data, a random half": ("random", "principal"),
    "random start, Glow's half": ("last", "random"),
}
#: Settings that a study shares with a flow; the others are arms, or have no effect on a new flow.
SHARED = ("levels", "steps", "width", *(name for name in STUDY_SHARED if hasattr(FlowConfig, name)))


def recipe(config: FlowConfig, split: str, data: str, seeds: int, iterations: int) -> StudyRecipe:
    """Return a study of a flow with its own split and with another; all else is the flow's.

    Raises:
        ConfigError: no study has such a flow.

    """
    order, init = SPLITS[split]
    own = Arm(config.order, config.weights, config.init, config.partition, str(config.keep), config.prior)
    partition = own.partition if init in ROTATED and own.init in ROTATED else "alternating"
    other = replace(own, order=order, init=init, partition=partition)
    shared = {name: getattr(config, name) for name in SHARED}
    return StudyRecipe(
        data=data, arms=(own, other), seeds=seeds, iterations=iterations, size=config.shape[1], batch=32, **shared
    )


def retrain(page: Page) -> None:
    """Draw the choice of another split, the two commands, and a button for each."""
    config = page.checkpoint.flow.config
    others = [name for name, (order, init) in SPLITS.items() if (order, init) != (config.order, config.init)]
    names = bundled()
    own_data = names.index(page.images.name) if page.images.name in names else 0
    first, second, third, fourth = st.columns([2, 1, 1, 1])
    split = first.selectbox("Train this flow with another split", others, key="retrain-split")
    data = second.selectbox("Data set", names, own_data, key="retrain-data")
    seeds = third.number_input("Seeds", 1, new_study.MOST_SEEDS, 3, key="retrain-seeds")
    steps = fourth.number_input("Steps", 10, presets.MOST_ITERATIONS, 500, 10, key="retrain-steps")
    device = next(iter(presets.devices()))
    try:
        study = recipe(config, split, data, int(seeds), int(steps))
        channels = presets.channels_of(study.data, study.training(study.arms[0], 0).flow)
    except (ConfigError, DataError) as error:
        st.info(plain(error))
        return
    run = study.training(study.arms[-1], 0, channels)
    st.code(
        shlex.join(["python", "-m", "eiwflow", *study.arguments("retrained")]) + "\n" + presets.command(run, device),
        language="bash",
        wrap_lines=True,
    )
    if refused := control.refusal(control.STUDIES) or control.refusal(control.NEW):
        st.error(plain(refused))
    if not access.may_change():
        return
    with st.container(horizontal=True):
        out = new_study.new_folder()
        act = partial(worker.start, study, out)
        st.button("Start the study", key="retrain-study", on_click=control.click, args=(act, control.STUDIES))
        st.button("Start one run", key="retrain-run", on_click=runs.start, args=(lambda: run, device))
        st.page_link("pages/6_compare.py", label="Studies are on Compare")
        st.page_link("pages/9_train.py", label="Runs are on Train")
