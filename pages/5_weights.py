"""How far a picture turns its loud channels down, which ones, and what single channels decide."""

from __future__ import annotations

import streamlit as st

from eiwflow import ui
from eiwflow.figures import weights as figures
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import channel, places
from eiwflow.ui.sources import cache

page = ui.begin("Does a picture turn its loud channels down?", "Weights", level=True, compare=True)

from eiwflow.analysis import weights as analysis  # noqa: E402 (the title does not wait for torch)
from eiwflow.analysis.words import channels as channel_words  # noqa: E402
from eiwflow.analysis.words import weights as words  # noqa: E402

takeaway = st.container()


def main(view: ui.Page, results: ui.Found) -> None:
    """Draw how far the weights follow loudness, and those of this image; without weights what decides the split."""
    if not results[view].has_weights:
        redundancy(view, results)
        st.caption(words.MARKED)
        return
    left, right = places(view, [1, 1])
    with left:
        slopes = ui.drawn(figures.slopes, results[view], list(results.values()))
        ui.chart(slopes, view, "slopes", alt=words.slopes(results[view]))
    with right:
        bars = ui.drawn(figures.bars, results[view], list(results.values()))
        ui.chart(bars, view, "weights", alt=words.answer(results[view]))


def redundancy(view: ui.Page, results: ui.Found) -> None:
    """Draw the spectral redundancy of the same channels."""
    chart = ui.drawn(figures.redundancy, results[view], 360, list(results.values()))
    ui.chart(chart, view, "redundancy", alt=words.order_now(results[view]))


def order(view: ui.Page, results: ui.Found) -> None:
    """Draw what decides the split, and the entropy rates."""
    st.markdown(f"{words.answer(results[view])} {words.order_now(results[view])}")
    if results[view].has_weights:
        redundancy(view, results)
    rates = ui.drawn(figures.entropy_rates, results[view], 300, list(results.values()))
    ui.chart(rates, view, "entropy-rates", alt=words.rates(results[view]))


def one_channel(view: ui.Page, results: ui.Found) -> None:
    """Draw one channel over images and in the pixels."""
    weights = results[view]
    chosen = channel(view, weights)
    position = weights.order.index(chosen)
    st.markdown(words.channel(weights, position))
    if weights.has_weights:
        left, right = places(view, [1.5, 1])
        with left:
            st.html(figures.extremes(cache.pixels(view.images.test[: analysis.IMAGES]), weights, position, 8))
        with right:
            sentence = words.correlation(weights, position)
            ui.chart(ui.drawn(figures.scatter, weights, position), view, "one-channel", alt=sentence)
            st.caption(sentence)
    gradient, change = cache.measure(view, "gradient", weights.level, channel=chosen), None
    if position >= weights.kept:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            how = st.segmented_control(
                "Its ε is", ["resampled", "set to zero"], default="resampled", required=True, key=view.key("epsilon")
            )
            frozen = weights.has_weights and st.toggle("Freeze the weights at this image", key=view.key("frozen"))
        zeroed = how == "set to zero"
        change = cache.measure(view, "resampling", weights.level, channel=chosen, zeroed=zeroed, frozen=frozen)
    st.html(figures.pixels(cache.pixels(view.image)[0], gradient, change))
    st.markdown(f"{channel_words.gradient(gradient)} {channel_words.change(change) if change else ''}")
    if change is None:
        st.caption(channel_words.PASSED_ON)
    elif weights.has_weights:
        ui.caveat(channel_words.OTHERS_CHANGE_TOO)


def ablation(view: ui.Page, results: ui.Found) -> None:
    """Draw what it costs to hold each weight at its mean."""
    if not results[view].has_weights:
        st.markdown(words.NO_WEIGHTS)
        return
    weighted = [each for each, weights in results.items() if weights.has_weights]
    of_all = {each: cache.measure(each, "ablation", results[each].level) for each in weighted}
    fixed, beside = of_all[view], list(of_all.values())
    ui.chart(ui.drawn(figures.ablation, fixed, beside), view, "ablation", alt=channel_words.ablation(fixed))
    st.caption(channel_words.ablation(fixed))
    ui.exports(view, tables={"ablation": fixed.table()}, pictures={})


def reach(view: ui.Page, results: ui.Found) -> None:
    """Draw how much the image changes with each factored-out channel."""
    of_all = {each: cache.measure(each, "reach", weights.level) for each, weights in results.items()}
    reached, beside = of_all[view], list(of_all.values())
    ui.chart(ui.drawn(figures.reach, reached, beside), view, "resampling", alt=channel_words.reach(reached))
    st.caption(channel_words.reach(reached))
    ui.exports(view, tables={"resampling": reached.table()}, pictures={})


results = ui.draw_level(page, "weights", main, words.NO_SPLIT, words.END)
pair = ui.paired(results, lambda names, results: analysis.WeightsPair(names, *results))
with takeaway:
    ui.takeaway(words.headline({view.file.label: weights for view, weights in results.items()}))
if pair is not None:
    st.markdown(plain(words.pair(pair)))

ui.folds(
    page,
    results,
    {
        "Why these channels are factored out": order,
        "One channel, for every image and down to the pixels": one_channel,
        "Which weights matter? (takes seconds)": ablation,
        "Which channels do the pixels need? (takes seconds)": reach,
    },
)
ui.how_to_read("weights")


def evidence(view: ui.Page, results: ui.Found) -> None:
    """Show the table of channels, and offer it."""
    ui.table(readable(results[view].short_table()))
    ui.exports(view, tables={"channels": results[view].table()}, pictures={})


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, results.get, evidence)
        if pair is not None:
            ui.exports(page, tables={"halves": pair.table()}, pictures={})
    command = f"--data {page.images.name} --image {page.links['image']} --seed {page.seed} --json"
    beside = [view.argument for view in results if view is not page] if page in results else []
    vs = f" --vs {beside[0]}" if beside else ""
    lines = {
        view: f"analyse {view.argument} --what weights --level {own.level} {command}" for view, own in results.items()
    }
    ui.reproduce(page, *(line + (vs if view is page else "") for view, line in lines.items()))

ui.closing(
    page, "Channel weights let a picture be louder or quieter than the prior expects. Is the flow better for it?"
)
