"""What the permutation before a split moves: over training, over images, and beside what a static split sends out."""

import numpy as np
import streamlit as st

from eiwflow import ui
from eiwflow.figures import shuffle as figures
from eiwflow.ui import scrubber
from eiwflow.ui import shuffle_loaders as loaders

page = ui.begin("What does the permutation move, and when?", "Shuffle", level=True, compare=True)
level = ui.shuffle_level(page)
if level is None:
    ui.takeaway("This flow has one level: nothing is split, so there is no permutation.")
    ui.closing(page, "A permutation needs a level that splits; choose a checkpoint of two levels or more.")
    st.stop()

RULES = {
    "entropy": "This flow sorts them by redundancy J: what is nearest to white noise leaves, what still has structure "
    "stays for more flow. It sorted once, when it first saw images, and keeps that order, since layers were then "
    "initialised for it.",
    "first": "This flow has no Shuffle: by rule it sends out the first half, whatever is in it.",
    "last": "This flow has no Shuffle: by rule it sends out the last half, whatever is in it.",
    "random": "This flow has no Shuffle that looks at images: its order was drawn once, as a control.",
}

with ui.errors_as_sentences():
    report = loaders.report(page, level)
    river = report.river
    ui.takeaway(report.in_words())
    st.markdown(
        f"At a split half of the channels leave for good, and an order of the channels decides which. "
        f"{RULES[report.rule]} What goes on moving is the *entropy order*: what sorting would give now."
    )
    if river is None:
        st.info(
            "This checkpoint has no training record, so nothing is known of its way here. What it tells by itself: "
            "the order in force, and the J of its channels now."
        )
        first, *rest = st.columns([1, 1.6], gap="large")
        with rest[0]:
            st.subheader("What it keeps and sends out")
            ui.chart(figures.halves_under(report, "in force"), page, "halves", alt=report.alternatives[0].in_words())
            st.caption(report.ties.in_words())
    else:
        samples = loaders.record(page).samples
        left, right = st.columns([2.3, 1], gap="medium")
        with left:
            ui.chart(figures.rank_river(river), page, "scrub-river", alt=river.in_words())
            scrubber.scrubber(river.steps, samples=samples)
        with right:
            if samples:
                scrubber.sample_view("16 samples at this step; ε is the same at every step.")
            ui.chart(figures.redundancy_by_rank(river), page, "scrub-redundancy", alt=f"J by rank in level {level}")
            st.caption(
                "J of the channels at this step. Blue right of the line, hatched left of it: would change sides."
            )
        first, *rest = st.columns([1.2, 1, 1], gap="medium")
        with rest[0]:
            st.subheader("Churn across the line")
            ui.chart(figures.churn(river), page, "churn", alt=river.in_words())
        with rest[1]:
            st.subheader("Kendall’s τ")
            ui.chart(figures.kendall_tau(river), page, "tau", alt=river.in_words())
        st.caption(river.beside_chance())
    with first:
        st.subheader("What the order moves")
        before = np.arange(report.channels)
        names = ("channel number", "order in force")
        ui.chart(figures.slope(before, report.order, names, report.kept), page, "slope", alt=report.in_words())

    st.subheader("Why not simply the first half, or the last?")
    left, right = st.columns(2, gap="large")
    with left:
        halves = loaders.halves_by_steps(page.checkpoint, page.images, page.seed)
        ui.chart(figures.halves_by_steps(halves), page, "steps", alt=halves.in_words())
        st.markdown(halves.in_words())
        if halves.init == "principal":
            st.markdown(
                "The first step turns the channels so that those of the largest variance come first; every later step "
                "begins as a swap of the halves. With an even number of steps the structure ends up in the last half "
                "and `static-first`, which sends out the first, does well. With an odd number the *other* static half "
                "is the good one. The entropy order finds it by itself."
            )
    with right:
        rule = st.segmented_control(
            "Had another rule made the split, it would have sent out",
            ["first", "last", "random", "entropy"],
            format_func={
                "first": "the first half", "last": "the last half", "random": "a random half", "entropy": "the least J",
            }.get,
            default="last",
            required=True,
            key="rule",
            bind="query-params",
        )  # fmt: skip
        other = next(one for one in report.alternatives if one.rule == rule)
        ui.chart(figures.halves_under(report, rule), page, "by-rule", alt=other.in_words())
        st.markdown(other.in_words())
        ui.caveat(
            "these are the channels of *this* flow, made under its own order. A flow trained with another rule makes "
            "others: a static one learns to bring structure into the half that it keeps. Which flow is better is a "
            "question for Compare."
        )

with st.expander("How to read this"):
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

**The original and this project.** The released code of EIW-Flow sorts channels by softmax weights that a small network
makes from a constant; nothing ties them to an entropy. `shuffle` here repairs that: channels are sorted by J, and
nothing else enters the density. `weighted` goes beyond it and also scales every channel of every image by a weight ω
(see Weights). Its order is made in the same way.
"""
    )
    st.latex(
        r"J_c = \tfrac12 \log \sigma_c^2 - \tfrac12 \operatorname*{mean}_{k \neq 0} \big[\log P_c(k) + \gamma + "
        r"\log 2 \cdot 1(k \equiv -k)\big]"
    )
    st.latex(
        r"\mathrm{churn} = \frac{2m}{C},\; m \sim \mathrm{Hypergeom}\big(C, \tfrac C2, \tfrac C2\big); \qquad "
        r"\tau = 1 - \frac{4 \cdot \mathrm{inversions}}{C(C-1)}"
    )
    ui.caveat(
        "J is estimated map by map. Where opposite edges of a map do not meet, power leaks between frequencies and J "
        "comes out too small; and on the few pixels of a deep level one image's J is mostly noise."
    )

with ui.errors_as_sentences(), st.expander("More evidence"):
    left, right = st.columns([1.4, 1], gap="large")
    with left:
        st.subheader("The order that each image would ask for")
        ui.chart(figures.emitted_over_images(report), page, "images", alt=report.images.in_words())
        st.markdown(f"{report.images.in_words()} What the flow itself does: {loaders.facts(page, level).in_words()}")
    with right:
        st.subheader("The image looked at, alone")
        own = report.image.own_orders[0]
        names = ("order in force", "by its own J")
        ui.chart(figures.slope(report.order, own, names, report.kept), page, "own", alt=report.image.in_words())
    st.subheader("Near-ties at the split line")
    st.markdown(report.ties.in_words())
    ui.table(loaders.readable(report.ties.table()[:8]))
    st.subheader("What each rule would keep and send out")
    ui.table(loaders.readable(report.rules_table()))
    st.subheader("All levels that split")
    ui.table(loaders.readable(loaders.summaries(page)))
    tables = {"channels": report.table(), "near-ties": report.ties.table(), "steps": halves.table()}
    ui.exports(page, tables=tables if river is None else {"river": river.table(), **tables}, pictures={})
    ui.recipe(
        f"analyse {page.argument} --what shuffle --level {level} --data {page.images.name} "
        f"--image {page.links['image']} --seed {page.seed} --json"
    )

ui.closing(
    page,
    "The permutation moves channels once; what it cannot do is change how loud they are in one image and another. "
    "That is what weights are for.",
)
