"""Sentences about a training under way."""

from __future__ import annotations

from ..train import Progress
from .numbers import fixed

#: Below this many bits/dim two curves lie on each other.
TOGETHER = 0.005


def gap(found: Progress) -> str:
    """Return why the test curve lies below the training curve, or above it, where it does; empty before both exist."""
    if (apart := found.gap) is None:
        return ""
    part = "Held-out" if found.validation else "Test"
    if abs(apart) < TOGETHER:
        return f"{part} and train lie together."
    if apart < 0:
        return (
            f"{part} lies {fixed(-apart, 2)} below train: it is scored with averaged parameters, training batches with "
            "those of their step."
        )
    return f"{part} lies {fixed(apart, 2)} above train: averaged parameters lag early; later it shows overfitting."
