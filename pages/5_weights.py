"""Weights: their values for a picture, inside couplings or before a split, and the cost of freezing them."""

from __future__ import annotations

import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.coupling_weights import PictureWeights, changed, has_coupling_weights
from eiwflow.analysis.levels import to_pixels
from eiwflow.analysis.weights import ChannelWeights
from eiwflow.analysis.words import coupling_weights as words
from eiwflow.analysis.words import weights as pooled_words
from eiwflow.figures import coupling_weights as figures
from eiwflow.ui import shell as ui
from eiwflow.ui.shell import pooled_weights
from eiwflow.ui.shell.coupling_choice import Chosen, choose, take_clicked, without_weights
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import places

page = ui.begin("What do the weights do for a picture?", "Weights", level=True, compare=True)


takeaway, controls = st.container(), st.container()
asked: list[Chosen] = []


def load(view: ui.Page) -> PictureWeights | ChannelWeights | None:
    """Return the picture's weights, of the flow's kind; for a flow without weights say so and return None."""
    if has_coupling_weights(view.checkpoint.flow):
        return subjects.coupling_weights(ui.look(view))
    if view.checkpoint.info.config.weights == "pooled" and (level := ui.shuffle_level(view)) is not None:
        return subjects.weights(ui.look(view, level))
    without_weights(view)
    return None


def of_kind(results: ui.Results, kind: type) -> ui.Results:
    """Return the loaded weights of one kind, by flow."""
    return {view: weights for view, weights in results.items() if isinstance(weights, kind)}


def main(view: ui.Page, results: ui.Results) -> None:
    """Draw the map of couplings and the channels of one coupling; or how far weights before a split follow loudness."""
    if isinstance(results[view], ChannelWeights):
        pooled_weights.main(view, of_kind(results, ChannelWeights))
        return
    inside = of_kind(results, PictureWeights)
    if not asked:
        with controls:
            asked.append(choose(page, inside.values()))
    (chosen,) = asked
    now = {each: subjects.coupling_weights(ui.look(each), **chosen.choices) for each in inside}
    shown = {each: chosen.place_in(weights) for each, weights in now.items()}
    left, right = places(view, [1, 2.6])
    with left:
        square = ui.drawn(figures.couplings, now[view], shown[view], figures.most_distant(*now.values()))
        ui.chart(square, view, "couplings", alt=words.couplings(now[view]), clicked=take_clicked)
        pictures = {"the picture": view.image}
        if chosen.choices:
            pictures[chosen.in_words] = changed(view.image, **chosen.choices, seed=view.seed)
        st.html(figures.pictures({name: to_pixels(each)[0] for name, each in pictures.items()}))
    with right:
        maps = subjects.channel_maps(ui.look(view, shown[view].level), step=shown[view].step, **chosen.choices)
        span = figures.channel_span(*((now[each], shown[each]) for each in inside))
        bars = ui.drawn(figures.channels, now[view], results[view] if chosen.choices else None, maps, span)
        ui.chart(bars, view, "channels", alt=f"{words.answer(now[view], shown[view])} {words.maps(maps)}")
        st.caption(words.cost(subjects.frozen(ui.look(view))))


def answer(view: ui.Page, weights: PictureWeights | ChannelWeights) -> str:
    """Return one or two sentences on a flow's weights for the picture."""
    if isinstance(weights, ChannelWeights):
        return pooled_words.follow_loudness(weights)
    return words.takeaway(subjects.coupling_weights(ui.look(view), **asked[0].choices), subjects.frozen(ui.look(view)))


def factors(view: ui.Page, _: ui.Results) -> None:
    """Draw how well the weights of each level predict factors of test images."""
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
    """Show the weights of the chosen coupling, or the table of channels; offer all of them."""
    weights = results[view]
    if isinstance(weights, ChannelWeights):
        ui.table(readable(weights.short_table()))
        ui.exports(view, tables={"channels": weights.table()})
    else:
        ui.table(readable(weights.rows(asked[0].place_in(weights))))
        ui.exports(view, tables={"weights": weights.table()})


results = ui.draw_columns(page, load, main)
if not results:
    ui.closing(page, "Weights let a flow treat every picture in its own way; this flow treats all alike.")
    st.stop()
with takeaway, ui.errors_as_sentences():
    answers = {view: answer(view, weights) for view, weights in results.items()}
    ui.takeaway(" ".join(f"{view.file.label}: {text}" if page.other else text for view, text in answers.items()))
if inside := of_kind(results, PictureWeights):
    ui.folds(page, inside, {"Can the weights predict grain and light? (takes seconds)": factors})
ui.how_to_read("weights")

if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, results.get, evidence)
        if asked and asked[0].choices:
            st.caption("The table and the command are of the unchanged picture.")
    levels = {view: weights.level for view, weights in of_kind(results, ChannelWeights).items()}
    choices = {"image": page.number, "seed": page.seed}
    calls = (ui.call(view, "analyse", what="weights", level=levels.get(view), **choices) for view in results)
    ui.reproduce(page, *calls)

ui.closing(page, "Weights let a flow treat every picture in its own way. Is the flow better for it?")
