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


def images(weights: ChannelWeights) -> str:
    """Return what averages are over."""
    of = f" of {counted(weights.photographs, 'photograph')}" if weights.photographs else ""
    return f"{counted(weights.count, 'test image')}{of}"


def follow_loudness(weights: ChannelWeights) -> str:
    """Return whether a picture turns its loud channels down, and by how much.

    The slope of log ω against the channel's log standard deviation is the median over channels. The shares of a full
    compensation, which halves the weight of a channel twice as loud, are called as in the lesson's scene on weights.
    """
    if not weights.has_weights:
        return "No: this flow has no channel weights, so it turns nothing down."
    slopes = weights.correlations.slope
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


def headline(by_name: Mapping[str, ChannelWeights]) -> str:
    """Return :func:`follow_loudness` of a flow, or of several by their names."""
    sentences = {name: follow_loudness(weights) for name, weights in by_name.items()}
    if len(sentences) == 1:
        return next(iter(sentences.values()))
    return " ".join(f"In {name}, {sentence[0].lower()}{sentence[1:]}" for name, sentence in sentences.items())


def answer(weights: ChannelWeights) -> str:
    """Return which channels are turned up or down for this image, in one or two sentences."""
    if not weights.has_weights:
        order = FACTORED_OUT.get(weights.rule, f"what the order “{weights.rule}” puts last")
        return f"This flow has no channel weights. Level {weights.level} factors out {order}. {_static(weights)}"
    if weights.alike:
        return f"Level {weights.level} weights its channels alike for every image."
    ends = [
        f"channel {weights.order[position]} {way} the most, to ×{math.exp(weights.relative[position]):.2f}"
        for way, position in (("up", weights.relative.argmax()), ("down", weights.relative.argmin()))
    ]
    return (
        f"For this image, level {weights.level} turns {ends[0]} of its average weight, and {ends[1]}. "
        f"{correlations(weights.correlations)}"
    )


def correlations(result: Correlations) -> str:
    """Return in how many channels the weight falls with loudness, and by how much."""
    known = np.isfinite(result.pearson)
    if not known.any():
        return "The weights are the same for every image: there is nothing to correlate."
    return (
        f"Over images, ω falls with the loudness of its channel in {int((result.low > 0).sum())} of {known.sum()} "
        f"channels and rises in {int((result.high < 0).sum())} (95 % intervals; median r of −log ω with log σ "
        f"{signed(float(np.median(result.pearson[known])), 2)}). Where a channel is twice as loud, its weight is "
        f"×{2 ** np.median(result.slope[known]):.2f} (median over channels); ×0.50 would make up for it."
    )


def slopes(weights: ChannelWeights) -> str:
    """Return between which slopes the channels lie."""
    known = weights.correlations.slope[np.isfinite(weights.correlations.slope)]
    if not len(known):
        return f"Over {images(weights)}, the weights are the same for every image."
    return (
        f"Slope of log ω on log σ by channel over {images(weights)}: {fixed(known.min(), 2)} to {fixed(known.max(), 2)}"
        f", median {fixed(float(np.median(known)), 2)}. −1 would compensate for loudness."
    )


def correlation(weights: ChannelWeights, position: int) -> str:
    """Return the correlation of one channel, in one sentence."""
    channel, each = weights.order[position], weights.correlations
    if not np.isfinite(each.pearson[position]):
        return f"The weight of channel {channel} is the same for every image."
    return (
        f"−log ω of channel {channel} against its log standard deviation over {images(weights)}: "
        f"r = {signed(each.pearson[position], 2)} "
        f"(95 % interval {signed(each.low[position], 2)} to {signed(each.high[position], 2)})."
    )


