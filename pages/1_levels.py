"""Levels: one image on its way through the levels of a multi-scale flow."""

import streamlit as st

from eiwflow import ui
from eiwflow.analysis import SURVEY_IMAGES
from eiwflow.analysis.words import levels as words
from eiwflow.analysis.words.numbers import floor_in_words
from eiwflow.figures import levels as figures
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.sources import cache

page = ui.begin("What happens to an image in a multi-scale flow?", "Levels")

from eiwflow.analysis.levels import HEADINGS  # noqa: E402 (the title does not wait for torch)

with ui.errors_as_sentences():
    way = cache.measure(page).passage
    ui.takeaway(words.happens(way))
    st.html(figures.strip(way))

    average, facts = cache.measure(page).survey
    left, right = st.columns([1.8, 1], gap="large", vertical_alignment="center")
    with left:
        st.subheader("Bits/dim if the flow stopped here")
        floor = page.floor_bits_per_dim()
        alt = " ".join([words.stops(way.stairs), *([] if floor is None else [floor_in_words(floor, "this image’s")])])
        ui.chart(ui.drawn(figures.staircase, way.stairs, average, floor), page, "staircase", alt=alt)
    with right:
        st.markdown(words.cost(way))
        ui.caveat("This is the price of stopping, never a level’s share of the bits.")

    if (there_and_back := ui.fold("There and back", "there-and-back")).open:
        with there_and_back:
            st.html(figures.reconstruction(way.reconstruction))
            st.caption(words.reconstruction(way.reconstruction))
    if (drawn := ui.fold("Drawn from the flow", "drawn")).open:
        with drawn, ui.errors_as_sentences():
            images, temperature = cache.samples(page.checkpoint, page.seed), page.checkpoint.info.temperature
            st.html(figures.samples(images, temperature))
            st.caption(f"{len(images)} samples, ε drawn at temperature {temperature:g}, seed {page.seed}.")

    ui.how_to_read("home")
    if (more := ui.more_evidence()).open:
        with more:
            rows = way.level_table(facts, average)
            ui.table(readable(rows, HEADINGS))
            st.markdown(
                "\n".join(f"- {sentence}" for sentence in (words.parts(way), *(words.level(level) for level in facts)))
            )
            ui.exports(page, tables={"levels": rows, "channels": way.channel_table()})
            ui.reproduce(
                page,
                f"analyse {page.argument} --what levels --data {page.images.name} --image {page.links['image']} "
                f"--seed {page.seed} --json",
                f"evaluate {page.argument} --data {page.images.name} --limit {SURVEY_IMAGES} --json",
                f"inspect {page.argument} --data {page.images.name} --json",
                f"sample {page.argument} --n {cache.SAMPLES} --temperature {page.checkpoint.info.temperature:g} "
                f"--seed {page.seed}",
            )

ui.closing(page, "Every level factors out part of the values; together the latents hold the whole image.")
