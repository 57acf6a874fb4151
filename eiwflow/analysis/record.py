"""The record of a training as arrays: its curve by step; orders, weights, entropies and samples by recording step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from ..checkpoint import CheckpointError, read_info
from ..training.history import read_records, read_samples

#: Width of the smoothing (one standard deviation) as a share of the points of a curve.
SMOOTHING = 0.02


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """The curve of a training.

    Attributes:
        steps: (S,), the last step of each point.
        bits_per_dim: (S,), of the training batches, averaged since the point before.
        learning_rate: (S,), at each point's step; NaN where not recorded.
        seconds: (S,), of training until then; 0 where not recorded.
        probe_steps: (R,), recording steps.
        probe_bits_per_dim: (R,), of the averaged weights on the probe images.
        test_bits_per_dim: of the averaged weights at the end, on the test or the held-out part; None before the end.

    """

    steps: np.ndarray
    bits_per_dim: np.ndarray
    learning_rate: np.ndarray
    seconds: np.ndarray
    probe_steps: np.ndarray
    probe_bits_per_dim: np.ndarray
    test_bits_per_dim: float | None

    @property
    def smoothed(self) -> np.ndarray:
        """The batches' bits/dim (S,), smoothed by a Gaussian window; beyond its ends the curve counts as constant."""
        from scipy.ndimage import gaussian_filter1d

        curve = self.bits_per_dim
        return gaussian_filter1d(curve, max(1.0, SMOOTHING * len(curve)), mode="nearest") if len(curve) else curve

    def table(self) -> list[dict[str, Any]]:
        """Return one row a point."""
        names = ("step", "train_bits_per_dim", "smoothed_bits_per_dim", "learning_rate")
        columns = (self.steps, self.bits_per_dim, self.smoothed, self.learning_rate)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]


def training_curve(records: list[dict[str, Any]]) -> TrainingCurve:
    """Return the curve in the lines of a ``metrics.jsonl``; points without numbers are left out."""
    curve = [line for line in records if is_number(line.get("bits_per_dim"))]
    probes = [line for line in records if is_number(line.get("probe_bits_per_dim"))]
    # A run that goes on beyond its end has been scored at an earlier step, too.
    last = [line for line in records if line["step"] == records[-1]["step"]]
    names = ("test_bits_per_dim", "validation_bits_per_dim")
    ends = [float(line[name]) for line in last for name in names if is_number(line.get(name))]

    def column(name: str, missing: float) -> np.ndarray:
        values = (line.get(name) for line in curve)
        return np.array([value if is_number(value) else missing for value in values], dtype=float)

    return TrainingCurve(
        steps=np.array([line["step"] for line in curve], dtype=int),
        bits_per_dim=column("bits_per_dim", math.nan),
        learning_rate=column("lr", math.nan),
        seconds=column("seconds", 0.0),
        probe_steps=np.array([line["step"] for line in probes], dtype=int),
        probe_bits_per_dim=np.array([line["probe_bits_per_dim"] for line in probes], dtype=float),
        test_bits_per_dim=ends[-1] if ends else None,
    )


def load_curve(checkpoint: Path) -> TrainingCurve | None:
    """Return the curve of a checkpoint's training up to its own step, or None without a readable record."""
    try:
        curve = training_curve(_lines(checkpoint))
    except CheckpointError:
        return None
    return curve if len(curve.steps) and np.isfinite(curve.learning_rate).all() else None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value of JSON is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, eq=False)
class LevelRecord:
    """One level over S recording steps; channels are numbered as before the Shuffle.

    Attributes:
        number: the level, from 1.
        kept_channels: number of channels passed on, the first of the order; 0 at the last level.
        redundancy: (S, C), nats a pixel; None for a level of 1×1 pixels.
        entropy: marginal entropy (S, C), nats.
        order: channel numbers in the order used (S, C), those passed on first; None at the last level.
        entropy_order: the order by entropy at each step (S, C); None at the last level.

    """

    number: int
    kept_channels: int
    redundancy: np.ndarray | None
    entropy: np.ndarray
    order: np.ndarray | None
    entropy_order: np.ndarray | None

    @property
    def used(self) -> np.ndarray:
        """The order used (C,) at the newest step; the channels by their number at the last level."""
        return np.arange(self.entropy.shape[1]) if self.order is None else self.order[-1]

    @property
    def kept(self) -> np.ndarray:
        """The channels passed on at the newest step."""
        return self.used[: self.kept_channels]

    @property
    def emitted(self) -> np.ndarray:
        """The channels factored out at the newest step."""
        return self.used[self.kept_channels :]

    @property
    def crossing(self) -> np.ndarray:
        """Whether the entropy order of the newest step has a channel on the other side, (C,) by channel number."""
        sorted_now = self.used if self.entropy_order is None else self.entropy_order[-1]
        numbers = np.arange(len(self.used))
        return np.isin(numbers, self.kept) != np.isin(numbers, sorted_now[: self.kept_channels])

    def halves(self) -> dict[str, np.ndarray]:
        """Return the redundancy (S, C) in bits a value of ``kept`` and ``emitted`` channels, in the order used.

        It is NaN for a level of single pixels; a half without channels is left out.
        """
        rows = np.full(self.entropy.shape, np.nan) if self.redundancy is None else self.redundancy / math.log(2)
        rows = rows if self.order is None else np.take_along_axis(rows, self.order, axis=1)
        halves = zip(("kept", "emitted"), np.split(rows, [self.kept_channels], axis=1), strict=True)
        return {part: of_part for part, of_part in halves if of_part.shape[1]}

    def row(self) -> dict[str, Any]:
        """Return averages over channels at the newest step as a row, in bits."""
        return {
            "level": self.number,
            "channels": len(self.used),
            "redundancy passed on": newest(self.redundancy, self.kept),
            "redundancy factored out": newest(self.redundancy, self.emitted),
            "entropy passed on": newest(self.entropy, self.kept),
            "entropy factored out": newest(self.entropy, self.emitted),
            "would cross": math.nan if self.order is None else int(self.crossing[self.kept].sum()),
        }


