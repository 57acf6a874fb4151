"""Sentences about channel weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .numbers import counted, fixed, listed, percent, signed

if TYPE_CHECKING:
    from ..weights import ChannelWeights, Correlations, WeightsPair

#: A sentence names at most so many channels.
NAMED = 8
#: Of a flow that splits nothing.
NO_SPLIT = "This flow has one level: it splits nothing, so there are no channel weights."
END = "Channel weights need a level that splits; choose a checkpoint of two levels or more."
#: Of a flow without weights.
NO_WEIGHTS = "This flow has no channel weights."
MARKED = "Where the spectral redundancy of these images disagrees with the split, a channel is marked."

#: What an order factors out.
FACTORED_OUT = {
    "first": "the first of its channels",
    "last": "the last of its channels",
    "variance": "the channels of smallest variance",
    "variance-reversed": "the channels of largest variance",
    "random": "channels drawn at random",
    "entropy": "the channels with the least spectral redundancy",
    "released": "the channels of smallest learned weight",
}


def images(found: ChannelWeights) -> str:
    """Return what averages are over."""
    of = f" of {counted(found.photographs, 'photograph')}" if found.photographs else ""
    return f"{counted(found.count, 'test image')}{of}"


def follow_loudness(found: ChannelWeights) -> str:
    """Return whether a picture turns its loud channels down, and by how much.

    The slope of log ω against the channel's log standard deviation is the median over channels. The shares of a full
    compensation, which halves the weight of a channel twice as loud, are called as in the lesson's scene on weights.
    """
    if not found.has_weights:
        return "No: this flow has no channel weights, so it turns nothing down."
    slopes = found.correlations.slope
    known = slopes[np.isfinite(slopes)]
    if not len(known):
        return "No: these channel weights are the same for every picture."
    change = 2 ** float(np.median(known)) - 1
    if abs(change) < 0.005:
        return "No: a channel twice as loud keeps its weight."
    share = change / -0.5
    if abs(share) < 0.05:
        much = "No"
    elif share < 0:
        much = "No, the reverse"
    else:
        much = "Only a little" if share < 0.3 else "Partly" if share < 0.8 else "Yes"
    turned = f"turned {'down' if change < 0 else 'up'} by{' only' if much == 'No' else ''} {percent(abs(change))}"
    return f"{much}: a channel twice as loud is {turned}."


def headline(found: Mapping[str, ChannelWeights]) -> str:
    """Return :func:`follow_loudness` of a flow, or of several by their names."""
    said = {name: follow_loudness(one) for name, one in found.items()}
    if len(said) == 1:
        return next(iter(said.values()))
    return " ".join(f"In {name}, {sentence[0].lower()}{sentence[1:]}" for name, sentence in said.items())


def answer(found: ChannelWeights) -> str:
    """Return which channels are turned up or down for this image, in one or two sentences."""
    if not found.has_weights:
        order = FACTORED_OUT.get(found.rule, f"what the order “{found.rule}” puts last")
        return f"This flow has no channel weights. Level {found.level} factors out {order}. {_static(found)}"
    if found.alike:
        return f"Level {found.level} weights its channels alike for every image."
    ends = [
        f"channel {found.order[position]} {way} the most, to ×{math.exp(found.relative[position]):.2f}"
        for way, position in (("up", found.relative.argmax()), ("down", found.relative.argmin()))
    ]
    return (
        f"For this image, level {found.level} turns {ends[0]} of its average weight, and {ends[1]}. "
        f"{correlations(found.correlations)}"
    )


def correlations(found: Correlations) -> str:
    """Return in how many channels the weight falls with loudness, and by how much."""
    known = np.isfinite(found.pearson)
    if not known.any():
        return "The weights are the same for every image: there is nothing to correlate."
    return (
        f"Over images, ω falls with the loudness of its channel in {int((found.low > 0).sum())} of {known.sum()} "
        f"channels and rises in {int((found.high < 0).sum())} (95 % intervals; median r of −log ω with log σ "
        f"{signed(float(np.median(found.pearson[known])), 2)}). Where a channel is twice as loud, its weight is "
        f"×{2 ** np.median(found.slope[known]):.2f} (median over channels); ×0.50 would make up for it."
    )


def slopes(found: ChannelWeights) -> str:
    """Return between which slopes the channels lie."""
    known = found.correlations.slope[np.isfinite(found.correlations.slope)]
    if not len(known):
        return f"Over {images(found)}, the weights are the same for every image."
    return (
        f"Slope of log ω on log σ by channel over {images(found)}: {fixed(known.min(), 2)} to {fixed(known.max(), 2)}, "
        f"median {fixed(float(np.median(known)), 2)}. −1 would compensate for loudness."
    )


def correlation(found: ChannelWeights, position: int) -> str:
    """Return the correlation of one channel, in one sentence."""
    channel, each = found.order[position], found.correlations
    if not np.isfinite(each.pearson[position]):
        return f"The weight of channel {channel} is the same for every image."
    return (
        f"−log ω of channel {channel} against its log standard deviation over {images(found)}: "
        f"r = {signed(each.pearson[position], 2)} "
        f"(95 % interval {signed(each.low[position], 2)} to {signed(each.high[position], 2)})."
    )


def rates(found: ChannelWeights) -> str:
    """Return between which channels the mean entropy rate lies, and how those of the halves compare."""
    mean = found.images.entropy_rate.mean(axis=0)
    low, high = int(mean.argmin()), int(mean.argmax())
    kept, emitted = mean[: found.kept].mean(), mean[found.kept :].mean()
    return (
        f"The entropy rate of level {found.level} over {images(found)} runs from {fixed(mean[low], 2)} (channel "
        f"{found.order[low]}) to {fixed(mean[high], 2)} nats/pixel (channel {found.order[high]}): {fixed(kept, 2)} "
        f"on average over channels that are passed on, {fixed(emitted, 2)} over the others."
    )


def channel(found: ChannelWeights, position: int) -> str:
    """Return which channel stands at a place."""
    part = "passed on" if position < found.kept else "factored out"
    return (
        f"Channel {found.order[position]} stands at place {position + 1} of {found.shape[0]} and is **{part}**. "
        f"It is a map of {found.shape[1]}×{found.shape[2]} values."
    )


def order_now(found: ChannelWeights) -> str:
    """Return where redundancy on these images would draw the split line."""
    emitted = np.arange(found.shape[0]) >= found.kept
    if found.rule != "entropy":
        return "This order does not look at spectral redundancy."
    if (spared := emitted & found.would_stay).any():
        instead = named(found, ~emitted & ~found.would_stay)
        return f"These images would now factor out {instead} in place of {named(found, spared)}."
    return "These images would factor out the same channels."


def named(found: ChannelWeights, positions: np.ndarray) -> str:
    """Return the channel numbers at the positions where a (C,) bool array is true."""
    chosen = [str(n) for n in sorted(number for number, here in zip(found.order, positions, strict=True) if here)]
    if len(chosen) > NAMED:
        chosen[NAMED - 1 :] = [f"{len(chosen) - NAMED + 1} more"]
    return f"channel{'s' * (len(chosen) > 1)} {listed(chosen)}"


def _static(found: ChannelWeights) -> str:
    emitted = np.arange(found.shape[0]) >= found.kept
    if not (spared := emitted & found.would_stay).any():
        return f"By the redundancy of {images(found)} the entropy order would factor out the same channels."
    return (
        f"By the redundancy of {images(found)} the entropy order would have passed on {spared.sum()} of these "
        f"{emitted.sum()}, {named(found, spared)}, and factored out {named(found, ~emitted & ~found.would_stay)} "
        "instead."
    )


def pair(found: WeightsPair) -> str:
    """Return what differs between two flows, in a few sentences."""
    return f"{_vary(found)} {_redundancy(found)} One training each: no verdict on their splits."


def _vary(found: WeightsPair) -> str:
    without = [name for name, one in zip(found.titles, found.both, strict=True) if not one.has_weights]
    if len(without) == 2:
        return "Neither of the two has channel weights."
    clauses = [
        f"{name} by ±{one.spread:.2f} nats (×{math.exp(one.spread):.2f})"
        for name, one in zip(found.titles, found.both, strict=True)
        if one.has_weights
    ]
    sentence = f"From image to image log ω of a channel varies in {' and in '.join(clauses)}"
    return f"{sentence}; {without[0]} has no channel weights." if without else f"{sentence}."


def _redundancy(found: WeightsPair) -> str:
    if not found.paired:
        shapes = " and ".join("×".join(map(str, one.shape)) for one in found.both)
        return f"Their channels are maps of other sizes ({shapes}), so redundancy is not compared."
    (name, other), (first, second) = found.titles, found.emitted_redundancy
    mean, low, high = found.emitted_difference
    numbers = (
        f"{fixed(first, 3)} nats/pixel in {name} and {fixed(second, 3)} in {other} (paired difference "
        f"{signed(mean, 3)}, 95 % interval {signed(low, 3)} to {signed(high, 3)}, over {images(found.first)})"
    )
    if low <= 0 <= high:
        return f"Neither clearly factors out more structure: {numbers}."
    return f"{name if low > 0 else other} factors out more structure: {numbers}."
