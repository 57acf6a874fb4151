"""Sentences about a training under way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..record import LevelRecord, newest
from ..train import Progress
from .numbers import duration, fixed

#: Below this many bits/dim two curves lie on each other.
TOGETHER = 0.005


def gap(progress: Progress) -> str:
    """Explain a gap between the test curve and the training curve; empty before both exist."""
    if (apart := progress.gap) is None:
        return ""
    part = "Held-out" if progress.validation else "Test"
    if abs(apart) < TOGETHER:
        return f"{part} and train agree."
    if apart < 0:
        return f"{part} is {fixed(-apart, 2)} lower because it uses averaged parameters."
    why = "averaged parameters lag early" if progress.done < 0.5 else "a sign of overfitting"
    return f"{part} is {fixed(apart, 2)} higher: {why}."


def answer(progress: Progress) -> str:
    """Return the state of a training."""
    if progress.bits is None:
        return "Nothing is recorded yet."
    kind = "held-out" if progress.validation else "test"
    some = "the first" if progress.takes_first else "some"
    whole = f"on {kind} images" if progress.final is not None else f"on {some} {kind} images"
    test = progress.curve.probe_bits_per_dim
    gained = f", {test[0]:.2f} at the start" if len(test) > 1 else ""
    at = f"Step {max(0, progress.scored):,} of {progress.iterations:,}"
    return f"{at}: {progress.bits:.3f} bits per value {whole}{gained}."


def longest(progress: Progress) -> Progress:
    """Return a state of the training that makes the sentence of :func:`answer` longest: just before the last scores."""
    steps = np.full(2, progress.iterations - 1)
    curve = replace(progress.curve, probe_steps=steps, probe_bits_per_dim=np.full(2, 10.0), test_bits_per_dim=None)
    return replace(progress, step=progress.iterations, curve=curve)


def pace(progress: Progress, alive: bool) -> str:
    """Return the progress of a training, and its pace and remaining time if it is at work."""
    parts = [f"step {max(0, progress.step):,} of {progress.iterations:,}"]
    if alive and progress.per_second is not None:
        parts.append(f"{progress.per_second:.1f} steps a second")
    if alive and progress.remaining:
        parts.append(f"about {duration(progress.remaining)} to go")
    return " · ".join([*parts, f"{duration(progress.seconds)} of training{' so far' * alive}"])


def level(state: LevelRecord) -> str:
    """Return which part of a level's channels has more structure, and whether the order still holds."""
    if state.order is None:
        return f"Level {state.number} is the last: all {len(state.used)} channels are factored out."
    if not state.emitted.size:
        return f"Level {state.number} passes on all of its {len(state.used)} channels."
    if state.redundancy is None:
        return f"Level {state.number} passes on {len(state.kept)} of {len(state.used)} channels."
    crossing = int(state.crossing[state.kept].sum())
    moved = (
        "Sorting again would change nothing."
        if not crossing
        else f"Sorting again would move {crossing} of {len(state.kept)} channels across the split line."
    )
    kept, emitted = (fixed(newest(state.redundancy, half), 2) for half in (state.kept, state.emitted))
    return f"Level {state.number} passes on a redundancy of {kept} and factors out {emitted} bits per value. {moved}"
