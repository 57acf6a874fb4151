"""Weights: a picture's own channel weights, inside couplings or before a split, and what they save."""

from __future__ import annotations

import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.levels import to_pixels
from eiwflow.analysis.weights import PictureWeights, changed, has_weights
from eiwflow.analysis.words import weights as words
from eiwflow.analysis.words.numbers import described
from eiwflow.figures import weights as figures
from eiwflow.ui import shell as ui
from eiwflow.ui.shell.coupling_choice import Chosen, choose, take_clicked, without_weights
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import places

page = ui.begin("What do per-picture channel weights save?", "Weights", compare=True)

controls = st.container()
asked: list[Chosen] = []


def load(view: ui.Page) -> PictureWeights | None:
    """Return the picture's weights; for a flow without weights say so and return None."""
    if has_weights(view.checkpoint.flow):
        return subjects.weights(ui.look(view))
    without_weights(view)
    return None


def main(view: ui.Page, results: ui.Results) -> None:
    """Draw both pictures with their price, the map of all places, and the channels of one."""
    if not asked:
        with controls:
            asked.append(choose(page, results.values()))
    (chosen,) = asked
    shown, changes = chosen.place_in(results[view]), of_changed(results)
    left, right = places(view, [1, 2])
    with left:
        pictures = {}
        for name, image, choices in (
            ("this picture", view.image, {}),
            (chosen.in_words, changed(view.image, chosen.change, chosen.amount, view.seed), chosen.choices),
        ):
            price = subjects.prices(ui.look(view), **choices)
            pictures[words.priced(name, price, chosen.frozen)] = to_pixels(image)[0]
        st.html(figures.pictures(pictures))
        st.caption(words.MAP)
        most = figures.most_distant(*changes.values())
        square = ui.drawn(figures.couplings, changes[view], shown, most, frozen=chosen.frozen)
        farthest = words.AVERAGE if chosen.frozen else words.answer(changes[view])
        alt = described("Distance of the channel weights from their averages, by place", farthest)
        ui.chart(square, view, "couplings", alt=alt, clicked=take_clicked)
    with right:
        draw_channels(view, results, whole=False)
        st.caption(words.BARS)


def of_changed(results: ui.Results) -> ui.Results:
    """Return the weights of the changed picture, for each flow."""
    return {each: subjects.weights(ui.look(each), **asked[0].choices) for each in results}


def draw_channels(view: ui.Page, results: ui.Results, whole: bool) -> None:
    """Draw the weights of the chosen place: of what its network reads, or also of what it gives."""
    (chosen,) = asked
    shown, changes = {each: chosen.place_in(weights) for each, weights in results.items()}, of_changed(results)
    place = shown[view]
    maps = subjects.channel_maps(ui.look(view, place.level), step=place.step)
    span = figures.channel_span(*((each[key], shown[key]) for each in (results, changes) for key in each))
    looks = {"frozen": chosen.frozen, "whole": whole}
    bars = ui.drawn(figures.channels, results[view], changes[view], maps, span, chosen.in_words, **looks)
    farthest = words.AVERAGE if chosen.frozen else words.answer(results[view])
    alt = described(f"Channel weights of {words.named(place)} minus their averages", farthest)
    ui.chart(bars, view, "channels" + "-whole" * whole, alt=alt)


def answer(view: ui.Page, weights: PictureWeights) -> str:
    """Return what a flow's own weights save for both pictures."""
    of = ui.look(view)
    (chosen,) = asked
    changed_price = subjects.prices(of, **chosen.choices)
    return words.takeaway(weights, subjects.prices(of), changed_price, chosen.in_words, chosen.frozen)


def factors(view: ui.Page, _: ui.Results) -> None:
    """Draw how well the weights of each level predict factors of test images."""
    st.markdown(words.cost(subjects.frozen(ui.look(view))))
    if not view.images.factors:
        st.markdown(words.NO_FACTORS)
        return
    readings = subjects.factor_readings(ui.look(view))
    ui.chart(ui.drawn(figures.factors, readings), view, "factors", alt=words.factors(readings))
    st.markdown(words.factors(readings))
    st.caption(words.regression(readings))
    ui.caveat(words.CAVEAT)
    ui.exports(view, tables={"factors": words.factor_table(readings)})


def evidence(view: ui.Page, results: ui.Results) -> None:
    """Show all weights of the chosen place; offer those of all places."""
    draw_channels(view, results, whole=True)
    ui.table(readable(results[view].rows(asked[0].place_in(results[view]))))
    ui.exports(view, tables={"weights": results[view].table()})


results = ui.draw_columns(page, load, main)
if not results:
    ui.closing(page, "Weights let a flow treat every picture in its own way; this flow treats all alike.")
    st.stop()
with ui.errors_as_sentences():
    answers = {view: answer(view, weights) for view, weights in results.items()}
    ui.takeaway(" ".join(f"{view.file.label}: {text}" if page.other else text for view, text in answers.items()))
ui.folds(page, results, {"Over test images: what weights save, and what they predict (takes seconds)": factors})
if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, results.get, evidence)
        st.caption("The table and the command are of the unchanged picture.")
    choices = {"image": page.number, "seed": page.seed}
    ui.reproduce(page, *(ui.call(view, "analyse", what="weights", **choices) for view in results))

ui.closing(page, "Weights let a flow treat every picture in its own way. Is the flow better for it?")
