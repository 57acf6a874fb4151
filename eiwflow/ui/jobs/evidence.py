"""The evidence of all bundled studies: the headline, the ladder of a data set, and the lead against training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ...analysis.words.numbers import counted, fixed, signed
from ...figures import ladder as figures
from ...figures.pixels import file_uri, picture, row
from ...study.claim import OF_THE_LAST, Added, Claim, StartByHalf, added, claim
from ...study.file import Study, read_record
from ...study.ladder import HALVES, STARTS, Count, Ladder, by_set, counts, half_from, ladders
from ...study.recipe import StudyRecipe
from ...study.statistics import Effect
from ..common import state
from ..shell.parts import chart, drawn, table
from ..shell.widgets import choose_one
from ..sources import cache, store
from ..sources.visit import Visit

#: (half, start) of a cell of the table -> it in the words of links.
CELLS = {
    (half, start): f"{words}, {by}"
    for half, by in zip(HALVES, ("fixed", "random", "by variance", "by entropy"), strict=True)
    for start, words in {"random": "random", "principal": "from the data"}.items()
}
#: Shares of the table's width, such that no heading wraps on a small laptop.
COLUMNS = [8, 9, 10]


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
        return self.claim.headline() or "No study here says yet whether it pays to look at the data."

    @property
    def leads(self) -> dict[str, tuple[StudyRecipe, Effect]]:
        """Title -> recipe and lead of start and half from the data, of studies that differ in their length alone.

        Without such a pair, of all studies at equal steps that asked.
        """
        asked = self.counts["data"].leads if "data" in self.counts else {}
        found = {title: (self.ladders[title].study.recipe, lead) for title, lead in asked.items()}

        def in_two_lengths(recipe: StudyRecipe) -> bool:
            others = (other for other, _ in found.values() if other.iterations != recipe.iterations)
            alike = (dataclasses.replace(other, iterations=recipe.iterations) for other in others)
            return not all(map(recipe.difference, alike))

        return {title: each for title, each in found.items() if in_two_lengths(each[0])} or found


def of(studies: Iterable[Study]) -> Evidence:
    """Return the evidence of studies, counted once for every state of their files."""
    listed = list(studies)

    def count() -> Evidence:
        return Evidence(ladders(listed), counts(listed), by_set(listed), claim(listed), added(listed))

    return store.get("study", ("evidence", *((study.path, study.sha256) for study in listed)), count)


def draw(page: Visit, evidence: Evidence, line: DeltaGenerator) -> str:
    """Draw the three parts: start × half, what weights and partitions add, and the lead against training.

    The choice of a data set stands in ``line``. Return what the chosen start and half save; empty without a choice.
    """
    said = _draw_start_by_half({made.study.recipe.data_name: made for made in evidence.claim.tables.values()}, line)
    left, right = st.columns(2, gap="large")
    with left:
        if evidence.added:
            words = " ".join(
                f"{gain.name}: {gain.steps.figures}, {gain.steps.claim}"
                + (f"; at equal CPU seconds {gain.time.figures}, {gain.time.claim}." if gain.time else ".")
                for gain in evidence.added
            )
            figure = drawn(figures.added, evidence.added)
            _chart(figure, page, "added", words, "What else helps?", "Bits saved:")
    with right:
        if leads := evidence.leads:
            words = " ".join(f"{title}: {lead.figures}, {lead.claim}." for title, (_, lead) in leads.items())
            figure = drawn(figures.with_training, leads)
            _chart(figure, page, "leads", words, "Does it last?", "Bits saved:")
    return said


def _chart(figure: go.Figure, page: Visit, what: str, alt: str, title: str, saved: str) -> None:
    """Draw a chart of bits per value saved under its title and legend; for print, with both inside."""
    if page.for_print:
        whole = go.Figure(figure.to_dict()).update_layout(
            title={"text": f"{title} Bits saved", "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}},
            showlegend=True, legend={"y": -40 / figure.layout.height, "yanchor": "top"},
            height=figure.layout.height + 220, margin={"t": 40, "b": 210},
        )  # fmt: skip
        return chart(whole, page, what, alt=alt)
    st.html(f'<p class="eiw-signs"><span><b>{title}</b> {saved}</span>{figures.legend(figure)}</p>')
    chart(figure, page, what, alt=alt)


def _draw_start_by_half(tables: dict[str, StartByHalf], line: DeltaGenerator) -> str:
    """Draw the table of a data set, and what the flow of a chosen cell draws beside Glow's."""
    if not tables:
        return ""
    with line:
        made = tables[choose_one("Images", list(tables), next(iter(tables)), "cells")]
    steps = f"{made.study.recipe.iterations:,}"
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("*Start:* how channels mix before training. *Half:* those passed on.")
        st.markdown(f"**Bits saved** over Glow’s, {steps} steps; click any:")
        half, start = _choose_cell(made)
        seeds = counted(made.seeds, "seed")
        st.markdown(f"Coloured: more than chance, despite many comparisons. ±: 95 % interval, {seeds}.")
    pictures = {}
    for name, cell in {"Glow": ("last", "random"), "chosen": (half, start)}.items():
        record = cache.of_study(read_record, made.study, arm=half_from(*cell))
        if record is not None and record.samples:
            pictures[name] = made.bits(*cell), record.samples[max(record.samples)]
    with right:
        st.html(
            row(
                picture(file_uri(webp, "webp"), f"16 samples, seed 0: {name}", f"<b>{bits:.2f}</b> bits: {name}")
                for name, (bits, webp) in pictures.items()
            )
        )
    return made.in_words(half, start)


