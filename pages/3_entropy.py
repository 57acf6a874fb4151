"""Entropy: channel maps sorted by spectral redundancy, and entropies of both halves."""

from __future__ import annotations

import numpy as np
import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.words import entropy as words
from eiwflow.analysis.words.shuffle import ONE_TRAINING, OTHER_START
from eiwflow.data import DataError
from eiwflow.figures import entropy as figures
from eiwflow.figures import steps
from eiwflow.ui import shell as ui
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.components import scrubber
from eiwflow.ui.shell.widgets import places
from eiwflow.ui.sources import cache

page = ui.begin("Which channels still have structure?", "Entropy", level=True, compare=True)


takeaway = st.container()
levels: dict[ui.Page, int] = {}


def measure(view: ui.Page) -> object:
    """Return the entropies of all levels; too few images are a sentence."""
    levels[view] = ui.shuffle_level(view) or 1
    try:
        return subjects.entropies(ui.look(view))
    except DataError as error:
        st.error(f"{plain(error)} Choose another data set.")
        return None


def maps(view: ui.Page, results: ui.Results) -> None:
    """Draw the image's channel maps, sorted by their redundancy over test images."""
    del results
    index = levels[view] - 1
    passage, redundancy = subjects.passage(ui.look(view)), subjects.facts(ui.look(view))[index].redundancy.mean(axis=0)
    level = passage.levels[index]
    numbers = list(range(level.shape[0])) if level.order is None else list(level.order)
    st.html(figures.sorted_maps(passage.maps[index], redundancy, numbers, level.kept_channels))


def draw(view: ui.Page, results: ui.Results, *measures: str) -> None:
    """Draw measures at every level, side by side, on axes that both columns share."""
    for place, measured in zip(places(view, [1] * len(measures)), measures, strict=True):
        with place:
            chart = ui.drawn(figures.by_level, results[view], measured, figures.span(results.values(), measured))
            ui.chart(chart, view, measured, alt=words.by_level(results[view], measured))


def all_levels(view: ui.Page, results: ui.Results) -> None:
    """Draw the two gaps to noise that scaling does not change."""
    draw(view, results, "redundancy", "negentropy")
    st.markdown(words.answer(results[view], levels[view]))
    st.caption(words.shape(results[view], levels[view]))


def raw(view: ui.Page, results: ui.Results) -> None:
    """Draw the raw entropy, which rises by mere scaling."""
    draw(view, results, "marginal", "rate")
    st.caption(words.raw(results[view]))


results = ui.draw_columns(page, measure, maps)
if not results:
    st.stop()
pair = ui.paired(results, lambda names, results: words.pair(names, results, (levels[page], levels[page.other or page])))
with takeaway:
    ui.takeaway(words.structure(results[(view := next(iter(results)))], levels[view]) if pair is None else pair)
st.caption(words.SORTED)
if pair is not None:
    ui.caveat(ONE_TRAINING if len({view.checkpoint.info.config.init for view in results}) == 1 else OTHER_START)

ui.folds(
    page,
    results,
    {"All levels: redundancy and negentropy": all_levels, "Raw entropy, which rises by mere scaling": raw},
)


def over_training(view: ui.Page, grown: ui.Results) -> None:
    """Draw how entropies changed in training, moved by one slider."""
    growth, samples, number = grown[view], cache.samples_in_training(view), levels[view]
    for measured in ("redundancy", "marginal", "rate"):
        limits = figures.growth_span([each.level(levels[other]) for other, each in grown.items()], measured)
        chart = ui.drawn(figures.growth, growth.level(number), growth.steps, measured, limits, recorded(grown))
        ui.chart(chart, view, f"scrub-{measured}", alt=words.growth(growth, number, measured))
        if measured == "redundancy" and samples:
            scrubber.film(recorded(grown), samples, under=view.key("scrub-redundancy"))
            with st.container(width=320):
                scrubber.sample_view("16 samples at this step.", of=view.key("scrub-redundancy"))
    st.markdown(words.growth(growth, number))


def recorded(grown: ui.Results) -> np.ndarray:
    """Return the recording steps of all flows: charts over training share one axis."""
    return steps.together(growth.steps for growth in grown.values())


with ui.fold("Over training", "training") as fold:
    grown = {view: growth for view in results if fold.open and (growth := subjects.growth(ui.look(view))) is not None}
    if fold.open and len(grown) < len(results):
        st.info(words.NO_RECORD)
    if grown:
        scrubber.say_where_steps_differ(recorded(grown), [growth.steps for growth in grown.values()])
        with scrubber.stays_in_view():
            scrubber.scrubber(recorded(grown))
        ui.draw_columns(page, grown.get, over_training)

ui.how_to_read("entropy")


def evidence(view: ui.Page, results: ui.Results) -> None:
    """Show all halves at every stage, and the files."""
    st.subheader("All halves, at every stage")
    ui.table(words.cells(results[view]))
    tables = {"entropies": results[view].table(), "channels": results[view].channel_table()}
    if (growth := subjects.growth(ui.look(view))) is not None:
        tables["growth"] = growth.table()
    ui.exports(view, tables=tables)
    ui.offer_film(view)


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, results.get, evidence)
    # Over test images, also for a photo.
    calls = (ui.call(view, "analyse", what="entropy", seed=page.seed) for view in results)
    ui.reproduce(page, *calls, photo=False)

ui.closing(page, "The order decides which channels are factored out. Next: which channels change sides, and when?")
