"""Sentences about channel weights, inside couplings or before a split."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .numbers import counted, fixed, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..weights import FactorReading, Frozen, PictureWeights, Place, Prices

#: The sentence on a flow without weights.
NONE = "This flow has no channel weights: every picture goes through the same maps."
#: The captions of the map of places and of the bars.
MAP = "How far from average, with that change; click a place."
BARS = "Each channel’s weight against its average, above the channel."
NO_FACTORS = "The factors of these images are unknown; choose faces16 or letters32, whose grain and light are known."
#: Less than this many bits per value is no price.
NOTHING = 5e-4
#: Weights predict a factor if the lower end of R² is above this.
TELLS = 0.1
CAVEAT = "weights that predict the grain were not trained to: training only asks for fewer bits per picture."


def takeaway(first: Prices, second: Prices, with_change: str, frozen: bool = False, flow: str = "") -> str:
    """Return what own weights save a picture and the changed one, or what average ones cost, in at most 20 words.

    Without a change only the picture is said of; with the name of a ``flow`` it is said of that one.
    """
    if max(abs(first.cost), abs(second.cost)) < NOTHING:
        return "No: own and average weights price both pictures alike."
    share = f"{fixed(100 * abs(first.cost) / first.own, 1)} %"
    # What own weights save, average weights cost.
    saves = [(cost < 0) == frozen for cost in (first.cost, second.cost)]
    verbs = ["save" if saved else "cost" for saved in saves]
    here = f"{verbs[0]} this picture {fixed(abs(first.cost), 3)} bits per value ({share})"
    if with_change:
        here += f", and {f'{verbs[1]} ' * (verbs[1] != verbs[0])}{fixed(abs(second.cost), 3)} {with_change}"
    whose = "average weights" if frozen else "own weights"
    if flow:
        return f"“{flow}”: {whose} {here}."
    if frozen:
        return f"Average weights, the same for all pictures, {here}."
    answer = "Yes" if all(saves) else "It depends" if any(saves) else "No"
    return f"{answer}: its own weights {here}."


def above_average(place: Place, frozen: bool) -> str:
    """Return what the bars of a coupling's weights are."""
    if frozen:
        return f"Average weights: one network ({named(place)}) hears every picture alike."
    return f"Bars: each channel’s weight above average, for one network ({named(place)})."


def priced(prices: Prices, frozen: bool) -> str:
    """Return the bits per value of a picture with own weights, or with average ones and how many more that are."""
    if not frozen:
        return f"{fixed(prices.own, 2)} bits"
    return f"{fixed(prices.frozen, 2)} bits: {fixed(abs(prices.cost), 2)} {'more' if prices.cost >= 0 else 'fewer'}"


def summary(weights: PictureWeights, frozen: Frozen) -> str:
    """Return how far a picture moves the weights, and what that saves over test images."""
    return f"Channel weights move by up to {fixed(weights.largest, 2)} from their averages. {cost(frozen)}"


def cost(frozen: Frozen) -> str:
    """Return what own weights save, with its interval."""
    low, high = frozen.interval
    return (
        f"Own channel weights instead of average ones save {fixed(frozen.mean, 3)} bits per value "
        f"(95 % {fixed(low, 3)} to {fixed(high, 3)}, {counted(len(frozen.costs), 'test image')})."
    )


def named(place: Place) -> str:
    """Return the name of a place."""
    return f"level {place.level}, {f'step {place.step}' if place.step else 'before the split'}"


def answer(weights: PictureWeights) -> str:
    """Return where a picture's weights are farthest from their averages."""
    farthest = max(weights.distances, key=weights.distances.__getitem__)
    return f"Channel weights are farthest from their averages at {named(farthest)}."


def channel(number: int, read: int, count: int) -> str:
    """Return the name of a weighted channel, by its number from 0: first the network's inputs, then its outputs."""
    if not read:  # before a split
        return f"channel {number + 1}"
    if number < read:
        return f"input {number + 1}"
    if count == 2 * read:  # shifts alone
        return f"shift {number - read + 1}"
    kind, first = ("log-scale", read) if number < 2 * read else ("shift", 2 * read)
    return f"{kind} {number - first + 1}"


def factors(readings: Sequence[FactorReading]) -> str:
    """Return the factors that the weights predict, and at which level best."""
    best: dict[str, FactorReading] = {}
    for row in sorted(readings, key=lambda row: row.r_squared):
        best[row.factor] = row
    told = [
        f"{factor} (R² {fixed(best[factor].r_squared, 2)} at level {best[factor].level})"
        for factor in dict.fromkeys(row.factor for row in readings)
        if best[factor].low > TELLS
    ]
    return f"The weights alone predict {listed(told) if told else 'no known factor clearly'}."


def regression(readings: Sequence[FactorReading]) -> str:
    """Return how R² was measured."""
    first = readings[0]
    images = f"fitted on {first.images_fitted} test images, R² of {first.images_checked} others"
    return f"Ridge regression on ω of one level: {images}."


def factor_table(readings: Sequence[FactorReading]) -> list[dict[str, Any]]:
    """Return one row a factor and level."""
    return list(map(asdict, readings))
