"""The evidence of all bundled studies: the headline, the ladder of a data set, and the lead against training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from ...figures import ladder as figures
from ...study.claim import OF_THE_LAST, Added, Claim, added, claim
from ...study.file import Study
from ...study.ladder import Count, Ladder, by_set, counts, ladders
from ...study.recipe import StudyRecipe
from ...study.statistics import Effect
from ...study.words import OWN_WEIGHTS
from ..shell.parts import chart, drawn, table
from ..shell.widgets import choose_one
from ..sources import store
from ..sources.visit import Visit


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of several studies.

    Attributes:
        ladders: title -> ladder.
        counts: key of a question -> its count.
        by_set: data set -> its shown ladder.
        claim: what the studies together say.
        added: what own weights and random partitions add, at equal steps and at equal time.

    """

    ladders: dict[str, Ladder]
    counts: dict[str, Count]
    by_set: dict[str, Ladder]
    claim: Claim
    added: list[Added]

    @property
    def headline(self) -> str:
        """The advice that the studies bear out, in a sentence."""
        return self.claim.headline() or "No study here says yet whether looking at the data pays."

    @property
    def leads(self) -> dict[str, tuple[StudyRecipe, Effect]]:
        """Title -> recipe and lead of a split that looks at the data, of all studies at equal steps that asked."""
        asked = self.counts["data"].leads if "data" in self.counts else {}
        return {title: (self.ladders[title].study.recipe, lead) for title, lead in asked.items()}


def of(studies: Iterable[Study]) -> Evidence:
    """Return the evidence of studies, counted once for every state of their files."""
    listed = list(studies)

    def count() -> Evidence:
        return Evidence(ladders(listed), counts(listed), by_set(listed), claim(listed), added(listed))

    return store.get("study", ("evidence", *((study.path, study.sha256) for study in listed)), count)


def draw(page: Visit, evidence: Evidence) -> None:
    """Draw the three parts: start × half, what weights and partitions add, and the lead against training."""
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        if tables := {made.study.recipe.data_name: made for made in evidence.claim.tables.values()}:
            st.markdown("**Start × half**: bits per value saved over Glow's flow")
            names = list(tables)
            chosen = choose_one("Data set", names, names[0], "cells", label_visibility="collapsed")
            table(tables[chosen].table(), best=tables[chosen].best)
            st.caption(
                "Half: channels passed on. Start: rotations at random, or along principal directions. Brackets: 95 %."
            )
    with right:
        if evidence.added:
            st.markdown("**What more is added** at equal steps and equal time")
            words = " ".join(
                f"{gain.name}: {gain.steps.figures}, {gain.steps.claim}"
                + (f"; at equal CPU seconds {gain.time.figures}, {gain.time.claim}." if gain.time else ".")
                for gain in evidence.added
            )
            chart(drawn(figures.added, evidence.added), page, "added", alt=words)
            st.caption(f"{OWN_WEIGHTS} Random partitions: couplings read random halves.")
    if leads := evidence.leads:
        words = " ".join(f"{title}: {lead.figures}, {lead.claim}." for title, (_, lead) in leads.items())
        st.markdown("**After more training**: a principal start with the half by entropy against Glow's flow")
        chart(drawn(figures.with_training, leads), page, "leads", alt=words)


def draw_ladder(page: Visit, ladder: Ladder) -> None:
    """Draw a ladder, if its study has one."""
    if ladder.rungs:
        chart(drawn(figures.waterfall, ladder.rungs), page, f"ladder-{ladder.study.name}", alt=ladder.in_words())


def draw_further(page: Visit, evidence: Evidence) -> None:
    """Draw the effects that were written down, the ladder of a data set, and every question with its count."""
    st.caption(f"The first screen's table has intervals over seeds that are not corrected. {OF_THE_LAST}")
    for title, made in evidence.claim.tables.items():
        st.markdown(f"**Start × half**, as written down before the runs: {title}")
        leads = [{"": lead.name, "bits/dim saved": lead.figures, "claim": lead.claim} for lead in made.effects.values()]
        table(leads, pale=[place for place, lead in enumerate(leads) if lead["claim"] == "not shown"])
    if sets := list(evidence.by_set):
        chosen = choose_one("Data set", sets, sets[0], "set", label_visibility="collapsed")
        draw_ladder(page, evidence.by_set[chosen])
    st.markdown("\n".join(f"- {count.in_words()}" for count in evidence.counts.values()))
    st.caption(
        "Glow's half is fixed in advance. The other halves are chosen from data, once, before the first step. In "
        "studies with random partitions the principal start comes with these."
    )