def _choose_cell(made: StartByHalf) -> tuple[str, str]:
    """Draw a button for every half from both starts; return the half and start that are chosen."""
    *_, usual = CELLS.values()
    chosen = state.hidden_choice("cell", list(CELLS.values()), usual)
    state.write_unusual("cell", chosen, usual)
    with st.container(key="cells-of-table"):
        for name, place in zip(("half passed on", *STARTS.values()), st.columns(COLUMNS), strict=True):
            place.markdown(f"**{name}**")
        for half, name in HALVES.items():
            label, *places = st.columns(COLUMNS, vertical_alignment="center")
            label.markdown(name)
            for start, place in zip(STARTS, places, strict=True):
                word = CELLS[half, start]
                look: Literal["secondary", "tertiary"] = "secondary" if word == chosen else "tertiary"
                take = partial(state.set_choice, "cell", word)
                place.button(_lead(made, half, start), f"cell-{word}", on_click=take, type=look, width="stretch")
    return next(cell for cell, word in CELLS.items() if word == chosen)


def _lead(made: StartByHalf, half: str, start: str) -> str:
    """Return the lead of a cell in Markdown, blue where it saves bits and orange where it costs some."""
    if (lead := made.cells[half, start]) is None:
        return "0"
    colour, saved = {"ahead": "blue", "behind": "orange"}.get(lead.claim), signed(lead.lead, 3)
    return f"{f':{colour}-background[{saved}]' if colour else saved} :gray[±{fixed((lead.high - lead.low) / 2, 3)}]"


def draw_ladder(page: Visit, ladder: Ladder) -> None:
    """Draw a ladder, if its study has one."""
    if ladder.rungs:
        chart(drawn(figures.waterfall, ladder.rungs), page, f"ladder-{ladder.study.name}", alt=ladder.in_words())


def draw_further(page: Visit, evidence: Evidence) -> None:
    """Draw the effects that were written down, the ladder of a data set, and every question with its count."""
    st.caption(f"{OF_THE_LAST} A colour is significant after correcting for all comparisons; ± is of one alone.")
    for title, made in evidence.claim.tables.items():
        st.markdown(
            f"**Start × half**, written down before the runs; two (faces16: four) of its effects had been seen: {title}"
        )
        leads = [{"": lead.name, "bits/dim saved": lead.figures, "claim": lead.claim} for lead in made.effects.values()]
        table(leads, pale=[place for place, lead in enumerate(leads) if lead["claim"] == "not shown"])
    if sets := list(evidence.by_set):
        chosen = choose_one("Data set", sets, sets[0], "set", label_visibility="collapsed")
        draw_ladder(page, evidence.by_set[chosen])
    st.markdown("\n".join(f"- {count.in_words()}" for count in evidence.counts.values()))
    st.caption(
        "Glow's half and a random one are fixed in advance; those by entropy and by variance are chosen from data, "
        "once, before the first step. With random partitions the couplings of a step read random halves of the "
        "channels, not always the same two. In studies with them the start from the data comes with these, and "
        "the last couplings of a level read the half of its split (with a random half, that of largest variance). "
        "Not counted here: studies at equal time, and those of start × half above."
    )
