"""Sentences about a training under way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..train import LevelNow, Progress, mean_of
from .numbers import duration, fixed

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


def answer(found: Progress) -> str:
    """Say what a training has come to."""
    if found.bits is None:
        return "Nothing is recorded yet."
    kind, part = ("held-out", "images held out from train") if found.validation else ("test", "the test part")
    whole = f"on {part}" if found.final is not None else f"on the first {kind} images"
    test = found.curve.probe_bits_per_dim
    gained = f", from {test[0]:.2f} at the start" if len(test) > 1 else ""
    return f"After {max(0, found.step):,} of {found.iterations:,} steps: {found.bits:.3f} bits/dim {whole}{gained}."


def longest(found: Progress) -> Progress:
    """Return a training as it would stand where :func:`answer` says most: before its last scores."""
    curve = replace(found.curve, probe_bits_per_dim=np.full(2, 10.0), test_bits_per_dim=None)
    return replace(found, step=found.iterations, curve=curve)


def pace(found: Progress, alive: bool) -> str:
    """Say how far a training is, and how fast and how long it will go on if it is at work."""
    parts = [f"step {max(0, found.step):,} of {found.iterations:,}"]
    if found.per_second is not None:
        parts.append(f"{found.per_second:.1f} steps a second")
    if alive and found.remaining:
        parts.append(f"about {duration(found.remaining)} to go")
    return " · ".join([*parts, f"{duration(found.seconds)} of training{' so far' * alive}"])


def level(found: LevelNow) -> str:
    """Say which part of a level's channels has the structure, and whether the order still holds."""
    if found.order is None:
        return f"Level {found.number} is the last: all {len(found.entropy)} channels are factored out."
    if not found.redundancy:
        return f"Level {found.number} passes on {found.count} of {len(found.order)} channels."
    moved = (
        "Sorting again would change nothing."
        if not found.crossing
        else f"Sorting again would move {found.crossing} of {found.count} across."
    )
    kept, emitted = (fixed(mean_of(found.redundancy, part), 2) for part in (found.kept, found.emitted))
    return f"Level {found.number} passes on a redundancy of {kept} and factors out {emitted} nats/pixel. {moved}"
