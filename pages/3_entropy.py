"""Entropy: how it grows on the way through the flow, and how much structure is passed on and factored out."""

from __future__ import annotations

import numpy as np
import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.words import entropy as words
from eiwflow.analysis.words.numbers import described
from eiwflow.data import DataError
from eiwflow.figures import entropy as figures
from eiwflow.figures import steps
from eiwflow.ui import shell as ui
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.components import scrubber
from eiwflow.ui.components.way import way_through
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import places
from eiwflow.ui.sources import cache

page = ui.begin("How does entropy grow through the flow?", "Entropy", compare=True)

ways, maps = {}, {}
for view in page.views:
    with ui.errors_as_sentences():
        ways[view], maps[view] = subjects.way(ui.look(view)), subjects.maps(ui.look(view))
if not ways:
    st.stop()
names = ui.paired(ways)
first = next(iter(ways.values()))
sentence = words.grows(first) if names is None else words.pair(names)
stop = way_through(
    {view.file.label: (way, maps[view]) for view, way in ways.items()},
    described(page.label, sentence),
    page.level,
    key="way",
)
ui.takeaway(words.at(first, stop) if names is None else sentence)


def level_of(view: ui.Page) -> int:
    """Return the level at which the handle rests; the last one of a flow with fewer."""
    return min(max(1, first.stops[stop].level), view.checkpoint.info.config.levels)


def entropies(view: ui.Page) -> object:
    """Return the entropies of all levels; too few images are a sentence."""
    try:
        return subjects.entropies(ui.look(view))
    except DataError as error:
        st.error(f"{plain(error)} Choose another data set.")
        return None


def channels(view: ui.Page, results: ui.Results) -> None:
    """Draw the image's channels sorted by redundancy, and redundancy and negentropy of all levels."""
    index = level_of(view) - 1
    passage, redundancy = subjects.passage(ui.look(view)), subjects.facts(ui.look(view))[index].redundancy.mean(axis=0)
    level = passage.levels[index]
    numbers = list(range(level.shape[0])) if level.order is None else list(level.order)
    st.html(figures.sorted_maps(passage.maps[index], redundancy / np.log(2), numbers, level.kept_channels))
    st.caption(f"Level {index + 1}, where the handle rests. {words.SORTED}")
    for place, measured in zip(places(view, [1, 1]), ("redundancy", "negentropy"), strict=True):
        with place:
            chart = ui.drawn(figures.by_level, results[view], measured, figures.span(results.values(), measured))
            alt = described(f"{measured.capitalize()} by level", words.answer(results[view], index + 1))
            ui.chart(chart, view, measured, alt=alt)
    st.markdown(words.answer(results[view], index + 1))


with ui.fold("Which channels are predictable?", "all-levels") as fold:
    if fold.open:
        ui.draw_columns(page, entropies, channels)


def over_training(view: ui.Page, grown: ui.Results) -> None:
    """Draw how redundancy changed in training, moved by one slider."""
    growth, samples, number = grown[view], cache.samples_in_training(view), level_of(view)
    limits = figures.growth_span([each.levels[level_of(other) - 1] for other, each in grown.items()])
    recorded = steps.together(each.steps for each in grown.values())
    chart = ui.drawn(figures.growth, growth.levels[number - 1], growth.steps, limits, recorded)
    ui.chart(chart, view, "scrub-redundancy", alt=words.growth(growth, number))
    if samples:
        scrubber.film(recorded, samples, under=view.key("scrub-redundancy"))
        with st.container(width=320):
            scrubber.sample_view("16 samples at this step.", of=view.key("scrub-redundancy"))
    st.markdown(words.growth(growth, number))


with ui.fold("Over training", "training") as fold, ui.errors_as_sentences():
    grown = {view: growth for view in ways if fold.open and (growth := ui.look(view).record) is not None}
    if fold.open and len(grown) < len(ways):
        st.info(words.NO_RECORD)
    if grown:
        recorded = steps.together(growth.steps for growth in grown.values())
        scrubber.say_where_steps_differ(recorded, [growth.steps for growth in grown.values()])
        with scrubber.stays_in_view():
            scrubber.scrubber(recorded)
        ui.draw_columns(page, grown.get, over_training)


def evidence(view: ui.Page, results: ui.Results) -> None:
    """Show all parts of the way and all halves, and the files."""
    ui.table(readable(ways[view].table()))
    ui.table(words.cells(results[view]))
    tables = {"way": ways[view].table(), "entropies": results[view].table(), "channels": results[view].channel_table()}
    if (growth := ui.look(view).record) is not None:
        tables["growth"] = growth.table()
    ui.exports(view, tables=tables)
    ui.offer_film(view)


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, entropies, evidence)
    # Over test images, also for a photo.
    ui.reproduce(page, *(ui.call(view, "analyse", what="entropy", seed=page.seed) for view in ways), photo=False)

ui.closing(page, "The split decides which channels are factored out. Next: which channels change sides, and when?")
