"""What is in a checkpoint file: its make, what it costs, how well it inverts, and how it came about."""

import shlex

import streamlit as st

from eiwflow import ui
from eiwflow.data import DataError
from eiwflow.figures import checkpoint as figures
from eiwflow.figures import entropy as entropy_figures
from eiwflow.ui import checkpoint_loaders as loaders
from eiwflow.ui import entropy_loaders, texts

page = ui.begin("What is in this file?", "Checkpoint")

said, door = st.columns([1.7, 1], gap="large")
with door:
    ui.checkpoint_uploader("page")
with said:
    takeaway = st.container()
    checked = loaders.verification(page)
    st.badge(checked.badge(), color="green" if checked.holds else "red")
    if not checked.holds:
        st.error(checked.in_words())
    st.caption("Opens eiwflow `.safetensors` files. Other Glow files: not yet. Nothing in a file is ever run.")
if refused := st.session_state.get("_refused_checkpoint"):
    st.error("That file was refused. What is shown below is still the checkpoint in the side bar.")
    ui.table(loaders.refused(refused))
    st.button("Put this away", on_click=st.session_state.pop, args=("_refused_checkpoint",))

with ui.errors_as_sentences():
    made = loaders.anatomy(page)
    with takeaway:
        ui.takeaway(f"{made.in_words()} {loaders.origin(page.checkpoint)}")
    st.html(figures.strip(made))

    seen = loaders.inversion(page)
    left, right = st.columns([1, 1.3], gap="large")
    with left:
        st.subheader("Where the parameters are")
        ui.chart(ui.drawn(figures.parameters, made), page, "parameters", alt=made.in_words())
    with right:
        st.subheader("How evenly a step stretches")
        ui.chart(ui.drawn(figures.conditioning, made, seen), page, "conditioning", alt=made.condition_in_words())
        st.caption(made.condition_in_words())

    st.subheader("There and back")
    st.markdown(seen.in_words())
    st.markdown(f"**{checked.badge()}.** {checked.in_words()}" if checked.holds else f"**{checked.badge()}.**")
    ui.table(loaders.readable(page))
    ui.caveat(
        "exact on images like these is not exact everywhere. Numbers far from any image can meet scales that no image "
        "met; the couplings are bounded so that this stays within float32, not so that it stays small."
    )

    st.subheader("What an image costs: bits/dim")
    cost, door = st.columns([1.7, 1], gap="large")
    with door:
        own = loaders.own_images()
    data_name = page.images.name if own is None else own.name
    with cost:
        try:
            scored = loaders.score(page) if own is None else loaders.own_score(page, own)
        except DataError as error:
            st.error(f"{error} Showing {page.images.name} instead.")
            scored, data_name = loaders.score(page), page.images.name
        ui.takeaway(loaders.score_in_words(page, scored))
        ui.caveat(
            "bits/dim of different data sets are different questions, and a figure on one's own images says little of "
            "a flow that was trained on others. The standard error is over photographs where these are known: crops "
            "of one photograph are no independent witnesses."
        )

    st.subheader("How it was trained")
    curve = loaders.curve(page)
    if curve is None:
        st.info("There is no training record beside this file, so nothing is known of its way here but what it says.")
    else:
        st.markdown(curve.in_words())
        left, right = st.columns([1.8, 1], gap="large")
        with left:
            ui.chart(ui.drawn(figures.training, curve), page, "training", alt=curve.in_words())
        with right:
            ui.chart(ui.drawn(figures.learning_rate, curve), page, "learning-rate", alt=curve.rate_in_words())

    st.subheader("The account from x to ε")
    account = entropy_loaders.account(page)
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        ui.chart(ui.drawn(entropy_figures.account, account), page, "account", alt=account.in_words())
    with right:
        st.markdown(account.in_words())
        st.markdown(
            "Every part says by how much it stretched (log|det|), and all of it together must be what the flow charges "
            "for an image. If it did not close, some part would be lying about its log-determinant."
        )
        ui.caveat("only the sum means something; no level and no part has a share of the bits.")

