"""What is in a checkpoint file: its make, what it costs, how well it inverts, and how it came about."""

import shlex

import streamlit as st

from eiwflow import ui
from eiwflow.data import DataError
from eiwflow.figures import checkpoint as figures
from eiwflow.figures import entropy as entropy_figures
from eiwflow.ui import cache
from eiwflow.ui import checkpoint_loaders as loaders
from eiwflow.ui.foreign import plain

page = ui.begin("What is in this file, and is it sound?", "Checkpoint", image=False)

from eiwflow.analysis.words import checkpoint as words  # noqa: E402 (the title does not wait for torch)

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
    cost, upload = st.columns([1.7, 1], gap="large")
    with upload.popover("Score your own images", width="stretch"):
        own = loaders.own_images()
    data_name = page.images.name if own is None else own.name
    with cost:
        try:
            scored = loaders.score(page) if own is None else loaders.own_score(page, own)
        except DataError as error:
            st.error(f"{plain(error)} Showing {plain(page.images.name)} instead.")
            scored, data_name = loaders.score(page), page.images.name
        st.markdown(loaders.score_in_words(page, scored))
    with takeaway:
        ui.takeaway(words.sound(scored, checked.holds))
    st.html(figures.strip(made))
    st.markdown(f"{made.in_words()} {loaders.origin(page.checkpoint)}")

    with ui.fold("Where the parameters are, and how evenly a step stretches", "architecture") as fold:
        seen = loaders.inversion(page)
        if fold.open:
            left, right = st.columns([1, 1.3], gap="large")
            with left:
                ui.chart(ui.drawn(figures.parameters, made), page, "parameters", alt=made.in_words())
            with right:
                chart = ui.drawn(figures.conditioning, made, seen)
                ui.chart(chart, page, "conditioning", alt=made.condition_in_words())
                st.caption(made.condition_in_words())

    with ui.fold("Is it invertible?", "inversion") as fold:
        if fold.open:
            st.markdown(seen.in_words())
            st.markdown(f"**{checked.badge()}.** {checked.in_words()}" if checked.holds else f"**{checked.badge()}.**")
            ui.table(loaders.readable(page))
            ui.caveat("exact on images like these is not exact everywhere: far from any image scales may be larger.")

    with ui.fold("How was it trained?", "training") as fold:
        curve = loaders.curve(page)
        if curve is None:
            st.info("There is no training record beside this file; its training is unknown but for what it says.")
        elif fold.open:
            st.markdown(curve.in_words())
            left, right = st.columns([1.8, 1], gap="large")
            with left:
                ui.chart(ui.drawn(figures.training, curve), page, "training", alt=curve.in_words())
            with right:
                ui.chart(ui.drawn(figures.learning_rate, curve), page, "learning-rate", alt=curve.rate_in_words())

    with ui.fold("The log-determinant account from x to ε", "account") as fold:
        account = cache.measure(page, "account")
        if fold.open:
            left, right = st.columns([1.6, 1], gap="large")
            with left:
                ui.chart(ui.drawn(entropy_figures.account, account), page, "account", alt=account.in_words())
            with right:
                st.markdown(account.in_words())
                ui.caveat("only the sum means something; no level and no part has a share of the bits.")

ui.how_to_read("checkpoint")

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
