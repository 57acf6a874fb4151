"""Levels: one image on its way through the levels of a multi-scale flow."""

import streamlit as st

from eiwflow.analysis import SURVEY_IMAGES, subjects
from eiwflow.analysis.words import levels as words
from eiwflow.analysis.words.numbers import described
from eiwflow.figures import levels as figures
from eiwflow.ui import shell as ui
from eiwflow.ui.shell.rows import readable

page = ui.begin("What happens to an image in a multi-scale flow?", "Levels")
with ui.errors_as_sentences():
    way = subjects.passage(ui.look(page))
    numbers = [level.number for level in way.levels]
    anew = ui.controls().pills(
        "Redraw the noise of level", numbers, selection_mode="multi", key="redraw", bind="query-params"
    )
    redrawn = subjects.redrawn(ui.look(page), levels=tuple(sorted(anew))) if anew else None
    ui.takeaway(words.happens(way) if redrawn is None else words.drawn_anew(redrawn))
    st.html(figures.strip(way, redrawn))

    told = ["levels", *(["latents"] if redrawn else [])]
    average, facts = subjects.survey(ui.look(page))
    st.subheader("Bits per value if the flow stopped here")
    st.caption(words.cost(way))
    floor = page.floor_bits_per_dim()
    alt = described("Bits per value if the flow stopped after each level", words.cost(way))
    ui.chart(ui.drawn(figures.staircase, way.stairs, average, floor), page, "staircase", alt=alt)
    ui.caveat("each stair is what the whole picture costs if the flow ended there, not what a level holds.")

    if (there_and_back := ui.fold("There and back", "there-and-back")).open:
        with there_and_back:
            st.html(figures.reconstruction(way.reconstruction))
            st.caption(words.reconstruction(way.reconstruction))
    if (more := ui.more_evidence()).open:
        with more:
            rows = way.level_table(facts, average)
            ui.table(readable(rows))
            st.markdown(words.parts(way))
            ui.exports(page, tables={"levels": rows, "channels": way.channel_table()})
            ui.reproduce(
                page,
                *(ui.call(page, "analyse", what=what, image=page.number, seed=page.seed) for what in told),
                ui.call(page, "evaluate", limit=SURVEY_IMAGES),
                ui.call(page, "inspect"),
            )

ui.closing(page, "Every level factors out part of the values; together the latents hold the whole image.")