def newest(values: np.ndarray | None, channels: np.ndarray) -> float:
    """Return the mean of values (S, C) in nats over some channels at the newest step, in bits; NaN for none."""
    return math.nan if values is None or not channels.size else float(values[-1, channels].mean()) / math.log(2)


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """The record of a training.

    Attributes:
        steps: recording steps (S,), log-spaced, 0 first.
        levels: one :class:`LevelRecord` a level.
        samples: step -> WEBP bytes of 4×4 samples at fixed ε.

    """

    steps: np.ndarray
    levels: list[LevelRecord]
    samples: dict[int, bytes]

    def table(self) -> list[dict[str, Any]]:
        """Return one row a step, level and half."""
        return [
            {"step": int(step), "level": level.number, "part": part, "redundancy_bits": float(mean)}
            for level in self.levels
            for part, rows in level.halves().items()
            for step, mean in zip(self.steps, rows.mean(axis=1), strict=True)
        ]


def record_folder(checkpoint: Path) -> Path:
    """Return the folder of a checkpoint's record: its run directory, or the folder of the same name beside it."""
    run = checkpoint.parent.parent
    in_a_run = checkpoint.parent.name == "checkpoints" and (run / "config.json").is_file()
    return run if in_a_run else checkpoint.with_suffix("")


def load_record(checkpoint: Path) -> TrainingRecord | None:
    """Return the record of a checkpoint's training up to its own step, or None without a readable record."""
    try:
        recorded = [line for line in _lines(checkpoint) if "levels" in line]
        samples, last = read_samples(record_folder(checkpoint) / "samples"), recorded[-1]["step"]
        return training_record(recorded, {step: sample for step, sample in samples.items() if step <= last})
    except (OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _lines(checkpoint: Path) -> list[dict[str, Any]]:
    """Return the lines of a checkpoint's record up to its own step: a run goes on after a checkpoint that it keeps."""
    last = read_info(checkpoint).step
    return [line for line in read_records(record_folder(checkpoint) / "metrics.jsonl") if line["step"] <= last]


def training_record(recorded: list[dict[str, Any]], samples: dict[int, bytes]) -> TrainingRecord:
    """Return a record of recording steps and of samples by step; ValueError if steps do not rise from 0."""
    steps, levels = np.array([line["step"] for line in recorded]), level_records(recorded)
    numbers = [values for level in levels for values in (level.entropy, level.redundancy) if values is not None]
    rise = bool(levels) and steps[0] == 0 and bool((np.diff(steps) > 0).all())
    if not rise or not all(np.isfinite(values).all() for values in numbers):
        raise ValueError("steps do not rise from 0, or a value is no number")
    return TrainingRecord(steps, levels, dict(sorted(samples.items())))


def level_records(recorded: list[dict[str, Any]]) -> list[LevelRecord]:
    """Return the levels of recording steps; a number that was not finite is NaN."""
    counts = [len(level["entropy"]) for level in recorded[0]["levels"]]
    levels = []
    # A level's squeeze makes four channels of each channel that the level before passed on.
    for index, (channels, later) in enumerate(zip(counts, [*counts[1:], 0], strict=True)):

        def over_steps(name: str, index: int = index) -> np.ndarray | None:
            values = [line["levels"][index][name] for line in recorded]
            return None if values[0] is None else np.array(values, dtype=int if name.endswith("order") else float)

        redundancy, order, entropy_order = (over_steps(name) for name in ("redundancy", "order", "entropy_order"))
        entropy = np.array([line["levels"][index]["entropy"] for line in recorded], dtype=float)
        orders = [each for each in (order, entropy_order) if each is not None]
        same_shape = all(each.shape == entropy.shape for each in (*orders, redundancy) if each is not None)
        if not same_shape or any((np.sort(each, axis=1) != np.arange(channels)).any() for each in orders):
            raise ValueError(f"the record of level {index + 1} has lists of several lengths, or no permutation")
        levels.append(LevelRecord(index + 1, later // 4, redundancy, entropy, order, entropy_order))
    return levels
