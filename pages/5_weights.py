"""Weights: what a picture's own channel weights save, and which channels they turn up or down."""

from __future__ import annotations

import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.levels import to_pixels
from eiwflow.analysis.weights import CHANGES, PictureWeights, Prices, changed, has_weights
from eiwflow.analysis.words import weights as words
from eiwflow.analysis.words.numbers import described, fixed
from eiwflow.figures import weights as figures
from eiwflow.figures.kit import limits
from eiwflow.ui import shell as ui
from eiwflow.ui.shell.coupling_choice import choose, choose_place, nearest, take_clicked, without_weights
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import places

page = ui.begin("Does it help if each picture sets its own channel weights?", "Weights", compare=True)
frozen, name, amount = choose()
change = CHANGES[name]
with_change = f"with {name} {amount:g}" if amount != change.none else ""


def load(view: ui.Page) -> dict[float, Prices] | None:
    """Return the picture's prices by the amount of the change; for a flow without weights say so and return None."""
    if has_weights(view.checkpoint.flow):
        return subjects.prices(ui.look(view), change=name, amount=amount)
    without_weights(view)
    return None


def main(view: ui.Page, results: dict[ui.Page, dict[float, Prices]]) -> None:
    """Draw both pictures with their price, and what own weights save over the amount of the change."""
    prices = results[view]
    left, right = places(view, [1, 1.4])
    with left:
        both = [
            (change.none, "this picture", view.image),
            (amount, with_change or "unchanged", changed(view.image, name, amount, view.seed)),
        ]
        place = prices[change.most].telling  # the same while a change is dragged
        shown = []
        for each, caption, image in both:
            above = None if place is None else prices[each].above[place]
            average = "" if frozen else f"; with average weights {fixed(prices[each].frozen, 2)}"
            shown.append((words.priced(prices[each], frozen), caption + average, to_pixels(image)[0], above))
        st.html(figures.pictures(shown, flat=frozen))
        if place is not None:
            st.caption(words.above_average(place, frozen))
    with right:
        ends = limits([[0.0, *(each.cost for each in of_flow.values())] for of_flow in results.values()], 0.1, 0.15)
        figure = ui.drawn(figures.savings, prices, change, amount, ends)
        saved = f"{fixed(prices[change.none].cost, 3)} without it, {fixed(prices[amount].cost, 3)} at {amount:g}"
        alt = f"Bits per value that own weights save, over {change.name}: {saved}."
        ui.chart(figure, view, "savings", alt=alt)


def answer(view: ui.Page, prices: dict[float, Prices]) -> str:
    """Return what a flow's own weights save for both pictures."""
    flow = view.file.label if page.other else ""
    return words.takeaway(prices[change.none], prices[amount], with_change, frozen, flow)


def which_channels(view: ui.Page, results: dict[ui.Page, PictureWeights]) -> None:
    """Draw the map of all places with weights, and the channels of the chosen place."""
    changes = {each: subjects.weights(ui.look(each), change=name, amount=amount) for each in results}
    shown = {each: nearest(weights, place) for each, weights in results.items()}
    left, right = places(view, [1, 2])
    with left:
        st.caption(words.MAP)
        most = max(max(each.distances.values()) for each in changes.values())
        square = ui.drawn(figures.couplings, changes[view], shown[view], most)
        alt = described("Distance of the channel weights from their averages, by place", words.answer(changes[view]))
        ui.chart(square, view, "couplings", alt=alt, clicked=take_clicked)
    with right:
        st.caption(words.BARS)
        maps = subjects.channel_maps(ui.look(view, shown[view].level), step=shown[view].step)
        span = figures.channel_span(*((each[key], shown[key]) for each in (results, changes) for key in each))
        bars = ui.drawn(figures.channels, results[view], changes[view], maps, span, with_change)
        alt = described(
            f"Channel weights of {words.named(shown[view])} minus their averages", words.answer(results[view])
        )
        ui.chart(bars, view, "channels", alt=alt)
    ui.table(readable(results[view].rows(shown[view])))
    ui.exports(view, tables={"weights": results[view].table()})


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


results = ui.draw_columns(page, load, main)
if not results:
    ui.closing(page, "Weights let a flow treat every picture in its own way; this flow treats all alike.")
    st.stop()
ui.takeaway(" ".join(answer(view, prices) for view, prices in results.items()))

with ui.fold("Which channels are turned up or down?", "which-channels") as fold, ui.errors_as_sentences():
    if fold.open:
        of_flows = {view: subjects.weights(ui.look(view)) for view in results}
        place = choose_place(page, of_flows.values())
        ui.draw_columns(page, of_flows.get, which_channels)
ui.folds(page, results, {"Over test images: what weights save, and what they predict (takes seconds)": factors})
if (more := ui.more_evidence()).open:
    with more:
        st.caption("The command is of the unchanged picture.")
    calls = (ui.call(view, "analyse", what="weights", image=page.number, seed=page.seed) for view in results)
    ui.reproduce(page, *calls)

ui.closing(page, "Weights let a flow treat every picture in its own way. Is the flow better for it?")
