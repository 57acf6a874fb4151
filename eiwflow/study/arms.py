"""The arms of a study one by one: cost, result, and training curve."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.words.numbers import fixed
from .file import Study
from .recipe import Arm


def arm_table(study: Study) -> list[dict[str, Any]]:
    """Return one row an arm: bits/dim over seeds, parameters, iterations, CPU seconds of its training.

    Parameters are a number, or a text of the fewest and the most where seeds differ, as they may with ``keep="auto"``.
    """
    rows = []
    for arm in study.arms:
        runs = study.of(arm)
        bits = np.array([run.bits_per_dim for run in runs])
        fewest, most = min(run.parameters for run in runs), max(run.parameters for run in runs)
        rows.append(
            {
                **arm_row(arm),
                "seeds": len(runs),
                "bits_per_dim": float(bits.mean()),
                "sd_over_seeds": float(bits.std(ddof=1)) if len(bits) > 1 else None,
                "parameters": fewest if fewest == most else f"{fewest:,} to {most:,}",
                "iterations": runs[0].iterations,
                "cpu_s": float(np.mean([run.cpu_s for run in runs])),
                "cpu_s_per_step": float(np.median([run.cpu_s / run.iterations for run in runs])),
            }
        )
    return rows


def arm_row(arm: Arm) -> dict[str, Any]:
    """Return an arm as cells of a table: its text, then its choices."""
    return {"arm": arm.text, **dataclasses.asdict(arm)}


def run_table(study: Study) -> list[dict[str, Any]]:
    """Return one row a run."""
    numbers = ("seed", "bits_per_dim", "iterations", "parameters", "cpu_s")
    return [{**arm_row(run.arm), **{number: getattr(run, number) for number in numbers}} for run in study.runs.values()]


def cost_in_words(study: Study) -> str:
    """Return the cost of a step of every kind and the resulting iterations, for a study at equal CPU seconds."""
    costs = ", ".join(f"{kind.replace('/', ' weights, ')} prior ×{cost:.3f}" for kind, cost in study.step_cost.items())
    iterations = sorted({run.iterations for run in study.runs.values()})
    return (
        f"A step costs, relative to the cheapest of its prior and timed in turns before the first run: {costs}. "
        f"Each arm's iterations are divided by this cost ({', '.join(map(str, iterations))}) and run a whole cosine "
        "schedule."
    )


@dataclass(frozen=True, eq=False)
class ArmCurve:
    """Bits/dim of an arm during training, on some of the evaluation images.

    Attributes:
        arm: that was trained.
        seeds: (n,).
        steps: (P,) training steps.
        bits_per_dim: (n, P).

    """

    arm: Arm
    seeds: np.ndarray
    steps: np.ndarray
    bits_per_dim: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over seeds (P,)."""
        return self.bits_per_dim.mean(axis=0)

    def in_words(self) -> str:
        """Return the curve's first and last value, as a text that follows the arm's name."""
        first, last = (fixed(value, 3) for value in self.mean[[0, -1]])
        return f"from {first} at step {self.steps[0]:,.0f} to {last} at step {self.steps[-1]:,.0f}"

    def minus(self, other: ArmCurve) -> ArmCurve | None:
        """Return the paired difference over the seeds and steps that both have, or None where there are none."""
        seeds, ours, theirs = np.intersect1d(self.seeds, other.seeds, return_indices=True)
        steps, at, there = np.intersect1d(self.steps, other.steps, return_indices=True)
        if not len(seeds) or not len(steps):
            return None
        values = self.bits_per_dim[np.ix_(ours, at)] - other.bits_per_dim[np.ix_(theirs, there)]
        return ArmCurve(self.arm, seeds, steps, values)


def arm_curve(study: Study, arm: Arm) -> ArmCurve | None:
    """Return the curve of an arm over the seeds whose curves have the same steps, or None without a curve."""
    runs = [run for run in study.of(arm) if len(run.curve)]
    runs = [run for run in runs if np.array_equal(run.curve[:, 0], runs[0].curve[:, 0])]
    if not runs:
        return None
    values = np.stack([run.curve[:, 2] for run in runs])
    # Where test values were not kept, training values replace them, for all seeds alike.
    values = values if np.isfinite(values).all() else np.stack([run.curve[:, 1] for run in runs])
    return ArmCurve(arm, np.array([run.seed for run in runs]), runs[0].curve[:, 0], values)
