"""What the permutation before a split moves: over training, over images, and beside what a static split sends out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from eiwflow import ui
from eiwflow.analysis.pair import ONE_TRAINING, ShufflePair
from eiwflow.figures import shuffle as figures
from eiwflow.figures import steps
from eiwflow.ui import shuffle_loaders as loaders
from eiwflow.ui.columns import again, draw_each, places
from eiwflow.ui.components import scrubber

if TYPE_CHECKING:
    from eiwflow.analysis.shuffle import ShuffleReport

page = ui.begin("What does the permutation move, and when?", "Shuffle", level=True, compare=True)

RULES = {
    "entropy": "This flow sorts them by redundancy J: what is nearest to white noise leaves, what still has structure "
    "stays for more flow. It sorted once, when it first saw images, and keeps that order, since layers were then "
    "initialised for it.",
    "first": "This flow has no Shuffle: by rule it sends out the first half, whatever is in it.",
    "last": "This flow has no Shuffle: by rule it sends out the last half, whatever is in it.",
    "random": "This flow has no Shuffle that looks at images: its order was drawn once, as a control.",
}


def said_of(rule: str) -> str:
    """Return what an order is, in a sentence or two."""
    return RULES.get(rule, f"The order “{rule}” decides.")


above, found = st.container(), {}
with st.container():
    slider, main = scrubber.stays_in_view(), ui.side_by_side(page)
for one, place in main:
    with place, ui.errors_as_sentences():
        level = ui.shuffle_level(one)
        if level is None:
            ui.takeaway("This flow has one level: nothing is split, so there is no permutation.")
        else:
            found[one] = loaders.report(one, level)
if not found:
    ui.closing(page, "A permutation needs a level that splits; choose a checkpoint of two levels or more.")
    st.stop()
subject = page if page in found else next(iter(found))
rivers = {one: report.river for one, report in found.items() if report.river is not None}
shared = steps.together(river.steps for river in rivers.values()) if rivers else np.empty(0, dtype=int)
over_training = figures.redundancy_limits(river.redundancy for river in rivers.values()) if rivers else None
over_images = figures.redundancy_limits(report.ties.redundancy for report in found.values())


def river(one: ui.Page) -> None:
    """Draw the main view, the slider that moves it where it stands alone, and samples along the way."""
    ui.chart(ui.drawn(figures.rank_river, rivers[one], shared), one, "scrub-river", alt=rivers[one].in_words())
    if page.other is None:
        scrubber.scrubber(shared, under=one.key("scrub-river"))
    if samples := loaders.samples(one):
        scrubber.film(shared, samples, under=one.key("scrub-river"))


def at_this_step(one: ui.Page) -> None:
    """Draw what the slider moves beside the river."""
    views = st.columns([1, 1.7]) if page.other is not None else [st.container(), st.container()]
    with views[0]:
        if loaders.samples(one):
            scrubber.sample_view("16 samples at this step; ε is the same at every step.", of=one.key("scrub-river"))
    with views[1]:
        bars = ui.drawn(figures.redundancy_by_rank, rivers[one], over_training)
        ui.chart(bars, one, "scrub-redundancy", alt=rivers[one].structure_in_words())
        st.caption("J of the channels at this step. Blue right of the line, hatched left of it: would change sides.")


def by_itself(one: ui.Page, report: ShuffleReport) -> None:
    """Draw what a checkpoint tells that has no training record."""
    st.info(
        "This checkpoint has no training record, so nothing is known of its way here. What it tells by itself: "
        "the order in force, and the J of its channels now."
    )
    st.subheader("What it keeps and sends out")
    bars = ui.drawn(figures.halves_under, report, "in force", over_images)
    ui.chart(bars, one, "halves", alt=report.alternatives[0].in_words())
    st.caption(report.ties.in_words())


def slope(one: ui.Page, report: ShuffleReport) -> None:
    """Draw what the order moves."""
    st.subheader("What the order moves")
    names = ("channel number", "order in force")
    moved = ui.drawn(figures.slope, np.arange(report.channels), report.order, names, report.kept)
    ui.chart(moved, one, "slope", alt=report.in_words())


def beside_chance(one: ui.Page) -> None:
    """Draw churn and Kendall's τ with their null bands."""
    left, right = st.columns(2)
    with left:
        st.subheader("Churn across the line")
        ui.chart(ui.drawn(figures.churn, rivers[one], shared), one, "churn", alt=rivers[one].in_words())
    with right:
        st.subheader("Kendall’s τ")
        ui.chart(ui.drawn(figures.kendall_tau, rivers[one], shared), one, "tau", alt=rivers[one].in_words())
    st.caption(rivers[one].beside_chance())


def by_rule(one: ui.Page, report: ShuffleReport, rule: str) -> None:
    """Draw what another rule would keep and send out."""
    other = next(each for each in report.alternatives if each.rule == rule)
    ui.chart(ui.drawn(figures.halves_under, report, rule, over_images), one, "by-rule", alt=other.in_words())
    st.markdown(other.in_words())


with above:
    if len(found) == 2:
        (first, of_first), (second, of_second) = found.items()
        ui.takeaway(ShufflePair((first.file.label, second.file.label), (of_first, of_second)).in_words())
        ui.caveat(ONE_TRAINING)
    else:
        ui.takeaway("".join(report.in_words() for report in found.values()))
    rule = "" if page.other is not None else said_of(found[page].rule)
    st.markdown(
        f"At a split half of the channels leave for good, and an order of the channels decides which. {rule} What goes "
        "on moving is the *entropy order*: what sorting would give now."
    )
    if page.other is not None and rivers:
        scrubber.say_where_steps_differ(shared, [river.steps for river in rivers.values()])
        with slider:
            scrubber.scrubber(shared)

