"""Checkpoint: parts, bits/dim, inversion, and training of a file."""

from dataclasses import replace

import streamlit as st

from eiwflow.analysis import checkpoint as analysis
from eiwflow.analysis import subjects
from eiwflow.analysis.flows import bundled_flows
from eiwflow.analysis.inspect import file_table
from eiwflow.analysis.words import checkpoint as words
from eiwflow.analysis.words import entropy as entropy_words
from eiwflow.data import DataError
from eiwflow.figures import checkpoint as figures
from eiwflow.figures import entropy as entropy_figures
from eiwflow.ui import shell as ui
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.own import checkpoints as own_checkpoints
from eiwflow.ui.own import images as own_images
from eiwflow.ui.sources import cache

page = ui.begin("What is in this file, and is it sound?", "Checkpoint", image=False)


limit = own_images.scored(page.checkpoint.flow)
left, uploaders = st.columns([1.7, 1], gap="large")
with uploaders:
    own_checkpoints.draw("page")
    with st.popover("Score your own images", width="stretch"):
        own = own_images.own_images()
if refused := own_checkpoints.upload().refusal("page"):
    st.error("That file was refused. The page still shows the checkpoint in the side bar.")
    ui.table(words.refused(refused))
    st.button("Put this away", on_click=own_checkpoints.upload().put_away, args=("page",))
with left:
    takeaway = st.container()
    checked = subjects.verification(ui.look(page))
    st.badge(words.badge(checked), color="green" if checked.holds else "red")
    if not checked.holds:
        st.error(plain(words.verification(checked)))

with ui.errors_as_sentences():
    made = subjects.anatomy(ui.look(page))
    scored_on = page
    try:
        if own is not None:
            scored_on = replace(page, images=own_images.as_flow_takes_them(own, page))
    except DataError as error:
        st.error(f"{plain(error)} Showing {plain(page.images.name)} instead.")
    score = subjects.score(ui.look(scored_on), limit=limit)
    with takeaway:
        ui.takeaway(words.sound(score, checked))
    with left:
        st.markdown(f"{words.made(made)} {plain(words.origin(page.checkpoint.info))}")
        st.markdown(words.score(score, page.checkpoint.info))
        images = scored_on.images
        if scored_on is not page and images.note:
            st.caption(plain(f"{images.name}: {images.note}."))
        if factor := page.given_factor:
            label = page.given_label
            only = f"Only images whose {factor} is {label}."
            rest = f"The flow is shown given {factor} {label}; {images.name} has no {factor}."
            st.caption(plain(only if images.of[0] else rest))

    with ui.fold("What it is made of", "architecture") as fold:
        if fold.open:
            st.html(figures.strip(made))
            ui.chart(ui.drawn(figures.parameters, made), page, "parameters", alt=words.shares(made))

    with ui.fold("Is it invertible?", "inversion") as fold:
        if fold.open:
            seen = subjects.inversion(ui.look(page))
            st.markdown(words.inversion(seen))
            st.markdown(plain(words.verification(checked)))
            ui.table(words.cells(made, seen))
            conditioning = ui.drawn(figures.conditioning, made, seen)
            ui.chart(conditioning, page, "conditioning", alt=words.condition(made))
            st.caption(words.condition(made))
            ui.caveat(words.ONLY_NEAR)

    with ui.fold("How was it trained?", "training") as fold:
        curve = cache.curve(page)
        if curve is None:
            st.info(words.NO_RECORD)
        elif fold.open:
            st.markdown(words.training(curve))
            ui.chart(ui.drawn(figures.training, curve), page, "training", alt=words.training(curve))

    with ui.fold("The log-determinant account from x to ε", "account") as fold:
        if fold.open:
            account = subjects.account(ui.look(page))
            ui.chart(ui.drawn(entropy_figures.account, account), page, "account", alt=entropy_words.account(account))
            st.markdown(entropy_words.account(account))
            ui.caveat(words.ONLY_THE_SUM)

with ui.fold("All flows that come with the app", "flows") as fold:
    if fold.open:
        ui.table(bundled_flows())

if (more := ui.more_evidence()).open:
    with ui.errors_as_sentences(), more:
        st.subheader("The file's metadata")
        facts = file_table(page.checkpoint)
        ui.table(facts)
        st.subheader("All figures")
        made, seen = subjects.anatomy(ui.look(page)), subjects.inversion(ui.look(page))
        tables = {
            "levels": analysis.level_table(made, seen),
            "parts": made.part_table(),
            "steps": analysis.step_table(made, seen),
            "checks": checked.table(),
            "file": facts,
            "account": subjects.account(ui.look(page)).table(),
        }
        ui.exports(page, tables=tables | ({} if curve is None else {"training": curve.table()}))
        ui.reproduce(
            page,
            ui.call(page, "verify"),
            ui.call(page, "inspect"),
            ui.call(page, "evaluate", data=scored_on.images.name, limit=limit),
            ui.call(page, "analyse", what="entropy", seed=page.seed),
            photo=False,  # over test images, or the visitor's own archive
        )

ui.closing(
    page,
    "Every image has exactly one list of ε, and every list one image. This page shows how exactly the file keeps that.",
)
