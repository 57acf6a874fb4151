"""Sentences about what a permutation moves."""

from __future__ import annotations

from collections.abc import Mapping

from ..shuffle import RankRiver, ShuffleReport
from .numbers import counted

#: What an order is, by the flow's rule.
RULES = {
    "entropy": "This flow sorted its channels by spectral redundancy, once, when it first saw images.",
    "first": "This flow has no Shuffle: it factors out the first half, whatever it holds.",
    "last": "This flow has no Shuffle: it factors out the last half, whatever it holds.",
    "variance": "This flow passes on the principal channels that vary most, and factors out the others.",
    "variance-reversed": "This flow factors out the principal channels that vary most, and passes on the others.",
    "random": "This flow's order was drawn once, as a control.",
}


def rule(name: str) -> str:
    """Return what the order of a flow is."""
    return RULES.get(name, f"The order “{name}” decides.")


def moves(rivers: Mapping[str, RankRiver]) -> str:
    """Return how many channels start on another side of the split than the entropy order, and how many end there.

    Of several flows it is said of the one that moves most.
    """
    name = max(rivers, key=lambda each: rivers[each].churn.max())
    river = rivers[name]
    start, end = (round(river.channels * float(share)) for share in (river.churn[0], river.churn[-1]))
    if start == end == 0:
        return f"In {name} every channel starts and ends on the side of the split that the entropy order asks for."
    return (
        f"In {name} {counted(start, 'channel')} start on the other side of the split than the entropy order; "
        f"training leaves {end}."
    )


def sorted_anew(report: ShuffleReport) -> str:
    """Return how many channels would change sides if they were sorted by the test images."""
    return f"Sorted anew by these images, {report.moved_now()} would change sides."
