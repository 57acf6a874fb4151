"""Checkpoint: parts, bits/dim, inversion, and training of a file."""

from dataclasses import replace

import streamlit as st

from eiwflow.analysis import space, subjects
from eiwflow.analysis.flows import bundled_flows
from eiwflow.analysis.report import file_table
from eiwflow.analysis.words import checkpoint as words
from eiwflow.analysis.words.numbers import described
from eiwflow.data import DataError
from eiwflow.figures import checkpoint as figures
from eiwflow.figures import space as space_figures
from eiwflow.ui import shell as ui
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.jobs import retrain
from eiwflow.ui.own import images as own_images
from eiwflow.ui.sources import cache, checkpoints

#: Samples, all in one row.
SAMPLES = 8

page = ui.begin("What is this flow made of?", "Checkpoint", image=False)
config = page.checkpoint.info.config

limit = own_images.scored(page.checkpoint.flow)
with ui.controls().popover("Score your own images"):
    own = own_images.own_images()
with ui.controls().popover("Train it with another split", key="fold-retrain", on_change="rerun") as popover:
    if popover.open:
        retrain.retrain(page)
drawing = st.container()
with ui.errors_as_sentences():
    checked = subjects.verification(ui.look(page))
    if not checked.holds:
        drawing.error(plain(words.verification(checked)))
    drawing.markdown(" · ".join(filter(None, (words.made(config), plain(words.origin(page.checkpoint.info))))))
    drawing.html(figures.strip(checked))
    ui.takeaway(words.sound(checked))
    own_scale = min(page.checkpoint.info.temperature, space.MAX_TEMPERATURE)
    choices = 0.0, space.MAX_TEMPERATURE, own_scale, 0.05
    there_and_back, of_noise = drawing.columns([1, 2], gap="large")
    with there_and_back, ui.errors_as_sentences():
        st.html(figures.there_and_back(subjects.reconstruction(ui.look(page))))
    of_noise.markdown(f"**Set level {config.levels} to 0: what is left?**")
    scales = tuple(
        place.slider(f"Temperature, level {level}", *choices, key=f"temperature-{level}", bind="query-params")
        for level, place in enumerate(of_noise.columns(config.levels, gap="medium"), start=1)
    )
    count = checkpoints.FEW_SAMPLES if checkpoints.is_large(config) else SAMPLES
    drawn, usual = (
        subjects.samples(ui.look(page), n=count, temperatures=each) for each in (scales, (own_scale,) * config.levels)
    )
    of_noise.html(space_figures.samples(drawn, columns=SAMPLES))
    of_noise.markdown(words.SAMPLED)
    scored_on = page
    try:
        if own is not None:
            scored_on = replace(page, images=own_images.as_flow_takes_them(own, page))
    except DataError as error:
        st.error(f"{plain(error)} Showing {plain(page.images.name)} instead.")
    score = subjects.score(ui.look(scored_on), limit=limit)
    ui.takeaway(words.sound(checked, score) if drawn.temperatures == usual.temperatures else words.cooled(drawn, usual))
    images = scored_on.images
    if scored_on is not page and images.note:
        drawing.caption(plain(f"{images.name}: {images.note}."))
    if factor := page.given_factor:
        label = page.given_label
        only = f"Only images whose {factor} is {label}."
        rest = f"The flow is shown given {factor} {label}; {images.name} has no {factor}."
        drawing.caption(plain(only if images.of[0] else rest))

    with ui.fold("How many parameters and bits, and how exactly inverted?", "inversion") as fold:
        if fold.open:
            st.html(figures.counts(checked))
            st.markdown(words.score(score, page.checkpoint.info))
            st.markdown(words.inversion(checked))
            st.markdown(plain(words.verification(checked)))
            ui.table(words.cells(checked))
            conditioning = ui.drawn(figures.conditioning, checked)
            alt = described("How much every step stretches", words.inversion(checked))
            ui.chart(conditioning, page, "conditioning", alt=alt)
            ui.caveat(words.ONLY_NEAR)

if (more := ui.more_evidence()).open:
    with ui.errors_as_sentences(), more:
        st.subheader("How was it trained?")
        if (curve := cache.curve(page)) is None:
            st.info(words.NO_RECORD)
        else:
            st.markdown(words.training(curve))
            ui.chart(ui.drawn(figures.training, curve), page, "training", alt=words.training(curve))
        st.subheader("All flows that come with the app")
        ui.table(bundled_flows())
        st.subheader("The file's metadata")
        facts = file_table(page.checkpoint)
        ui.table(facts)
        training = {} if curve is None else {"training": curve.table()}
        ui.exports(page, tables=checked.tables() | {"file": facts} | training)
        ui.reproduce(
            page,
            ui.call(page, "verify"),
            ui.call(page, "inspect"),
            ui.call(page, "evaluate", data=scored_on.images.name, limit=limit),
            ui.call(page, "sample", n=count, temperature=scales, seed=page.seed),
            photo=False,  # over test images, or the visitor's own archive
        )

ui.closing(
    page,
    "Every image has exactly one noise, and every noise one image.",
)
