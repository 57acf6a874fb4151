"""Which channels the flow turns up or down, for which image, and where in the image a channel is at home."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from eiwflow import ui
from eiwflow.figures import weights as figures
from eiwflow.ui import weight_loaders as loaders
from eiwflow.ui.columns import compared, places
from eiwflow.ui.prediction import predicted

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from eiwflow.analysis.channels import Ablation, Reach
    from eiwflow.analysis.weights import ChannelWeights
    from eiwflow.checkpoint import Checkpoint
    from eiwflow.ui.loaders import Images

    Result = TypeVar("Result", Ablation, Reach)

page = ui.begin("Which channels does this picture turn up or down?", "Weights", level=True, compare=True)

APPLIED = "a bar is this image minus the average over images; a factor common to all images means nothing."
NO_WEIGHTS = (
    "where J on these images disagrees with the split, a channel is marked *would stay* or *would leave*. The flow was "
    "trained with its own halves; with another order its channels would be others."
)

from eiwflow.analysis.words import weights as words  # noqa: E402 (the title does not wait for torch)

LOUDNESS = ["louder", "quieter"]

above, found = st.container(), {}
for one, place in ui.side_by_side(page):
    with place, ui.errors_as_sentences():
        level = ui.shuffle_level(one)
        if level is None:
            ui.takeaway("This flow has one level: nothing is split, so there is no Shuffle and nothing to weigh.")
        else:
            found[one] = place, loaders.weights(one.checkpoint, one.images, one.image, level, one.seed)
shown = [weights for _, weights in found.values()]
span = figures.weight_span(*shown)
limits = figures.redundancy_limits(*shown) if shown else None
rates = figures.entropy_rate_limits(*shown) if shown else None

#: In a lesson the hall predicts before it is told.
told, weighing = True, [weights for weights in shown if weights.has_weights]
if page.lesson and weighing:
    with above:
        guess = predicted(
            page,
            "The highest dot is the channel that is turned up the most. Here, against other images, it is",
            LOUDNESS,
        )
        told = guess is not None
        if guess is not None:
            for weights in weighing:
                st.markdown(weights.loudness_in_words(guess))


def bars(one: ui.Page, weights: ChannelWeights) -> None:
    """Draw the main view: log ω of every channel."""
    ui.chart(ui.drawn(figures.bars, weights, span), one, "weights", alt=weights.in_words())


def redundancy(one: ui.Page, weights: ChannelWeights, height: int) -> None:
    """Draw J of the same channels."""
    why = "Why they stand where they stand" if weights.has_weights else "What the data say"
    st.markdown(f"**{why}:** spectral redundancy, mean over images, and this image (dots)")
    alt = weights.ties_in_words() if weights.has_weights else weights.in_words()
    ui.chart(ui.drawn(figures.redundancy, weights, height, limits), one, "redundancy", alt=alt)


def correlation(one: ui.Page, weights: ChannelWeights) -> None:
    """Draw whether a channel gets a larger weight where it is quiet."""
    st.markdown("**Over images:** does a channel get a larger weight where it is quiet?")
    alt = f"Over {weights.witnesses}: {weights.correlations.in_words()}"
    ui.chart(ui.drawn(figures.correlation, weights), one, "correlation", alt=alt)


def entropy_rates(one: ui.Page, weights: ChannelWeights, height: int) -> None:
    """Draw Ĥ of the same channels."""
    st.markdown("**The entropy rate Ĥ** of the same channels")
    chart = ui.drawn(figures.entropy_rates, weights, height, rates)
    ui.chart(chart, one, "entropy-rates", alt=weights.rates_in_words())


def caveat(weights: ChannelWeights) -> None:
    """Say what must not be concluded, and how sure the split is."""
    ui.caveat(APPLIED if weights.has_weights else NO_WEIGHTS)
    st.caption(f"Near the split line: {weights.ties_in_words()}")


def alone(one: ui.Page, weights: ChannelWeights) -> None:
    """Draw one checkpoint over the whole width."""
    if told:
        ui.takeaway(words.follow_loudness(weights) if weights.has_weights else weights.in_words())
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        if weights.has_weights:
            bars(one, weights)
        else:
            redundancy(one, weights, 400)
    with right:
        if weights.has_weights and told:
            correlation(one, weights)
        elif not weights.has_weights:
            entropy_rates(one, weights, 400)
    with ui.fold("Why the channels stand where they stand", "order") as fold:
        if fold.open and told:
            st.markdown(weights.in_words())
            caveat(weights)
            if weights.has_weights:
                redundancy(one, weights, 300)


def column(one: ui.Page, weights: ChannelWeights) -> None:
    """Draw one of two checkpoints: charts first, so that both columns have the same at the same height."""
    both_weigh = all(other.has_weights for other in shown)
    if both_weigh:
        bars(one, weights)
    redundancy(one, weights, 260)
    if not weights.has_weights:
        entropy_rates(one, weights, 430)
    elif not both_weigh:
        bars(one, weights)
    if not told:
        return
    if weights.has_weights:
        correlation(one, weights)
    st.markdown(weights.in_words())
    caveat(weights)


for one, (place, weights) in found.items():
    with place, ui.errors_as_sentences():
        (column if compared(page) else alone)(one, weights)
pair = loaders.pair(page, *shown) if len(found) == 2 else None
if pair is not None and told:
    with above:
        ui.takeaway(pair.in_words())
        st.caption("A channel's number is each flow's own: the same number in the two columns is not the same channel.")


def choose(one: ui.Page, weights: ChannelWeights) -> int:
    """Draw the choice of a channel, and say what it is; return its position."""
    channel = loaders.channel(one, weights)
    position = weights.order.index(channel)
    st.markdown(
        f"Channel {channel} stands at place {position + 1} of {weights.shape[0]}: it is **{weights.parts[position]}**. "
        f"It is one map of {weights.shape[1]}×{weights.shape[2]} numbers, and its number says only where it came from."
    )
    return position


def one_channel(one: ui.Page, weights: ChannelWeights, position: int) -> None:
    """Draw one channel over images and in the pixels."""
    channel, part = weights.order[position], weights.parts[position]
    if weights.has_weights:
        left, right = places(one, [1.5, 1])
        with left:
            st.markdown("**For which image?** The test images that turn it up and down the most")
            st.html(figures.extremes(loaders.pixels(one.images), weights, position, 8))
        with right:
            alt = weights.correlation_in_words(position)
            ui.chart(ui.drawn(figures.scatter, weights, position, both_axes), one, "one-channel", alt=alt)
            st.caption(alt)
    gradient = loaders.gradient(one.checkpoint, one.image, weights.level, channel, one.seed)
    change = None
    if part == "emitted":
        with st.container(horizontal=True, vertical_alignment="bottom"):
            how = st.segmented_control(
                "Its ε is", ["resampled", "set to zero"], default="resampled", required=True, key=one.key("epsilon")
            )
            frozen = weights.has_weights and st.toggle(
                "Freeze the weights at the original image", key=one.key("frozen")
            )
        with ui.errors_as_sentences():
            change = loaders.resampling(
                one.checkpoint, one.image, weights.level, channel, one.seed, how == "set to zero", frozen
            )
    st.html(figures.pixels(one.image[0].permute(1, 2, 0).numpy(), gradient, change))
    st.markdown(f"{gradient.in_words()} {change.in_words() if change else ''}")
    if part == "kept":
        st.caption("A kept channel goes on and has no ε of its own here: choose an emitted one to draw it anew.")
    elif weights.has_weights:
        ui.caveat(
            "what is emitted also decides how the kept half is weighed, so another ε changes the amplitude of every "
            "channel; a channel of zeros is so unlike anything seen that this can be most of the change. *Freeze* "
            "holds all weights of the level at those of the original image: then only this channel changes."
        )


with ui.fold("One channel, for every image and down to the pixels", "pixels") as pixels_fold:
    details = st.container()
if found and told and pixels_fold.open:
    chosen = {}
    with details:
        columns = ui.side_by_side(page)
    for one, place in columns:
        if one in found:
            with place:
                chosen[one] = place, choose(one, found[one][1])
    scattered = [(found[one][1], position) for one, (_, position) in chosen.items() if found[one][1].has_weights]
    both_axes = figures.scatter_limits(*scattered) if scattered else None
    for one, (place, position) in chosen.items():
        with place, ui.errors_as_sentences():
            one_channel(one, found[one][1], position)

ui.how_to_read("weights")


def investigate(
    title: str,
    label: str,
    what: str,
    load: Callable[[Checkpoint, Images, int], Result],
    draw: Callable[[Result, tuple[float, float] | None], go.Figure],
    *,
    of_weights: bool,
) -> None:
    """Draw what takes seconds, for each checkpoint that it was asked of, on one axis."""
    st.subheader(title)
    results = {}
    for one, place in ui.side_by_side(page):
        with place, ui.errors_as_sentences():
            if one not in found:
                continue
            weights = found[one][1]
            if of_weights and not weights.has_weights:
                st.markdown("No weight enters this density, so holding one would change nothing.")
            elif loaders.asked(label, one, weights.level):
                results[one] = place, load(one.checkpoint, one.images, weights.level)
    limits = figures.interval_limits(*(result for _, result in results.values())) if results else None
    for one, (place, result) in results.items():
        with place:
            ui.chart(ui.drawn(draw, result, limits), one, what, alt=result.in_words())
            st.caption(result.in_words())
        tables[one][what] = result.table()


if found and (more := ui.more_evidence()).open:
    with more:
        tables = {one: {"channels": weights.table()} for one, (_, weights) in found.items()}
        left, right = places(page, [1, 1])
        with left:
            investigate(
                "Which weights matter?",
                "Hold each weight at its mean over images",
                "ablation",
                loaders.ablation,
                figures.ablation,
                of_weights=True,
            )
        with right:
            investigate(
                "Which channels do the pixels need?",
                "Resample each factored-out channel",
                "resampling",
                loaders.reach,
                figures.reach,
                of_weights=False,
            )
        st.subheader("Channel by channel")
        for one, place in ui.side_by_side(page):
            if one in found:
                with place:
                    ui.table(loaders.short_table(found[one][1]))
                    ui.exports(one, tables=tables[one], pictures={})
        if pair is not None:
            ui.exports(page, tables={"halves": pair.table()}, pictures={})
        vs = "" if pair is None or page.other is None else f" --vs {page.other.argument}"
        ui.recipe(
            page,
            *(
                f"analyse {one.argument} --what weights --level {weights.level} --data {page.images.name} "
                f"--image {page.links['image']} --seed {page.seed} --json{vs if one is page else ''}"
                for one, (_, weights) in found.items()
            ),
        )

ui.closing(
    page,
    "Weights let an image be louder or quieter than the prior expects. Whether that makes a better flow than a static "
    "split is a question for several seeds."
    if found and told
    else "Predict, then reveal: the answer is measured in this image."
    if found
    else "Weights need a level that splits; choose a checkpoint of two levels or more.",
)
