"""Which channels the flow turns up or down, for which image, and where in the image a channel is at home."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import weights as figures
from eiwflow.ui import texts
from eiwflow.ui import weight_loaders as loaders

page = ui.begin(
    "Which channels does the flow turn up or down, and for which image?", "Weights", level=True, compare=True
)
level = ui.shuffle_level(page)
if level is None:
    ui.takeaway("This flow has one level: nothing is split, so there is no Shuffle and nothing to weigh.")
    ui.closing(page, "Weights need a level that splits; choose a checkpoint of two levels or more.")
    st.stop()

with ui.errors_as_sentences():
    weights = loaders.weights(page.checkpoint, page.images, page.image, level, page.seed)
    ui.takeaway(weights.in_words())
    left, right = st.columns([1.5, 1], gap="large")
    if weights.has_weights:
        with left:
            ui.chart(figures.bars(weights), page, "weights", alt=weights.in_words())
            ui.caveat(
                "ω ≈ 1/σ: the largest bar is the *quietest* channel, not the most important one. Only the dots are "
                "identified: a factor that is the same for every image is absorbed by what follows."
                if weights.weighed
                else "these weights are fitted to the channels' standard deviations for display; the flow does not use "
                "them. The fit compares channels of one image, so bars have mean 0 in every image."
            )
        with right:
            st.markdown("**Why they stand where they stand:** redundancy J, mean over images, and this image (dots)")
            ui.chart(figures.redundancy(weights), page, "redundancy", alt=weights.ties_in_words())
            st.markdown("**Over images:** does a quiet channel get a large weight?")
            ui.chart(figures.correlation(weights), page, "correlation", alt=weights.correlations.in_words())
    else:
        with left:
            st.markdown("**What the data say:** redundancy J, mean over images, and this image (dots)")
            ui.chart(figures.redundancy(weights, height=430), page, "redundancy", alt=weights.in_words())
            ui.caveat(
                "where J on these images disagrees with the split, a channel is marked *would stay* or *would leave*. "
                "The flow was trained with its own halves; with another order its channels would be others."
            )
        with right:
            st.markdown("**The entropy rate Ĥ** of the same channels")
            ui.chart(
                figures.entropy_rates(weights, height=430),
                page,
                "entropy-rates",
                alt=f"Ĥ of every channel over {weights.witnesses}",
            )
    st.caption(f"Near the split line: {weights.ties_in_words()}")

    st.subheader("One channel, for every image and down to the pixels")
    channel = loaders.channel(weights)
    position = weights.order.index(channel)
    part = weights.parts[position]
    st.markdown(
        f"Channel {channel} stands at place {position + 1} of {weights.shape[0]}: it is **{part}**. It is one map of "
        f"{weights.shape[1]}×{weights.shape[2]} numbers, and its number says only where it came from."
    )
    if weights.has_weights:
        left, right = st.columns([1.5, 1], gap="large")
        with left:
            st.markdown("**For which image?** The test images that turn it up and down the most")
            st.html(figures.extremes(loaders.pixels(page.images), weights, position, 8))
        with right:
            alone = weights.correlation_in_words(position)
            ui.chart(figures.scatter(weights, position), page, "one-channel", alt=alone)
            st.caption(alone)
    gradient = loaders.gradient(page.checkpoint, page.image, level, channel, page.seed)
    change = None
    if part == "emitted":
        with st.container(horizontal=True, vertical_alignment="bottom"):
            how = st.segmented_control(
                "Its ε is", ["drawn anew", "set to zero"], default="drawn anew", required=True, key="epsilon"
            )
            frozen = weights.weighed and st.toggle("Freeze the weights at the original image", key="frozen")
        with ui.errors_as_sentences():
            change = loaders.resampling(
                page.checkpoint, page.image, level, channel, page.seed, how == "set to zero", frozen
            )
    st.html(figures.pixels(page.image[0].permute(1, 2, 0).numpy(), gradient, change))
    st.markdown(f"{gradient.in_words()} {change.in_words() if change else ''}")
    if part == "kept":
        st.caption("A kept channel goes on and has no ε of its own here: choose an emitted one to draw it anew.")
    elif weights.weighed:
        ui.caveat(
            "what is emitted also decides how the kept half is weighed, so another ε changes the amplitude of every "
            "channel; a channel of zeros is so unlike anything seen that this can be most of the change. *Freeze* "
            "holds all weights of the level at those of the original image: then only this channel changes."
        )

    wide, words = st.columns([6, 1])
    words.popover("Words", width="stretch").markdown(texts.WORDS)
    with wide.expander("How to read this"):
        st.markdown(
            """
