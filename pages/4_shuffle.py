"""What the permutation before a split moves: over training, over images, and beside what a static split sends out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from eiwflow import ui
from eiwflow.analysis.pair import ONE_TRAINING, ShufflePair
from eiwflow.figures import shuffle as figures
from eiwflow.figures import steps
from eiwflow.ui import scrubber, texts
from eiwflow.ui import shuffle_loaders as loaders
from eiwflow.ui.columns import again, draw_each, places

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

text, words = st.columns([6, 1])
words.popover("Words", width="stretch").markdown(texts.WORDS)
with text.expander("How to read this"):
    st.markdown(
        """
**The river.** One line a channel. At the left end channels stand in the order *in force*; then, at each recorded step,
in the entropy order of that moment: rank 1 has the largest J on the run's probe images. Above the split line a channel
would be kept, below it would leave. Blue (solid, circles) is kept in force, vermillion (broken, diamonds) leaves.
Where a line is thick, the channel stands on the other side than in force: sorted anew, it would *cross*. Above 24
channels a matrix takes the river's place: a row a channel, in force from top to bottom, blue where it would be kept and
orange where it would leave, × where it would cross. Steps are log-spaced, as they were recorded: early training is
stretched. The slider moves line, bars and samples together; arrow keys move it too.

**J** of a channel is how far its entropy rate lies below that of white noise of the same power, in nats a pixel, from
the periodogram P of each image's map, averaged over images. Loudness does not count, only predictability: a faint white
channel is noise too. J of white noise is 0 up to the estimate's error, so it can come out slightly below.

**Churn** is the part of the channels that would change sides. In one half their number is hypergeometric for a random
order, so the grey band is exact. **Kendall’s τ** compares whole orders: the pairs that stand the same way round minus
those that do not, over all pairs; its band is exact too (counted from the inversions of random orders). Both bands hold
at least 95 % of random orders; steps of one training are not independent draws from them.

**One order for all images.** π is a list of channel numbers, stored in the checkpoint. It takes no part in the density:
a permutation has |det| = 1, and its inverse needs only the list. Each image's own order is shown below as evidence, it
is never used. Sorting every image by its own features would lose which channel is which for the next level.

**Who tells whom.** Before training a level's channels are the principal ones of its input, largest variance first. A
cell is what one of them tells of another: the mutual information of the other's value with the 3×3 values around the
same place, as far as it is linear, less what chance would make of it. The share that is *seen* is a part of the sum of
all cells, so what three channels tell together is not in it. The initialisation `principal` lets the halves change
places from coupling to coupling; `dealt` gives every pair of couplings other halves, by chance or, under the entropy
order, by information: the halves that tell most of each other, then those that tell most of what is left (what was seen
counts 0.3 of its worth), and at last the half that stays and the half that leaves (`dealt-by-chance` and
`dealt-by-information` do one or the other whatever the order, and at last, where the order looks at no data, give the
first half and the second). Deals are made on one half of the images and judged on the other. On the few pixels of a
deep level the cells are mostly noise. All this is where training begins; it goes on to mix channels by itself.

**The original and this project.** The released code of EIW-Flow sorts channels by softmax weights that a small network
makes from a constant; nothing ties them to an entropy. `shuffle` here repairs that: channels are sorted by J, and
nothing else enters the density. `weighted` goes beyond it and also scales every channel of every image by a weight ω
(see Weights). Its order is made in the same way.
"""
    )
    st.latex(
        r"\begin{aligned} J_c & = \tfrac12 \log \sigma_c^2 \\[-4pt] & - \tfrac12 \operatorname*{mean}_{k \neq 0} "
        r"\big[\log P_c(k) + \gamma \\[-4pt] & \qquad + \log 2 \cdot 1(k \equiv -k)\big] \end{aligned}"
    )
    st.latex(
        r"\begin{gathered} \mathrm{churn} = \frac{2m}{C},\; m \sim \mathrm{Hypergeom}\big(C, \tfrac C2, \tfrac C2\big) "
        r"\\ \tau = 1 - \frac{4 \cdot \mathrm{inversions}}{C(C-1)} \end{gathered}"
    )
    ui.caveat(
        "J is estimated map by map. Where opposite edges of a map do not meet, power leaks between frequencies and J "
        "comes out too small; and on the few pixels of a deep level one image's J is mostly noise."
    )


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
