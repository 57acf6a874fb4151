"""What the permutation before a split moves: over training, over images, and beside what other rules would move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from eiwflow import ui
from eiwflow.figures import shuffle as figures
from eiwflow.figures import steps
from eiwflow.ui import cache
from eiwflow.ui.columns import places
from eiwflow.ui.components import scrubber
from eiwflow.ui.rows import readable

if TYPE_CHECKING:
    from eiwflow.analysis.shuffle import ShuffleReport

BESIDE = ("variance-reversed", "glow")
page = ui.begin("What does the permutation move, and when?", "Shuffle", level=True, compare=True, beside=BESIDE)

from eiwflow.analysis.pair import ONE_TRAINING  # noqa: E402 (the title does not wait for torch)
from eiwflow.analysis.words import shuffle as words  # noqa: E402

RULES = {"first": "the first half", "last": "the last half", "random": "a random half", "entropy": "least redundancy"}
takeaway, slider = st.container(), scrubber.stays_in_view()


def measured(one: ui.Page) -> ShuffleReport | None:
    """Return what the permutation of the level moves."""
    level = ui.shuffle_level(one)
    if level is None:
        ui.takeaway("This flow has one level: nothing is split, so there is no permutation.")
        return None
    report: ShuffleReport = cache.measure(one, "shuffle", level)
    return report


place = st.container()
with place:
    columns = ui.side_by_side(page)
found: dict[ui.Page, ShuffleReport] = {}
for one, column in columns:
    with column, ui.errors_as_sentences():
        report = measured(one)
        if report is not None:
            found[one] = report
if not found:
    ui.closing(page, "A permutation needs a level that splits; choose a checkpoint of two levels or more.")
    st.stop()
subject = page if page in found else next(iter(found))
rivers = {one: report.river for one, report in found.items() if report.river is not None}
shared = steps.together(river.steps for river in rivers.values()) if rivers else np.empty(0, dtype=int)
over_training = figures.redundancy_limits(river.redundancy for river in rivers.values()) if rivers else None
over_images = figures.redundancy_limits(report.ties.redundancy for report in found.values())
with takeaway:
    if rivers:
        ui.takeaway(words.moves({one.file.label: river for one, river in rivers.items()}))
    else:
        ui.takeaway(words.sorted_anew(found[subject]))
if rivers:
    scrubber.say_where_steps_differ(shared, [river.steps for river in rivers.values()])
    alone = next(iter(rivers)).key("scrub-river") if len(rivers) == 1 else None
    with slider:
        scrubber.scrubber(shared, start=int(shared[0]), under=alone)
for one, column in columns:
    if one not in found:
        continue
    with column:
        if one in rivers:
            ui.chart(ui.drawn(figures.rank_river, rivers[one], shared), one, "scrub-river", alt=rivers[one].in_words())
            if samples := cache.samples_in_training(one):
                scrubber.film(shared, samples, under=one.key("scrub-river"))
        else:
            st.info("This checkpoint has no training record, so nothing is known of its training.")
            bars = ui.drawn(figures.halves_under, found[one], "in force", over_images)
            ui.chart(bars, one, "halves", alt=found[one].alternatives[0].in_words())
        st.caption(words.rule(found[one].rule))
if len(found) == 2:
    ui.caveat(ONE_TRAINING)


def at_this_step(one: ui.Page) -> None:
    """Draw the redundancies, samples and chance bands that belong to the river."""
    if one not in rivers:
        return
    river = rivers[one]
    bars = ui.drawn(figures.redundancy_by_rank, river, over_training)
    ui.chart(bars, one, "scrub-redundancy", alt=river.structure_in_words())
    if cache.samples_in_training(one):
        with st.container(width=320):
            scrubber.sample_view("16 samples at this step.", of=one.key("scrub-river"))
    ui.chart(ui.drawn(figures.churn, river, shared), one, "churn", alt=river.in_words())
    ui.chart(ui.drawn(figures.kendall_tau, river, shared), one, "tau", alt=river.in_words())
    st.caption(river.beside_chance())


def order(one: ui.Page) -> None:
    """Draw what the order moves, and what the image and the other test images ask for."""
    report = found[one]
    names = ("channel number", "order used")
    moved = ui.drawn(figures.slope, np.arange(report.channels), report.order, names, report.kept)
    ui.chart(moved, one, "slope", alt=report.in_words())
    st.markdown(report.in_words())
    ui.chart(ui.drawn(figures.emitted_over_images, report), one, "images", alt=report.images.in_words())
    facts = cache.measure(one, "facts")[report.level - 1].in_words()
    st.markdown(f"{report.images.in_words()} What the flow itself does: {facts}")
    if report.image is not None:
        own = ui.drawn(figures.slope, report.order, report.image.own_orders[0], ("order used", "own"), report.kept)
        ui.chart(own, one, "own", alt=report.image.in_words())


with ui.fold("At this step: redundancy, samples, churn and Kendall’s τ", "training") as fold:
    if fold.open:
        ui.each(page, lambda one: at_this_step(one) if one in found else None)
with ui.fold("What the order moves, and what each image would ask for", "order") as fold:
    if fold.open:
        ui.each(page, lambda one: order(one) if one in found else None)
with ui.fold("Why not simply the first half, or the last?", "rules") as fold, ui.errors_as_sentences():
    if fold.open:
        halves = cache.measure(subject, "halves_by_steps")
        ui.chart(ui.drawn(figures.halves_by_steps, halves), page, "steps", alt=halves.in_words())
        st.markdown(halves.in_words())
        rule = st.segmented_control(
            "Under another rule this flow would have factored out",
            RULES, format_func=RULES.__getitem__, default="last", required=True, key="rule", bind="query-params",
        )  # fmt: skip
        for one, column in ui.side_by_side(page):
            if one in found:
                with column:
                    said = next(each for each in found[one].alternatives if each.rule == rule).in_words()
                    ui.chart(ui.drawn(figures.halves_under, found[one], rule, over_images), one, "by-rule", alt=said)
                    st.markdown(said)
        ui.caveat("these are the channels of *this* flow. A flow trained under another rule makes other channels.")
with ui.fold("Which couplings see which channels", "couplings") as fold, ui.errors_as_sentences():
    if fold.open:
        seen = cache.measure(subject, "partitions", found[subject].level)
        left, right = places(subject, [1, 1.35])
        with left:
            ui.chart(ui.drawn(figures.told, seen), page, "told", alt=seen.pairs_in_words())
        with right:
            ui.chart(ui.drawn(figures.seen, seen), page, "seen", alt=seen.in_words())
        st.markdown(seen.in_words())

ui.how_to_read("shuffle")


def evidence(one: ui.Page) -> None:
    """Show near-ties, rules and levels as tables, and offer the files."""
    if one not in found:
        return
    report, levels = found[one], range(1, one.checkpoint.info.config.levels)
    st.markdown(report.ties.in_words())
    ui.table(readable(report.ties.table()[:8]))
    ui.table(readable(report.rules_table()))
    ui.table(readable([cache.measure(one, "shuffle", level).summary() for level in levels]))
    tables = {"channels": report.table(), "near-ties": report.ties.table()}
    if one in rivers:
        tables["river"] = rivers[one].table()
    if one is subject:
        tables["steps"] = cache.measure(one, "halves_by_steps").table()
        tables["couplings"] = cache.measure(one, "partitions", report.level).table()
    ui.exports(one, tables=tables, pictures={})
    if samples := cache.samples_in_training(one):
        ui.offer(one, {"samples.gif": lambda: steps.film_gif(samples)})


if (more := ui.more_evidence()).open:
    with more:
        ui.each(page, evidence)
    command = f"--data {page.images.name} --image {page.links['image']} --seed {page.seed} --json"
    lines = (f"analyse {one.argument} --what shuffle --level {found[one].level} {command}" for one in found)
    ui.recipe(page, *lines)

ui.closing(page, "The permutation is the same for every image. How loud a channel is, differs: that is for weights.")
