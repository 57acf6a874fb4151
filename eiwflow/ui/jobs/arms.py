"""The choice of the arms of a study that a page compares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from ...study.answer import usual_prior
from ...study.arms import arm_table
from ...study.file import Study, own_samples
from ...study.recipe import AGAIN, Arm
from ...study.statistics import label, subjects
from ..shell.widgets import choose_one

#: Most arms beside the first, limited by the colours.
MOST_OTHERS = 4


def choose(study: Study) -> list[str]:
    """Draw the choice of an arm and of its competitors; return the first, then the others.

    Arms are without their prior (:attr:`.Arm.choice`), which is a separate choice.
    """
    subject_column, others = st.columns([1, 2.5])
    options = subjects(study)
    usual = _usual(study)
    name_of = partial(name, study)
    chosen = subject_column.selectbox("Compared", options, format_func=name_of, key="subject", bind="query-params")
    # The session's value is never written: Streamlit complains about a widget that also has a default.
    against = others.multiselect(
        f"with (up to {MOST_OTHERS})",
        options,
        default=usual,
        format_func=name_of,
        max_selections=MOST_OTHERS,
        key="against",
        bind="query-params",
    )
    return [chosen, *(other for other in against if other != chosen)]


def choose_prior(study: Study) -> str:
    """Draw the choice of a prior if there are several."""
    if len(study.priors) == 1:
        return study.priors[0]
    return choose_one("Prior", study.priors, usual_prior(study), "prior")


def name(study: Study, choice: str) -> str:
    """Return the name of an arm without its prior in a study."""
    return label(study, next(arm for arm in study.arms if arm.choice == choice))


def draw_samples(study: Study) -> None:
    """Draw the samples that flows of one's own left beside their run of seed 0, each under its arm's name."""
    pictures = {arm.order: picture for arm in study.arms if (picture := own_samples(study, arm)) is not None}
    for column, (title, picture) in zip(st.columns(max(1, len(pictures))), pictures.items(), strict=False):
        column.image(picture, f"{title}: 16 samples, temperature 1, seed 0", width=256)


def _usual(study: Study) -> list[str]:
    """Return the default choice: for each order the best arm that passes on the same fraction as the first."""
    arms = {arm.choice: arm for arm in study.arms}
    first, *rest = subjects(study)
    bits: dict[str, float] = {}
    for row in arm_table(study):
        bits.setdefault(Arm.parse(row["arm"]).choice, row["bits_per_dim"])
    own, best = arms[first], dict[tuple[str, str], str]()
    for choice in sorted(rest, key=bits.__getitem__):
        policy = arms[choice].order, arms[choice].weights
        if policy != (own.order, own.weights) and arms[choice].keep == own.keep:
            best.setdefault(policy, choice)
    usual: Sequence[str] = [choice for (order, _), choice in best.items() if order != AGAIN] or rest
    return list(usual[:MOST_OTHERS])
