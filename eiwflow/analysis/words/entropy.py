"""Sentences about entropy along the way, and about the halves of a level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..way import NOISE_BITS
from .numbers import fixed

if TYPE_CHECKING:
    from ..entropy import Entropies
    from ..record import TrainingRecord
    from ..way import Way

PARTS = {"kept": "passed on", "emitted": "factored out"}
SORTED = "From most to least predictable from neighbours, in bits per value. Loudness does not count."
NO_RECORD = "This flow has no training record, so nothing is known of its training."


def grows(way: Way) -> str:
    """Return how far entropy grows, and what neighbours predict of the image and at the end."""
    told = [stop.redundancy for stop in way.stops if not math.isnan(stop.redundancy)]
    predicted = f"what neighbours predict goes from {fixed(told[0], 2)} to {fixed(max(0.0, told[-1]), 2)}"
    return f"Entropy grows by {fixed(way.gained, 2)} bits per value, and {predicted}."


def at(way: Way, place: int) -> str:
    """Return what a stop shows: of the image how far entropy grows, of a split what its level does, or the entropy."""
    stop = way.stops[place]
    if not place:
        return grows(way)
    if stop.factored_out is None or math.isnan(stop.factored_out + stop.redundancy):
        return f"After {stop.title}, entropy is {to_noise(stop.entropy)}."
    before = [each for each in way.stops if each.level < stop.level][-1]
    rise = stop.entropy - before.entropy
    verb = "raises" if rise > 0 else "lowers"
    on, out = "passed on", "factored out"
    predictable, other = (on, out) if stop.redundancy > stop.factored_out else (out, on)
    went = f"by {fixed(abs(rise), 2)} bits per value"
    return f"Level {stop.level} {verb} entropy {went}; its predictable part is {predictable}, the rest {other}."


def to_noise(entropy: float) -> str:
    """Return how far an entropy, in bits a value, lies from that of white noise."""
    side = "below white noise" if entropy < NOISE_BITS else "above white noise (wider spread)"
    return f"{fixed(abs(entropy - NOISE_BITS), 2)} {side}"


def pair(ways: Mapping[str, Way]) -> str:
    """Return how far entropy grows in two flows."""
    (first, one), (second, other) = ways.items()
    return (
        f"On its way to noise, entropy grows by {fixed(one.gained, 2)} bits per value in “{first}” and by "
        f"{fixed(other.gained, 2)} in “{second}”."
    )


def answer(entropies: Entropies, number: int = 1) -> str:
    """Return the redundancy of the parts factored out and passed on at a level."""
    level = entropies.levels[number - 1]
    emitted, kept = level.used.emitted.means["redundancy"], level.used.kept
    if math.isnan(emitted.value):
        return f"At level {number} a channel is a single pixel, without neighbours."
    if kept is None:
        return f"Level {number} is the last: it factors out all channels, with {emitted} predictable bits per value."
    gap = kept.means["redundancy"].minus(emitted)
    verdict = "no clear difference" if gap.is_near_zero else "more" if gap.value > 0 else "fewer"
    return (
        f"At level {number} the channels passed on have {kept.means['redundancy']} predictable bits per value, those "
        f"factored out {emitted}: {verdict}."
    )


def cells(entropies: Entropies) -> list[dict[str, Any]]:
    """Return one row per half, stage and level, with means and intervals as text."""
    return [
        {name: PARTS.get(value, value) for name, value in head.items()}
        | {"channels": len(half.numbers)}
        | {name: "–" if math.isnan(mean.value) else str(mean) for name, mean in half.means.items()}
        for head, half in entropies.halves()
    ]


def growth(record: TrainingRecord, number: int) -> str:
    """Return how the redundancy of the halves of a level moved between the first and the last recorded step."""
    halves = record.levels[number - 1].halves()
    moved = [
        f"from {fixed(rows[0].mean(), 2)} to {fixed(rows[-1].mean(), 2)} for channels {PARTS[part]}"
        for part, rows in halves.items()
        if not np.isnan(rows[[0, -1]]).any()
    ]
    if not moved:
        return f"At level {number} a channel is a single pixel: it has no redundancy."
    return (
        f"From step {record.steps[0]:,} to step {record.steps[-1]:,}, redundancy at level {number} went "
        f"{' and '.join(moved)}, in bits per value, over the images of the training record."
    )