text, words = st.columns([6, 1])
words.popover("Words", width="stretch").markdown(texts.WORDS)
with text.expander("How to read this"):
    st.markdown(
        """
**The boxes.** The image's box stands for all its numbers. Every level is drawn as wide as what reaches it: half of it
goes on (blue), half leaves for good (vermillion, dashed), and the last level sends out all it has. Under each box stand
the level's parts and their parameters. A *step* is ActNorm (a scale and a shift a channel), a 1×1 convolution (one
matrix for all places, kept as L and U of which a triangle each is used), and a coupling, whose network looks at one
half of the channels and decides scale and shift of the other.

**How evenly a step stretches.** ActNorm's scale folded into the convolution is one matrix W·diag(a). Its singular
values say by how much it stretches along its own axes; the largest over the smallest is the *condition number* κ, and
on an axis of powers a line's length is κ. Undoing the step divides by them, so what was rounded along the strongest
axis can come back up to κ times as large along the weakest. A rotation has κ = 1. A coupling multiplies by scales
between e⁻ᴮ and eᴮ, and divides by them on the way back; drawn are the smallest and the largest that the test images
met. With every initialisation but `random` the first convolution turns channels to their principal directions, of very
different variance, and the next ActNorm makes them equally loud: that is why step 2 often stands out.

**There and back.** *Largest error* is the largest difference of a single number; *relative error* the largest norm of
an image's difference over the norm of what went in. Each level is tested alone, on what the level before gave it, and
the whole flow on the images themselves, all under one dequantisation of a fixed seed. A wrong inverse would be off by
as much as the numbers themselves; what is seen here is the rounding of 32-bit numbers, made larger by the factors
above. ω and σ are the other two factors that the way back undoes.

**The badge.** Five checks of every level: its values are finite, signs are ±1 and rows a permutation; its order is a
permutation; its inverse undoes it; the log-determinant that it states is that of its Jacobian (taken in 64 bits at a
window of its input, small enough for the matrix of all derivatives); no 1×1 convolution is so uneven that rounding
alone breaks it. A level at fault is named; those behind it, which it gives no finite numbers, are not judged.

**bits/dim.** 8 − log p(x) / (D ln 2), the mean over test images with one dequantisation of a fixed seed. ± is one
standard error.

**Training.** Faint: each point is the mean over the batches since the point before. Bold: the same under a Gaussian
window, one-sided at both ends. Marks: the averaged weights, which are those in the file, on test images.
"""
    )
    st.latex(
        r"\begin{gathered} \kappa = "
        r"\frac{\sigma_{\max}(W \operatorname{diag} a)}{\sigma_{\min}(W \operatorname{diag} a)} \\"
        r"\max_i \frac{\lVert f^{-1}(f(h_i)) - h_i \rVert}{\lVert h_i \rVert} \end{gathered}"
    )

if (more := ui.more_evidence()).open:
    with ui.errors_as_sentences(), more:
        st.subheader("What the file says of itself")
        facts = loaders.said_of_itself(page.checkpoint)
        ui.table(facts)
        st.subheader("All figures")
        ui.exports(
            page,
            tables=loaders.tables(page)
            | {"checks": checked.table(), "file": facts, "account": account.table()}
            | ({} if curve is None else {"training": curve.table()}),
            pictures={},
        )
        ui.recipe(
            page,
            f"verify {page.argument} --data {page.images.name} --json",
            f"inspect {page.argument} --data {page.images.name} --json",
            f"evaluate {page.argument} --data {shlex.quote(data_name)} "
            f"--limit {loaders.scored_images(page.checkpoint)} --json",
            f"analyse {page.argument} --what entropy --data {page.images.name} --seed {page.seed} --json",
            photo=False,  # it is over test images, or one's own archive
        )

ui.closing(
    page,
    "A file of weights is a promise: every image has one list of ε, and every list one image. Here stands how well "
    "this one keeps it.",
)
