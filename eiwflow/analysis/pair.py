"""Two checkpoints beside each other in words: what differs between these two flows, and never which rule is better.

Both are measured on the same images under the same draws, so what they differ by has a paired interval. A channel's
number is each flow's own: no channel of one stands for a channel of the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .entropy import Entropies
from .intervals import Estimate
from .shuffle import ShuffleReport

ONE_TRAINING = (
    "this is one training of each. Intervals are over the same test images for both, not over trainings, so nothing "
    "here is a verdict on the two splits. Compare trains several of each, in pairs."
)


@dataclass(frozen=True, eq=False)
class EntropyPair:
    """What leaves and what stays in two flows, measured on the same images.

    Attributes:
        names: of the two checkpoints.
        results: what was measured of each.
        levels: the level of each that is looked at, from 1.

    """

    names: tuple[str, str]
    results: tuple[Entropies, Entropies]
    levels: tuple[int, int]

    def in_words(self) -> str:
        """Return how much structure leaves, and stays, in the one and in the other."""
        halves = [result.level(number).in_force for result, number in zip(self.results, self.levels, strict=True)]
        emitted = [half.emitted.means["redundancy"] for half in halves]
        if any(math.isnan(mean.value) for mean in emitted):
            return "A channel of a single pixel has no redundancy, so the two cannot be compared in J."
        kept = [half.kept.means["redundancy"] for half in halves if half.kept is not None]
        return _halves_in_words(self.names, self.levels, emitted, kept)


@dataclass(frozen=True, eq=False)
class ShufflePair:
    """What the permutations of two flows move, on the same images.

    Attributes:
        names: of the two checkpoints.
        reports: what was found at a level of each.

    """

    names: tuple[str, str]
    reports: tuple[ShuffleReport, ShuffleReport]

    def in_words(self) -> str:
        """Return how much structure leaves in the one and in the other, and what sorting anew would now move."""
        levels, (one, other) = tuple(report.level for report in self.reports), self.names
        means = [report.mean_redundancy(kept=False) for report in self.reports]
        first, second = (report.moved_now() for report in self.reports)
        moved = f"{first} would change sides in {one}, {second} in {other}"
        if first == second:
            moved = f"{first} would change sides, in the one as in the other"
        return f"{_halves_in_words(self.names, levels, means, [])} Sorted anew by these images, {moved}."


def _halves_in_words(
    names: tuple[str, str], levels: tuple[int, ...], emitted: Sequence[Estimate], kept: Sequence[Estimate]
) -> str:
    """Return what J leaves and what stays; ``kept`` holds both halves' means, or fewer where one keeps nothing."""
    one, other = names
    if levels[0] != levels[1]:
        return (
            f"{one} sends out channels of J = {emitted[0]} nats a pixel at level {levels[0]}, {other} of {emitted[1]} "
            f"at level {levels[1]}; maps of different sizes cannot be compared in J."
        )
    found = (
        f"At level {levels[0]} {one} sends out channels of J = {emitted[0]} nats a pixel, {other} of {emitted[1]}: "
        f"{_difference(emitted)}."
    )
    return f"{found} What stays has {kept[0]} and {kept[1]}: {_difference(kept)}." if len(kept) == 2 else found


def _difference(means: Sequence[Estimate]) -> str:
    """Return by how much the second mean exceeds the first, in pairs of images."""
    found = means[1].minus(means[0])
    if found.is_near_zero:
        return "no difference that these images show"
    return f"{Estimate(abs(found.value), found.error)} {'more' if found.value > 0 else 'less'}"
