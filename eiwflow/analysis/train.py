"""A training, under way or done, from its run directory: curves, pace, and its present channels."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import DATASETS
from ..training.run_directory import RunDirectory
from .record import LevelRecord, TrainingCurve, is_number, level_records, newest, training_curve

#: Points at the end of the curve that give the pace.
PACE_POINTS = 20


@dataclass(frozen=True, eq=False)
class Progress:
    """A training from its records.

    Attributes:
        iterations: steps in all.
        step: the newest recorded step; -1 without a record.
        curve: of training batches with the current parameters, of test images with averaged parameters.
        validation: whether images held out from the train part replace the test part.
        seconds: of training so far.
        per_second: steps a second over the last points, None with too few points.
        levels: at the newest recording step.
        takes_first: whether the curve's test images are the first ones, as ``ImageData.takes_first``.

    """

    iterations: int
    step: int
    curve: TrainingCurve
    validation: bool
    seconds: float
    per_second: float | None
    levels: tuple[LevelRecord, ...]
    takes_first: bool = False

    @property
    def final(self) -> float | None:
        """Bits/dim on the whole test part, None before the end."""
        return self.curve.test_bits_per_dim

    @property
    def done(self) -> float:
        """The part of the steps that is done, 0 to 1."""
        return min(1.0, max(0, self.step) / self.iterations)

    @property
    def remaining(self) -> float | None:
        """Remaining seconds at the pace of the last points."""
        return None if not self.per_second else (self.iterations - self.step) / self.per_second

    @property
    def bits(self) -> float | None:
        """The newest bits/dim on test images: on the whole part at the end, before that on some of its images."""
        test = self.curve.probe_bits_per_dim
        return self.final if self.final is not None else (float(test[-1]) if len(test) else None)

    @property
    def scored(self) -> int:
        """The step of :attr:`bits`, the newest recorded one or an earlier one; -1 without bits."""
        steps = self.curve.probe_steps
        return self.step if self.final is not None else (int(steps[-1]) if len(steps) else -1)

    @property
    def gap(self) -> float | None:
        """The test curve minus the smoothed training curve at the last step where both are known, in bits/dim."""
        curve = self.curve
        if not len(curve.probe_steps) or not len(curve.steps) or curve.probe_steps[-1] < curve.steps[0]:
            return None
        return float(curve.probe_bits_per_dim[-1] - np.interp(curve.probe_steps[-1], curve.steps, curve.smoothed))


def progress(run: RunDirectory) -> Progress:
    """Read a run's records."""
    recipe, _ = run.config()
    records = run.records()
    curve = training_curve(records)
    return Progress(
        iterations=recipe.iterations,
        step=records[-1]["step"] if records else -1,
        curve=curve,
        validation=recipe.validation,
        seconds=max((r["seconds"] for r in records if is_number(r.get("seconds"))), default=0.0),
        per_second=_pace(curve.steps[-PACE_POINTS:], curve.seconds[-PACE_POINTS:]),
        levels=_newest_levels(records),
        takes_first=recipe.data in DATASETS,
    )


def points(run: RunDirectory) -> list[dict[str, Any]]:
    """Return a run's measures as rows of measure, line, step, CPU seconds and value; what was not recorded is left out.

    Measures: bits per value of batches, of train (batches smoothed) and of test; the norm of the gradient; the learning
    rate; the mean spectral redundancy of the channels passed on, in bits per value.
    """
    records = run.records()
    cpu = {record["step"]: record.get("cpu_seconds") for record in reversed(records)}  # the first of a step
    curve = training_curve(records)
    lines: dict[tuple[str, str], dict[int, float]] = {
        ("bits per value", "batches"): dict(zip(curve.steps.tolist(), curve.bits_per_dim.tolist(), strict=True)),
        ("bits per value", "train"): dict(zip(curve.steps.tolist(), curve.smoothed.tolist(), strict=True)),
        ("bits per value", "test"): dict(
            zip(curve.probe_steps.tolist(), curve.probe_bits_per_dim.tolist(), strict=True)
        ),
    }
    for measure, key in (("gradient norm", "gradient_norm"), ("learning rate", "lr")):
        lines[measure, "train"] = {line["step"]: line[key] for line in records if is_number(line.get(key))}
    lines["redundancy passed on", "test"] = _redundancy_passed_on(records)
    return [
        {"measure": measure, "line": line, "step": step, "cpu": cpu.get(step), "value": round(value, 6)}
        for (measure, line), values in lines.items()
        for step, value in values.items()
        if math.isfinite(value)
    ]


def _redundancy_passed_on(records: list[dict[str, Any]]) -> dict[int, float]:
    """Return by recording step the mean over levels of what their passed-on channels have, in bits per value."""
    means: dict[int, float] = {}
    for record in records:
        with suppress(LookupError, TypeError, ValueError, OverflowError):
            levels = [newest(level.redundancy, level.kept) for level in level_records([record])]
            means[record["step"]] = float(np.nanmean(levels)) if np.isfinite(levels).any() else math.nan
    return means


def _pace(steps: np.ndarray, seconds: np.ndarray) -> float | None:
    if len(steps) < 2 or seconds[-1] <= seconds[0]:
        return None
    return float((steps[-1] - steps[0]) / (seconds[-1] - seconds[0]))


def _newest_levels(records: list[dict[str, Any]]) -> tuple[LevelRecord, ...]:
    """Return the levels of the newest recording step with readable ones."""
    for record in reversed(records):
        with suppress(LookupError, TypeError, ValueError, OverflowError):
            return tuple(level_records([record]))
    return ()