def rates(weights: ChannelWeights) -> str:
    """Return between which channels the mean entropy rate lies, and how those of the halves compare."""
    mean = weights.images.entropy_rate.mean(axis=0)
    low, high = int(mean.argmin()), int(mean.argmax())
    kept, emitted = mean[: weights.kept].mean(), mean[weights.kept :].mean()
    return (
        f"The entropy rate of level {weights.level} over {images(weights)} runs from {fixed(mean[low], 2)} (channel "
        f"{weights.order[low]}) to {fixed(mean[high], 2)} nats/pixel (channel {weights.order[high]}): {fixed(kept, 2)} "
        f"on average over channels that are passed on, {fixed(emitted, 2)} over the others."
    )


def channel(weights: ChannelWeights, position: int) -> str:
    """Return which channel stands at a place."""
    part = "passed on" if position < weights.kept else "factored out"
    return (
        f"Channel {weights.order[position]} stands at place {position + 1} of {weights.shape[0]} and is **{part}**. "
        f"It is a map of {weights.shape[1]}×{weights.shape[2]} values."
    )


def order_now(weights: ChannelWeights) -> str:
    """Return where redundancy on these images would draw the split line."""
    emitted = np.arange(weights.shape[0]) >= weights.kept
    if weights.rule != "entropy":
        return "This order does not look at spectral redundancy."
    if (spared := emitted & weights.would_stay).any():
        instead = named(weights, ~emitted & ~weights.would_stay)
        return f"These images would now factor out {instead} in place of {named(weights, spared)}."
    return "These images would factor out the same channels."


def named(weights: ChannelWeights, positions: np.ndarray) -> str:
    """Return the channel numbers at the positions where a (C,) bool array is true."""
    chosen = [str(n) for n in sorted(number for number, here in zip(weights.order, positions, strict=True) if here)]
    if len(chosen) > NAMED:
        chosen[NAMED - 1 :] = [f"{len(chosen) - NAMED + 1} more"]
    return f"channel{'s' * (len(chosen) > 1)} {listed(chosen)}"


def _static(weights: ChannelWeights) -> str:
    emitted = np.arange(weights.shape[0]) >= weights.kept
    if not (spared := emitted & weights.would_stay).any():
        return f"By the redundancy of {images(weights)} the entropy order would factor out the same channels."
    return (
        f"By the redundancy of {images(weights)} the entropy order would have passed on {spared.sum()} of these "
        f"{emitted.sum()}, {named(weights, spared)}, and factored out {named(weights, ~emitted & ~weights.would_stay)} "
        "instead."
    )


def pair(two: WeightsPair) -> str:
    """Return what differs between two flows, in a few sentences."""
    return f"{_vary(two)} {_redundancy(two)} One training each: no verdict on their splits."


def _vary(two: WeightsPair) -> str:
    without = [name for name, weights in zip(two.titles, two.both, strict=True) if not weights.has_weights]
    if len(without) == 2:
        return "Neither of the two has channel weights."
    clauses = [
        f"{name} by ±{weights.spread:.2f} nats (×{math.exp(weights.spread):.2f})"
        for name, weights in zip(two.titles, two.both, strict=True)
        if weights.has_weights
    ]
    sentence = f"From image to image log ω of a channel varies in {' and in '.join(clauses)}"
    return f"{sentence}; {without[0]} has no channel weights." if without else f"{sentence}."


def _redundancy(two: WeightsPair) -> str:
    if not two.paired:
        shapes = " and ".join("×".join(map(str, weights.shape)) for weights in two.both)
        return f"Their channels are maps of other sizes ({shapes}), so redundancy is not compared."
    (name, other), (first, second) = two.titles, two.emitted_redundancy
    mean, low, high = two.emitted_difference
    numbers = (
        f"{fixed(first, 3)} nats/pixel in {name} and {fixed(second, 3)} in {other} (paired difference "
        f"{signed(mean, 3)}, 95 % interval {signed(low, 3)} to {signed(high, 3)}, over {images(two.first)})"
    )
    if low <= 0 <= high:
        return f"Neither clearly factors out more structure: {numbers}."
    return f"{name if low > 0 else other} factors out more structure: {numbers}."