**The bars.** Before half of the channels leaves, every channel of every image is multiplied by its own weight ω. A bar
is log ω for this image, from 0: up is louder (×2 at +0.69 nats), down is quieter. Channels stand in the order of the
Shuffle, which is the same for every image; left of the dashed line they are kept, right of it they leave. A channel's
number is a name, not a size: nothing runs from one bar to the next.

**The dots** are what this image adds: log ω minus its mean over test images, with the spread of those images (±1
standard deviation) around 0. They are all that can be interpreted. A weight that is, say, ×1.5 for every image means
nothing, since the next ActNorm, or the prior's σ, takes such a factor back.

**Why weights at all.** An emitted channel is scored under a prior, and a prior of fixed width pays for an image whose
channel is much louder or quieter than usual. Likelihood pushes log ω of an emitted channel towards −log σ, as far as
the other half lets one guess σ and the prior does not know it yet: *quiet channels are turned up*. The kept half's
weights have no such target. So a large weight says that a channel is quiet, never that it matters.

**How it can be undone.** The emitted half's weights are found from the kept half alone; then the kept half's from the
emitted half as it now is. Run backwards, each half is what the other was weighed by, and every weight is found again:
nothing has to be stored, and the log-determinant is a sum.

**J** is how far a channel's entropy rate lies below that of white noise of the same power. Where the order is by
entropy, the half with the least J leaves; ≈ marks channels that other images might put on the other side. A map's
opposite edges do not meet, which makes J of long-range structure come out too small.

**The correlation** is Pearson's r of −log ω with log σ over test images, its interval a bootstrap that draws whole
photographs where it is known which crops belong together.

**What matters** is asked under *More evidence* by taking something away: a weight is held at its mean, and bits/dim are
measured again. The flow stays an exact density. It was not trained again, so this is what the weight is worth to *this*
flow.

**To the pixels.** The energy of a channel is the mean square of its map before the Shuffle; the gradient shows which
pixels, moved a little, would change it. Drawing its ε anew shows the opposite way: which pixels it decides.
"""
        )
        st.latex(r"y_j = \omega_j(x)\, x_{\pi(j)}, \qquad \log\lvert\det\rvert = HW \sum_j \log \omega_j(x)")
        st.latex(
            r"\log \omega_b = S_b(\mathrm{pool}(a)), \qquad \log \omega_a = S_a(\mathrm{pool}(\omega_b\, b)), \qquad "
            r"a \text{ kept}, \; b \text{ emitted}"
        )

    with st.expander("More evidence"):
        tables = {"channels": weights.table()}
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader("Which weights matter?")
            if not weights.weighed:
                st.markdown("No weight enters this density, so holding one would change nothing.")
            elif loaders.asked("Hold each weight at its mean over images", page, level):
                held = loaders.ablation(page.checkpoint, page.images, level)
                ui.chart(figures.ablation(held), page, "ablation", alt=held.in_words())
                st.caption(held.in_words())
                tables["ablation"] = held.table()
        with right:
            st.subheader("Which channels do the pixels need?")
            if loaders.asked("Draw each emitted channel anew", page, level):
                with ui.errors_as_sentences():
                    reach = loaders.reach(page.checkpoint, page.images, level)
                    ui.chart(figures.reach(reach), page, "reach", alt=reach.in_words())
                    st.caption(reach.in_words())
                    tables["resampling"] = reach.table()
        ui.table(loaders.short_table(weights))
        ui.exports(page, tables=tables, pictures={})
        if page.links["photo"] == "none":
            ui.recipe(
                f"analyse {page.argument} --what weights --level {level} --data {page.images.name} "
                f"--image {page.links['image']} --seed {page.seed} --json"
            )
        else:
            st.markdown("The command line looks at test images: go back to one of them to have the same numbers there.")

ui.closing(
    page,
    "Weights turn up what is quiet in an image, so that what leaves has the loudness that its prior expects. Whether "
    "that makes a better flow than a static split is a question for several seeds.",
)
