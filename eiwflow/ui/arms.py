"""Which arms of a study a page compares: one, and those that it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from ..analysis.study_file import Study

#: A split and an initialisation; the prior is chosen apart.
Subject = tuple[str, str]
#: Arms beside the first, of which each has a colour of its own.
MOST_OTHERS = 4


def choose(study: Study) -> list[Subject]:
    """Draw the choice of what is compared, and with what; return the first, then the others."""
    from ..analysis.compare import subjects

    one, others = st.columns([1, 2.5])
    options = ["/".join(subject) for subject in subjects(study)]
    usual = _usual(study)

    def name_of(option: str) -> str:
        return name(study, _subject(option))

    chosen = one.selectbox("Compared", options, format_func=name_of, key="subject", bind="query-params")
    # The session's value is never written: a widget that has a default too would complain of it.
    against = others.multiselect(
        f"with (up to {MOST_OTHERS})",
        options,
        default=usual,
        format_func=name_of,
        max_selections=MOST_OTHERS,
        key="against",
        bind="query-params",
    )
    return [_subject(option) for option in (chosen, *(other for other in against if other != chosen))]


def choose_prior(study: Study) -> str:
    """Draw the choice of a prior where there are several."""
    from ..analysis.leads import usual_prior

    if len(study.priors) == 1:
        return study.priors[0]
    return st.segmented_control(
        "Prior", study.priors, default=usual_prior(study), required=True, key="prior", bind="query-params"
    )


def name(study: Study, subject: Subject) -> str:
    """Return what a split with an initialisation is called in a study."""
    from ..analysis.compare import short
    from ..training.study_recipe import Arm

    return short(study, Arm(*subject, ""))


def _subject(option: str) -> Subject:
    split, _, init = option.partition("/")
    return split, init


def _usual(study: Study) -> list[str]:
    """Return what is shown unless something else is asked for: of each split the arm with the fewest bits."""
    from ..analysis.compare import subjects
    from ..analysis.compare_arms import arm_table
    from ..training.study_recipe import AGAIN

    first, *rest = subjects(study)
    bits: dict[Subject, float] = {}
    for row in arm_table(study):
        bits.setdefault((row["split"], row["init"]), row["bits_per_dim"])
    best: dict[str, Subject] = {}
    for subject in sorted(rest, key=lambda one: bits[one]):
        if subject[0] != first[0]:
            best.setdefault(subject[0], subject)
    found: Sequence[Subject] = [one for one in best.values() if one[0] != AGAIN] or rest
    return ["/".join(one) for one in found[:MOST_OTHERS]]
