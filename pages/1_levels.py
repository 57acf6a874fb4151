"""Levels: one image on its way through the levels of a multi-scale flow."""

import streamlit as st

from eiwflow import ui
from eiwflow.analysis import SURVEY_IMAGES
from eiwflow.analysis.words.numbers import floor_in_words
from eiwflow.figures import home, slide, strip
from eiwflow.ui import loaders

page = ui.begin("What happens to an image in a multi-scale flow?", "Levels")

with ui.errors_as_sentences():
    way = loaders.passage(page.checkpoint, page.images, page.image, page.seed)
    ui.takeaway(way.in_words())
    st.html(strip.strip(way))

    average, facts = loaders.survey(page.checkpoint, page.images)
    st.markdown(facts[0].in_words())

    left, right = st.columns([1.1, 1], gap="large")
    with left:
        st.subheader("Bits/dim if the flow stopped here")
        floor = page.floor_bits_per_dim()
        alt = " ".join([way.stairs.in_words(), *([] if floor is None else [floor_in_words(floor)])])
        ui.chart(ui.drawn(home.staircase, way.stairs, average, floor), page, "staircase", alt=alt)
        ui.caveat(
            "this is the price of stopping, never a level's share of the bits. Log-determinants cannot be "
            "shared out: a scale on the kept half, undone by the next level, moves them at will."
        )
    with right:
        st.subheader("There and back")
        st.html(strip.reconstruction(way.reconstruction))
        st.caption(way.reconstruction.in_words())
        st.subheader("Drawn from the flow")
        with ui.errors_as_sentences():
            temperature = page.checkpoint.info.temperature
            drawn = loaders.samples(page.checkpoint, page.seed)
            st.html(strip.samples(drawn, temperature))
            st.caption(f"{len(drawn)} samples, ε drawn at temperature {temperature:g}, seed {page.seed}.")

    ui.how_to_read("home")
    if (more := ui.more_evidence()).open:
        with more:
            rows = way.level_table(facts, average)
            ui.table(rows)
            st.markdown(
                "\n".join(f"- {said}" for said in (way.parts_in_words(), *(level.in_words() for level in facts)))
            )
            ui.exports(
                page,
                tables={"levels": rows, "channels": way.channel_table()},
                pictures={"strip": lambda: slide.strip_png(way)},
            )
            ui.recipe(
                page,
                f"analyse {page.argument} --what levels --data {page.images.name} --image {page.links['image']} "
                f"--seed {page.seed} --json",
                f"evaluate {page.argument} --data {page.images.name} --limit {SURVEY_IMAGES} --json",
                f"inspect {page.argument} --data {page.images.name} --json",
                f"sample {page.argument} --n {loaders.SAMPLES} --temperature {page.checkpoint.info.temperature:g} "
                f"--seed {page.seed}",
            )

ui.closing(page, "Every level factors out part of the values; together the latents hold the whole image.")
