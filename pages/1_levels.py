"""Levels: one image on its way through the levels of a multi-scale flow."""

import streamlit as st

from eiwflow import ui
from eiwflow.analysis import SURVEY_IMAGES
from eiwflow.analysis.words import levels as words
from eiwflow.analysis.words.numbers import floor_in_words
from eiwflow.figures import levels as figures
from eiwflow.ui import cache
from eiwflow.ui.rows import readable

page = ui.begin("What happens to an image in a multi-scale flow?", "Levels")

from eiwflow.analysis.levels import HEADINGS  # noqa: E402 (the title does not wait for torch)

with ui.errors_as_sentences():
    way = cache.measure(page, "passage")
    ui.takeaway(words.cost(way))
    st.html(figures.strip(way))

    average, facts = cache.measure(page, "survey")
    st.markdown(words.level(facts[0]))

    left, right = st.columns([1.1, 1], gap="large")
    with left:
        st.subheader("Bits/dim if the flow stopped here")
        floor = page.floor_bits_per_dim()
        alt = " ".join([words.stops(way.stairs), *([] if floor is None else [floor_in_words(floor)])])
        ui.chart(ui.drawn(figures.staircase, way.stairs, average, floor), page, "staircase", alt=alt)
        ui.caveat(
            "this is the price of stopping, never a level's share of the bits. Log-determinants cannot be "
            "shared out: a scale on what is passed on, undone by the next level, moves them at will."
        )
    with right:
        st.subheader("There and back")
        st.html(figures.reconstruction(way.reconstruction))
        st.caption(words.reconstruction(way.reconstruction))
        st.subheader("Drawn from the flow")
        with ui.errors_as_sentences():
            temperature = page.checkpoint.info.temperature
            drawn = cache.samples(page.checkpoint, page.seed)
            st.html(figures.samples(drawn, temperature))
            st.caption(f"{len(drawn)} samples, ε drawn at temperature {temperature:g}, seed {page.seed}.")

    ui.how_to_read("home")
    if (more := ui.more_evidence()).open:
        with more:
            rows = way.level_table(facts, average)
            ui.table(readable(rows, HEADINGS))
            st.markdown(
                "\n".join(f"- {sentence}" for sentence in (words.parts(way), *(words.level(level) for level in facts)))
            )
            ui.exports(
                page,
                tables={"levels": rows, "channels": way.channel_table()},
                pictures={"strip": lambda: figures.strip_png(way)},
            )
            ui.recipe(
                page,
                f"analyse {page.argument} --what levels --data {page.images.name} --image {page.links['image']} "
                f"--seed {page.seed} --json",
                f"evaluate {page.argument} --data {page.images.name} --limit {SURVEY_IMAGES} --json",
                f"inspect {page.argument} --data {page.images.name} --json",
                f"sample {page.argument} --n {cache.SAMPLES} --temperature {page.checkpoint.info.temperature:g} "
                f"--seed {page.seed}",
            )

ui.closing(page, "Every level factors out part of the values; together the latents hold the whole image.")
