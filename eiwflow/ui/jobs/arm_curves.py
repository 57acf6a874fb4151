"""Arms of a study side by side while they train: curves and samples under one slider."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from ...analysis.record import TrainingRecord
from ...figures import compare as figures
from ...figures import steps
from ...study.arms import ArmCurve, arm_curve
from ...study.file import read_record
from ...study.recipe import Arm
from ...training.history import SAMPLE_TEMPERATURE
from ..common.untrusted import plain
from ..components import scrubber
from ..shell.parts import chart, drawn
from ..shell.widgets import choose_one
from ..sources import cache
from .studies import StudyVisit

#: The chart above the slider.
CURVES = "scrub-curves"


def draw(page: StudyVisit, arms: Mapping[Arm, str]) -> None:
    """Draw arms, by their names, under one slider."""
    records = {arm: record for arm in arms if (record := _record(page, arm)) is not None}
    shared = steps.together(record.steps for record in records.values()) if records else None
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        apart = len(arms) > 1 and _choose_curves(next(iter(arms.values())))
        curves = {name: curve for arm, name in arms.items() if (curve := arm_curve(page.study, arm)) is not None}
        if len(curves) > int(apart):
            _draw_curves(page, curves, shared, apart)
        if shared is None:
            st.caption("No records lie beside this study: samples, entropies and orders in training are not known.")
            return
        with scrubber.stays_in_view():
            scrubber.scrubber(shared, under=CURVES)
        for arm, record in records.items():
            st.caption(plain(arms[arm]))
            scrubber.film(shared, record.samples, CURVES, _film_of(arm))
    with right:
        temperature = f"temperature {SAMPLE_TEMPERATURE:g}"
        st.caption(f"8 samples of each arm at the slider’s step: the same noise, {temperature}, seed 0.")
        for arm in records:
            scrubber.sample_view(arms[arm], _film_of(arm), rows=2)


def _record(page: StudyVisit, arm: Arm) -> TrainingRecord | None:
    record = cache.of_study(read_record, page.study, arm=arm)
    return record if record is not None and len(record.steps) > 1 else None


def _film_of(arm: Arm) -> str:
    return f"film-{arm.name}"


def _choose_curves(first: str) -> bool:
    """Draw the choice between curves and their differences from the first; return True for differences."""
    note = f"*minus* shows the lead of {first} over each other arm, seed by seed: above 0 {first} needs fewer bits."
    options = ["bits/dim", "minus"]
    return choose_one("Curves", options, options[0], "curves", help=note) == "minus"


def _draw_curves(page: StudyVisit, curves: dict[str, ArmCurve], shared: np.ndarray | None, apart: bool) -> None:
    """Draw the curves, or their differences from the first, over the recorded steps."""
    part = "test" if page.study.recipe.evaluate_on == "test" else "held-out"
    title = f"bits/dim on {part} crops"
    (base, first), *rest = curves.items()
    if apart:
        curves = {name: left for name, curve in rest if (left := curve.minus(first)) is not None}
        title = f"lead of {base} (bits/dim)"
    axis = first.steps if shared is None else shared
    figure = drawn(figures.curves, curves, axis, title, scrubbed=shared is not None, differences=apart)
    words = "; ".join(f"{name} {curve.in_words()}" for name, curve in curves.items())
    chart(figure, page, CURVES, alt=f"{title}: {words}")
    st.caption("Bold: mean over seeds. Faint: each seed, on some of the crops. Samples are of seed 0.")
