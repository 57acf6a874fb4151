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


def main(one: ui.Page, found: ui.Found) -> None:
    """Draw how far the weights follow loudness, and those of this image; without weights what decides the split."""
    if not found[one].has_weights:
        redundancy(one, found)
        st.caption(words.MARKED)
        return
    left, right = places(one, [1, 1])
    with left:
        slopes = ui.drawn(figures.slopes, found[one], figures.slope_limits(*found.values()))
        ui.chart(slopes, one, "slopes", alt=words.slopes(found[one]))
    with right:
        span = figures.weight_span(*found.values())
        bars = ui.drawn(figures.bars, found[one], span)
        ui.chart(bars, one, "weights", alt=words.answer(found[one]))


def redundancy(one: ui.Page, found: ui.Found) -> None:
    """Draw the spectral redundancy of the same channels."""
    limits = figures.redundancy_limits(*found.values())
    ui.chart(ui.drawn(figures.redundancy, found[one], 360, limits), one, "redundancy", alt=words.order_now(found[one]))


def order(one: ui.Page, found: ui.Found) -> None:
    """Draw what decides the split, and the entropy rates."""
    st.markdown(f"{words.answer(found[one])} {words.order_now(found[one])}")
    if found[one].has_weights:
        redundancy(one, found)
    limits = figures.entropy_rate_limits(*found.values())
    rates = ui.drawn(figures.entropy_rates, found[one], 300, limits)
    ui.chart(rates, one, "entropy-rates", alt=words.rates(found[one]))


def one_channel(one: ui.Page, found: ui.Found) -> None:
    """Draw one channel over images and in the pixels."""
    weights = found[one]
    chosen = channel(one, weights)
    position = weights.order.index(chosen)
    st.markdown(words.channel(weights, position))
    if weights.has_weights:
        left, right = places(one, [1.5, 1])
        with left:
            st.html(figures.extremes(cache.pixels(one.images.test[: analysis.IMAGES]), weights, position, 8))
        with right:
            sentence = words.correlation(weights, position)
            ui.chart(ui.drawn(figures.scatter, weights, position), one, "one-channel", alt=sentence)
            st.caption(sentence)
    gradient, change = cache.measure(one, "gradient", weights.level, channel=chosen), None
    if position >= weights.kept:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            how = st.segmented_control(
                "Its ε is", ["resampled", "set to zero"], default="resampled", required=True, key=one.key("epsilon")
            )
            frozen = weights.has_weights and st.toggle("Freeze the weights at this image", key=one.key("frozen"))
        zeroed = how == "set to zero"
        change = cache.measure(one, "resampling", weights.level, channel=chosen, zeroed=zeroed, frozen=frozen)
    st.html(figures.pixels(cache.pixels(one.image)[0], gradient, change))
    st.markdown(f"{channel_words.gradient(gradient)} {channel_words.change(change) if change else ''}")
    if change is None:
        st.caption(channel_words.PASSED_ON)
    elif weights.has_weights:
        ui.caveat(channel_words.OTHERS_CHANGE_TOO)


def ablation(one: ui.Page, found: ui.Found) -> None:
    """Draw what it costs to hold each weight at its mean."""
    if not found[one].has_weights:
        st.markdown(words.NO_WEIGHTS)
        return
    weighted = [each for each, weights in found.items() if weights.has_weights]
    of_all = {each: cache.measure(each, "ablation", found[each].level) for each in weighted}
    held, limits = of_all[one], figures.interval_limits(*of_all.values())
    ui.chart(ui.drawn(figures.ablation, held, limits), one, "ablation", alt=channel_words.ablation(held))
    st.caption(channel_words.ablation(held))
    ui.exports(one, tables={"ablation": held.table()}, pictures={})


def reach(one: ui.Page, found: ui.Found) -> None:
    """Draw how much the image changes with each factored-out channel."""
    of_all = {each: cache.measure(each, "reach", weights.level) for each, weights in found.items()}
    reached, limits = of_all[one], figures.interval_limits(*of_all.values())
    ui.chart(ui.drawn(figures.reach, reached, limits), one, "resampling", alt=channel_words.reach(reached))
    st.caption(channel_words.reach(reached))
    ui.exports(one, tables={"resampling": reached.table()}, pictures={})


found = ui.draw_level(page, "weights", main, words.NO_SPLIT, words.END)
pair = ui.paired(found, lambda names, results: analysis.WeightsPair(names, *results))
with takeaway:
    ui.takeaway(words.headline({one.file.label: weights for one, weights in found.items()}))
if pair is not None:
    st.markdown(plain(words.pair(pair)))

ui.folds(
    page,
    found,
    {
        "Why these channels are factored out": order,
        "One channel, for every image and down to the pixels": one_channel,
        "Which weights matter? (takes seconds)": ablation,
        "Which channels do the pixels need? (takes seconds)": reach,
    },
)
ui.how_to_read("weights")


def evidence(one: ui.Page, found: ui.Found) -> None:
    """Show the table of channels, and offer it."""
    ui.table(readable(found[one].short_table()))
    ui.exports(one, tables={"channels": found[one].table()}, pictures={})


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, found.get, evidence)
        if pair is not None:
            ui.exports(page, tables={"halves": pair.table()}, pictures={})
    command = f"--data {page.images.name} --image {page.links['image']} --seed {page.seed} --json"
    beside = [one.argument for one in found if one is not page] if page in found else []
    vs = f" --vs {beside[0]}" if beside else ""
    lines = {one: f"analyse {one.argument} --what weights --level {found[one].level} {command}" for one in found}
    ui.recipe(page, *(line + (vs if one is page else "") for one, line in lines.items()))

ui.closing(
    page, "Channel weights let a picture be louder or quieter than the prior expects. Is the flow better for it?"
)
