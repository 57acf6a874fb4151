"""Shuffle: effects of the permutation before a split, over training, over images, and beside other rules."""

from __future__ import annotations

import numpy as np
import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.words import shuffle as words
from eiwflow.analysis.words.numbers import described
from eiwflow.figures import shuffle as figures
from eiwflow.figures import steps
from eiwflow.ui import shell as ui
from eiwflow.ui.common.glossary import annotate
from eiwflow.ui.components import scrubber
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import choose_one, places
from eiwflow.ui.sources import cache

page = ui.begin("Does the flow pass on the right channels?", "Shuffle", level=True, compare=True, image=False)
slider = scrubber.stays_in_view()


def together(reports: ui.Results) -> np.ndarray:
    """Return the recording steps of all flows: charts over training share one axis."""
    return steps.together(report.river.steps for report in reports.values() if report.river is not None)


def halves(view: ui.Page, reports: ui.Results, rule: str, what: str) -> str:
    """Draw the halves of this flow's channels under a rule; return them in words."""
    chosen = next(each for each in reports[view].alternatives if each.rule == rule)
    chart = ui.drawn(figures.halves_under, reports[view], rule, list(reports.values()))
    ui.chart(chart, view, what, alt=words.alternative(chosen))
    return words.alternative(chosen)


def main(view: ui.Page, reports: ui.Results) -> None:
    """Draw the ranks over training and the samples, or without a training record the present halves."""
    river, samples = reports[view].river, cache.samples_in_training(view)
    left, right = places(view, [3, 1])
    with left:
        if river is None:
            st.info(words.NO_RECORD)
            halves(view, reports, reports[view].alternatives[0].rule, "halves")
        else:
            sentence = words.over_training(river)
            st.markdown(words.THICK)
            ui.chart(ui.drawn(figures.rank_river, river, together(reports)), view, "scrub-river", alt=sentence)
            if samples:
                scrubber.film(together(reports), samples, under=view.key("scrub-river"))
    with right:
        if river is not None and samples:
            scrubber.sample_view("16 samples at this step.", of=view.key("scrub-river"))
        st.markdown(words.rule(reports[view].rule))


def at_this_step(view: ui.Page, reports: ui.Results) -> None:
    """Draw the redundancies that belong to the river."""
    if (river := reports[view].river) is None:
        return
    beside = [each.river for each in reports.values() if each.river is not None]
    alt = described("Redundancy by rank", words.over_training(river))
    ui.chart(ui.drawn(figures.redundancy_by_rank, river, beside), view, "scrub-redundancy", alt=alt)


def order(view: ui.Page, reports: ui.Results) -> None:
    """Draw how many test images would factor each channel out."""
    report = reports[view]
    st.markdown(words.answer(report))
    ui.chart(ui.drawn(figures.emitted_over_images, report), view, "images", alt=words.images(report.images))
    st.markdown(words.images(report.images))


def load(view: ui.Page) -> object:
    """Return the report of the wanted level; for a flow without a split say so and return None."""
    if (level := ui.shuffle_level(view)) is not None:
        return subjects.shuffle(ui.look(view, level))
    st.info(words.NO_SPLIT)
    return None


reports = ui.draw_columns(page, load, main)
if not reports:
    ui.closing(page, words.END)
    st.stop()
rivers = {view: report.river for view, report in reports.items() if report.river is not None}
if rivers:
    named = {view.file.label: river for view, river in rivers.items()}
    said = {int(step): words.wrong_side(named, int(step)) for step in together(reports)}
    with slider:
        alone = next(iter(rivers)).key("scrub-river") if len(rivers) == 1 else None
        ui.takeaway(said[scrubber.scrubber(together(reports), min(said), alone, said=[*map(annotate, said.values())])])
    scrubber.say_where_steps_differ(together(reports), [river.steps for river in rivers.values()])
else:
    ui.takeaway(words.sorted_anew(next(iter(reports.values()))))
if len(reports) == 2:
    ui.caveat(words.ONE_TRAINING)

ui.folds(
    page,
    reports,
    {
        "How predictable is each channel at this step?": at_this_step,
        "Does every image ask for this order?": order,
    },
)


def evidence(view: ui.Page, reports: ui.Results) -> None:
    """Show the halves of other rules, rules and levels as tables, and offer the files."""
    report, levels = reports[view], range(1, view.checkpoint.info.config.levels)
    st.markdown(halves(view, reports, rule, "by-rule"))
    ui.caveat(words.OTHER_RULES)
    of_levels = [subjects.shuffle(ui.look(view, level)).summary() for level in levels]
    for rows in (report.rules_table(), of_levels):
        ui.table(readable(rows, words.HEADINGS))
    river = {} if report.river is None else {"river": report.river.table()}
    ui.exports(view, tables={"channels": report.table(), **river})
    ui.offer_film(view)


if (more := ui.more_evidence()).open:
    with more:
        question = "Another rule would have factored out"
        rule = choose_one(question, list(words.OTHERS), "last", "rule", format_func=words.OTHERS.__getitem__)
        ui.draw_columns(page, reports.get, evidence)
    choices = {"image": page.number, "seed": page.seed}
    calls = (ui.call(view, "analyse", what="shuffle", level=reports[view].level, **choices) for view in reports)
    ui.reproduce(page, *calls)

ui.closing(
    page, "The permutation is the same for every image, but loudness is not. Next: weights, which respond to it."
)
