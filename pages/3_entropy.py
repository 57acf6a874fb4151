"""Which channels still have structure: maps sorted by spectral redundancy, and entropies of both halves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from eiwflow import ui
from eiwflow.data import DataError
from eiwflow.figures import entropy as figures
from eiwflow.figures import steps
from eiwflow.ui import cache
from eiwflow.ui.columns import places
from eiwflow.ui.components import scrubber
from eiwflow.ui.foreign import plain
from eiwflow.ui.parts import LESSON_LETTERS

if TYPE_CHECKING:
    from eiwflow.analysis.entropy import Entropies, Growth

page = ui.begin("Which channels still have structure?", "Entropy", level=True, compare=True)

from eiwflow.analysis import entropy as analysis  # noqa: E402 (the title does not wait for torch)
from eiwflow.analysis.pair import ONE_TRAINING  # noqa: E402
from eiwflow.analysis.words import entropy as words  # noqa: E402

#: In a lecture letters are larger, and what is written on a figure needs as much more room.
LETTERS = LESSON_LETTERS / 12 if page.lesson else 1.0
takeaway = st.container()
levels: dict[ui.Page, int] = {}


def maps(one: ui.Page) -> Entropies | None:
    """Draw the image's channel maps, sorted by their redundancy over test images; return all entropies."""
    levels[one] = ui.shuffle_level(one) or 1
    try:
        found: Entropies = cache.measure(one, "entropies")
    except DataError as error:
        st.error(f"{plain(error)} Choose another data set.")
        return None
    level = cache.measure(one, "passage").levels[levels[one] - 1]
    redundancy = cache.measure(one, "facts")[levels[one] - 1].redundancy.mean(axis=0)
    numbers = list(range(level.shape[0])) if level.order is None else list(level.order)
    pictures = cache.measure(one, "passage").maps[levels[one] - 1]
    st.html(figures.sorted_maps(pictures, redundancy, numbers, level.kept_channels))
    return found


found = {one: result for one, result in ui.each(page, maps).items() if result is not None}
if not found:
    st.stop()
spans = {measured: figures.span(found.values(), measured) for measured in figures.AXES}
with takeaway:
    if len(found) == 2:
        first, second = found
        names = first.file.label, second.file.label
        ui.takeaway(words.pair(names, (found[first], found[second]), (levels[first], levels[second])))
        ui.caveat(ONE_TRAINING)
    else:
        ((one, result),) = found.items()
        ui.takeaway(words.structure(result, levels[one]))
st.caption("Channels of this level, from structured to noise. Only pattern counts, not loudness.")


def draw(one: ui.Page, *measures: str) -> None:
    """Draw measures at every level, side by side, on axes that both columns share."""
    for place, measured in zip(places(one, [1] * len(measures)), measures, strict=True):
        with place:
            chart = ui.drawn(figures.by_level, found[one], measured, spans[measured], LETTERS)
            ui.chart(chart, one, measured, alt=found[one].describe(measured))


def all_levels(one: ui.Page) -> None:
    """Draw the two gaps to noise that scaling does not change."""
    if one in found:
        draw(one, "redundancy", "negentropy")
        st.markdown(found[one].in_words(levels[one]))
        st.caption(found[one].shape_in_words(levels[one]))


def raw(one: ui.Page) -> None:
    """Draw what rises by mere scaling."""
    if one in found:
        draw(one, "marginal", "rate")
        st.caption(found[one].raw_in_words())


with ui.fold("All levels: redundancy and negentropy", "levels") as fold:
    if fold.open:
        ui.each(page, all_levels)
with ui.fold("Raw entropy, which rises by mere scaling", "raw") as fold:
    if fold.open:
        ui.each(page, raw)


def over_training(one: ui.Page) -> None:
    """Draw how entropies changed in training, moved by one slider."""
    if one not in grown:
        st.info("This checkpoint has no training record, so nothing is known of its training.")
        return
    growth, samples = grown[one], cache.samples_in_training(one)
    for measured in ("redundancy", "marginal", "rate"):
        limits = figures.growth_span([each.level(levels[other]) for other, each in grown.items()], measured)
        chart = ui.drawn(figures.growth, growth.level(levels[one]), growth.steps, measured, limits, shared, LETTERS)
        ui.chart(chart, one, f"scrub-{measured}", alt=f"{figures.AXES[measured].symbol}. {growth.in_words()}")
        if measured == "redundancy" and samples:
            scrubber.film(shared, samples, under=one.key("scrub-redundancy"))
            with st.container(width=320):
                scrubber.sample_view("16 samples at this step.", of=one.key("scrub-redundancy"))
    st.markdown(growth.in_words(levels[one]))


with ui.fold("Over training", "training") as fold:
    grown: dict[ui.Page, Growth] = {}
    if fold.open:
        grown = {one: growth for one in found if (growth := cache.measure(one, "growth")) is not None}
    if grown:
        shared = steps.together(growth.steps for growth in grown.values())
        scrubber.say_where_steps_differ(shared, [growth.steps for growth in grown.values()])
        with scrubber.stays_in_view():
            scrubber.scrubber(shared)
    if fold.open:
        ui.each(page, lambda one: over_training(one) if one in found else None)

ui.how_to_read("entropy")


def evidence(one: ui.Page) -> None:
    """Show what the estimators read of noise, all halves at every stage, and the files."""
    if one not in found:
        return
    tests = cache.measure(one, "self_tests")
    st.subheader("Are the estimators right?")
    st.markdown(f"The same estimators on N(0, I) of the same sizes, seed {one.seed}.")
    ui.table(analysis.self_test_table(tests))
    st.caption(tests[levels[one] - 1].in_words())
    st.markdown(analysis.leakage_in_words(cache.measure(one, "leakages")))
    st.subheader("All halves, at every stage")
    ui.table(found[one].cells())
    tables = {"entropies": found[one].table(), "channels": found[one].channel_table()}
    tables["self-test"] = [test.row() for test in tests]
    if (growth := cache.measure(one, "growth")) is not None:
        tables["growth"] = growth.table()
    ui.exports(one, tables=tables, pictures={})
    if samples := cache.samples_in_training(one):
        ui.offer(one, {"samples.gif": lambda: steps.film_gif(samples)})


if (more := ui.more_evidence()).open:
    with more:
        ui.each(page, evidence)
    command = f"--what entropy --data {page.images.name} --seed {page.seed} --json"
    ui.recipe(page, *(f"analyse {one.argument} {command}" for one in found), photo=False)  # it is over test images

ui.closing(page, "The order decides which channels are factored out. What it moves, and when, is the next question.")
