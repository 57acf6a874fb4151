"""What a run's directory says of a training under way, or at its end: curves, pace, and its channels now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from ..training.run_directory import RunDirectory
from .curve import smoothed

#: The pace is that of the last so many points of the curve.
PACE_POINTS = 20
#: What a level's record has a number a channel of, beside its entropy; some are null.
LISTS = ("redundancy", "order", "entropy_order", "weights_std")


@dataclass(frozen=True)
class LevelNow:
    """A level's channels at the newest recording step; "would" is what the entropy order of that moment says.

    Attributes:
        number: from 1.
        redundancy: spectral redundancy by channel number, nats a pixel; empty where maps have one pixel.
        entropy: marginal entropy by channel number, nats a dimension.
        order: channel numbers in the order used, those passed on first; None for the last level, which does not split.
        would_stay: by channel number, whether it would be kept if channels were sorted now.
        weight_spread: mean over channels of the standard deviation over images of log ω, nats; None without weights.
        count: how many channels are passed on.

    """

    number: int
    redundancy: tuple[float, ...]
    entropy: tuple[float, ...]
    order: tuple[int, ...] | None
    would_stay: tuple[bool, ...]
    weight_spread: float | None
    count: int

    @property
    def kept(self) -> tuple[int, ...]:
        """The channels that are passed on."""
        return () if self.order is None else self.order[: self.count]

    @property
    def emitted(self) -> tuple[int, ...]:
        """The channels that are factored out."""
        return tuple(range(len(self.entropy))) if self.order is None else self.order[self.count :]

    @property
    def crossing(self) -> int:
        """How many channels that are passed on would be factored out if they were sorted now."""
        return sum(not self.would_stay[channel] for channel in self.kept)

    def row(self) -> dict[str, Any]:
        """Return what the level is like on average."""
        kept, emitted = self.kept, self.emitted
        return {
            "level": self.number,
            "channels": len(self.entropy),
            "redundancy passed on": mean_of(self.redundancy, kept),
            "redundancy factored out": mean_of(self.redundancy, emitted),
            "entropy passed on": mean_of(self.entropy, kept),
            "entropy factored out": mean_of(self.entropy, emitted),
            "would cross": math.nan if self.order is None else self.crossing,
            "spread of log ω": math.nan if self.weight_spread is None else self.weight_spread,
        }


@dataclass(frozen=True, eq=False)
class Progress:
    """A training as its records show it.

    Attributes:
        iterations: steps in all.
        step: the newest recorded step; -1 where nothing is recorded.
        steps: (N,) of the curve's points.
        train: (N,) bits/dim of the training batches since the point before, with the weights of the moment.
        smoothed: (N,) the same under a running mean.
        test_steps: (M,) recording steps.
        test: (M,) bits/dim of the first test images, with averaged parameters.
        final: bits/dim on the whole test part, None before the end.
        validation: whether images held out from the train part stand in for the test part.
        seconds: that the training has taken.
        per_second: steps a second over the last points, None where there are too few.
        levels: at the newest recording step.
        recorded: that step.

    """

    iterations: int
    step: int
    steps: np.ndarray
    train: np.ndarray
    smoothed: np.ndarray
    test_steps: np.ndarray
    test: np.ndarray
    final: float | None
    validation: bool
    seconds: float
    per_second: float | None
    levels: tuple[LevelNow, ...]
    recorded: int

    @property
    def done(self) -> float:
        """The part of the steps that is done, 0 to 1."""
        return min(1.0, max(0, self.step) / self.iterations)

    @property
    def remaining(self) -> float | None:
        """Seconds to go at the pace of the last points."""
        return None if not self.per_second else (self.iterations - self.step) / self.per_second

    @property
    def bits(self) -> float | None:
        """The newest bits/dim on test images: of the whole part at the end, of the first ones before."""
        return self.final if self.final is not None else (float(self.test[-1]) if len(self.test) else None)

    @property
    def gap(self) -> float | None:
        """How far the test curve lies above the smoothed training curve where both were recorded last, in bits/dim."""
        if not len(self.test) or not len(self.steps) or self.test_steps[-1] < self.steps[0]:
            return None
        return float(self.test[-1] - np.interp(self.test_steps[-1], self.steps, self.smoothed))

    def table(self) -> list[dict[str, Any]]:
        """Return the points of the curves, by step."""
        tests = dict(zip(self.test_steps.tolist(), self.test.tolist(), strict=True))
        points = {
            step: (raw, smooth)
            for step, raw, smooth in zip(self.steps.tolist(), self.train.tolist(), self.smoothed.tolist(), strict=True)
        }
        return [
            {
                "step": step,
                "train_bits_per_dim": points.get(step, (None,))[0],
                "train_smoothed_bits_per_dim": points.get(step, (None, None))[1],
                "test_bits_per_dim": tests.get(step),
            }
            for step in sorted({*points, *tests})
        ]


def progress(run: RunDirectory) -> Progress:
    """Read a run's records.

    Raises:
        RunError: its config cannot be read.

    """
    recipe, _ = run.config()
    records = run.records()
    curve = [
        (r["step"], r["bits_per_dim"], r["seconds"] if _number(r.get("seconds")) else 0.0)
        for r in records
        if _number(r.get("bits_per_dim"))
    ]
    tests = [(r["step"], r["probe_bits_per_dim"]) for r in records if _number(r.get("probe_bits_per_dim"))]
    recordings = [r for r in records if isinstance(r.get("levels"), list) and all(map(_is_level, r["levels"]))]
    train = np.array([bits for _, bits, _ in curve])
    return Progress(
        iterations=recipe.iterations,
        step=records[-1]["step"] if records else -1,
        steps=np.array([step for step, _, _ in curve], dtype=int),
        train=train,
        smoothed=smoothed(train),
        test_steps=np.array([step for step, _ in tests], dtype=int),
        test=np.array([bits for _, bits in tests]),
        final=next((r["test_bits_per_dim"] for r in reversed(records) if _number(r.get("test_bits_per_dim"))), None),
        validation=recipe.validation,
        seconds=max((r["seconds"] for r in records if _number(r.get("seconds"))), default=0.0),
        per_second=_pace(curve[-PACE_POINTS:]),
        levels=_levels(recordings[-1]["levels"]) if recordings else (),
        recorded=recordings[-1]["step"] if recordings else -1,
    )


def _pace(points: Sequence[tuple[int, float, float]]) -> float | None:
    if len(points) < 2 or points[-1][2] <= points[0][2]:
        return None
    return (points[-1][0] - points[0][0]) / (points[-1][2] - points[0][2])


def _is_level(record: object) -> bool:
    """Return whether a level's record is lists of one length, and its orders are permutations."""
    if not isinstance(record, dict) or not isinstance(record.get("entropy"), list):
        return False
    channels = len(record["entropy"])
    given = {name: record[name] for name in LISTS if record.get(name) is not None}
    return all(isinstance(values, list) and len(values) == channels for values in given.values()) and all(
        all(map(_number, given[name])) and sorted(given[name]) == list(range(channels))
        for name in ("order", "entropy_order")
        if name in given
    )


def _levels(records: list[dict[str, Any]]) -> tuple[LevelNow, ...]:
    # What a level passes on, the next one squeezes into four times as many channels.
    counts = [len(record["entropy"]) // 4 for record in records[1:]]
    return tuple(
        _level(n, record, count) for n, (record, count) in enumerate(zip(records, [*counts, 0], strict=True), 1)
    )


def _level(number: int, record: dict[str, Any], count: int) -> LevelNow:
    entropy = tuple(_float(value) for value in record["entropy"])
    order, entropy_order = record.get("order"), record.get("entropy_order")
    stays = set((entropy_order or [])[:count])
    spread = record.get("weights_std")
    return LevelNow(
        number,
        tuple(_float(value) for value in record.get("redundancy") or ()),
        entropy,
        None if order is None else tuple(order),
        tuple(channel in stays for channel in range(len(entropy))),
        None if not spread else float(np.mean([_float(value) for value in spread])),
        count,
    )


def mean_of(values: Sequence[float], channels: Sequence[int]) -> float:
    """Return the mean of some channels' values, NaN where there are none."""
    return float(np.mean([values[channel] for channel in channels])) if values and channels else math.nan


def _float(value: object) -> float:
    return float(value) if _number(value) else math.nan


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