for one, place in main:
    if one not in found:
        continue
    with place, ui.errors_as_sentences():
        report = found[one]
        if one in rivers:
            left, right = places(one, [2.3, 1])
            with left:
                river(one)
            with right:
                at_this_step(one)
        elif page.other is not None:
            by_itself(one, report)
        if page.other is not None:
            st.markdown(f"{report.in_words()} {said_of(report.rule)}")

for one, place in again(page) if page.other is not None else main:
    if one not in found:
        continue
    with place, ui.errors_as_sentences():
        left, right = places(one, [1, 1.6])
        with left:
            slope(one, found[one])
        with right:
            if one in rivers:
                beside_chance(one)
            elif page.other is None:
                by_itself(one, found[one])

with ui.errors_as_sentences():
    st.subheader("Why not simply the first half, or the last?")
    left, right = st.columns(2, gap="large")
    halves = loaders.halves_by_steps(subject.checkpoint, subject.images, subject.seed)
    with left:
        ui.chart(ui.drawn(figures.halves_by_steps, halves), page, "steps", alt=halves.in_words())
    with right if page.other is not None else left:
        st.markdown(halves.in_words())
        if halves.init == "principal":
            st.markdown(
                "The first step turns the channels so that those of the largest variance come first; every later step "
                "begins as a swap of the halves. With an even number of steps the structure ends up in the last half "
                "and `static-first`, which sends out the first, does well. With an odd number the *other* static half "
                "is the good one. The entropy order finds it by itself."
            )
        elif halves.dealt:
            st.markdown(
                "The first step turns the channels to their principal directions, and every two couplings are dealt "
                "other halves of them. Whatever the number of steps, the last two have the same: under the entropy "
                "order those that are to stay and to leave, under any other order those of larger and of smaller "
                "variance."
            )
    with st.container() if page.other is not None else right:
        rule = st.segmented_control(
            "Had another rule made the split, it would have sent out",
            ["first", "last", "random", "entropy"],
            format_func={
                "first": "the first half", "last": "the last half", "random": "a random half", "entropy": "the least J",
            }.__getitem__,
            default="last",
            required=True,
            key="rule",
            bind="query-params",
        )  # fmt: skip
        for one, place in again(page):
            if one in found:
                with place:
                    by_rule(one, found[one], rule)
        ui.caveat(
            "these are the channels of *this* flow, made under its own order. A flow trained with another rule makes "
            "others: a static one learns to bring structure into the half that it keeps. Which flow is better is a "
            "question for Compare."
        )

with ui.errors_as_sentences():
    st.subheader("Who tells whom? What the couplings get to see")
    deals = loaders.deals(subject.checkpoint, subject.images, found[subject].level, subject.seed)
    left, right = st.columns([1, 1.35], gap="large")
    with left:
        ui.chart(ui.drawn(figures.told, deals), page, "told", alt=deals.pairs_in_words())
    with right:
        ui.chart(ui.drawn(figures.seen, deals), page, "seen", alt=deals.in_words())
    st.markdown(
        f"{deals.in_words()} A coupling sees what the half that conditions tells of the other. What two channels of "
        "one half tell of each other (the framed blocks) no coupling of this level sees as long as the halves only "
        "change places."
    )

ui.how_to_read("shuffle")


def evidence(one: ui.Page, report: ShuffleReport) -> None:
    """Show what the views above stand on."""
    left, right = places(one, [1.4, 1])
    with left:
        st.subheader("The order that each image would ask for")
        ui.chart(ui.drawn(figures.emitted_over_images, report), one, "images", alt=report.images.in_words())
        facts = loaders.facts(one, report.level).in_words()
        st.markdown(f"{report.images.in_words()} What the flow itself does: {facts}")
    with right:
        st.subheader("The image looked at, alone")
        image = report.image
        assert image is not None  # a page has one
        names = ("order in force", "by its own J")
        moved = ui.drawn(figures.slope, report.order, image.own_orders[0], names, report.kept)
        ui.chart(moved, one, "own", alt=image.in_words())
    st.subheader("Near-ties at the split line")
    st.markdown(report.ties.in_words())
    ui.table(loaders.readable(report.ties.table()[:8]))
    st.subheader("What each rule would keep and send out")
    ui.table(loaders.readable(report.rules_table()))
    st.subheader("All levels that split")
    ui.table(loaders.readable(loaders.summaries(one)))
    tables = {"channels": report.table(), "near-ties": report.ties.table()}
    if one in rivers:
        tables["river"] = rivers[one].table()
    if one is subject:
        tables |= {"steps": halves.table(), "couplings": deals.table()}
    ui.exports(one, tables=tables, pictures={})
    if one in rivers and (samples := loaders.samples(one)):
        ui.offer(one, {"samples.gif": lambda: steps.film_gif(samples)})


if (more := ui.more_evidence()).open:
    with more:
        draw_each(again(page), found, evidence)
        ui.recipe(
            page,
            *(
                f"analyse {one.argument} --what shuffle --level {report.level} --data {page.images.name} "
                f"--image {page.links['image']} --seed {page.seed} --json"
                for one, report in found.items()
            ),
        )

ui.closing(
    page,
    "The permutation moves channels once; what it cannot do is change how loud they are in one image and another. "
    "That is what weights are for.",
)
