"""The record of a training as arrays over its recording steps: orders, weights, entropies, samples, curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import read_bytes
from ..training.history import read_records, sample_files
from ..training.run_directory import MAX_SAMPLES


@dataclass(frozen=True, eq=False)
class LevelRecord:
    """One level over S recording steps; channels are numbered as before the Shuffle.

    Attributes:
        number: the level, from 1.
        redundancy, entropy_rate: J and Ĥ (S, C), nats a pixel; None for a level of 1×1 pixels.
        entropy: marginal entropy (S, C), nats.
        log_std: log standard deviation (S, C).
        order: channel numbers in force (S, C), kept first; None at the last level.
        entropy_order: what the order would have been at each step (S, C); None at the last level.
        weights_mean, weights_std: over images, of log ω (S, C) by position after the order; None without weights.
        passed_on: how many channels are passed on, 0 at the last level; half of them where that is not stated.

    """

    number: int
    redundancy: np.ndarray | None
    entropy_rate: np.ndarray | None
    entropy: np.ndarray
    log_std: np.ndarray
    order: np.ndarray | None
    entropy_order: np.ndarray | None
    weights_mean: np.ndarray | None
    weights_std: np.ndarray | None
    passed_on: int | None = None

    @property
    def kept_channels(self) -> int:
        """How many channels are passed on: the first ones of the order."""
        if self.passed_on is not None:
            return self.passed_on
        return 0 if self.order is None else self.order.shape[1] // 2


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What a training wrote down on its way.

    Attributes:
        steps: recording steps (S,), log-spaced, 0 first.
        probe_bits_per_dim: averaged weights on the probe images (S,).
        levels: one :class:`LevelRecord` a level.
        samples: step -> WEBP bytes of 4×4 samples at fixed ε.

    """

    steps: np.ndarray
    probe_bits_per_dim: np.ndarray
    levels: list[LevelRecord]
    samples: dict[int, bytes]


def record_folder(checkpoint: Path) -> Path:
    """Return where the record of a checkpoint lies: its run directory, or the folder of its name beside it."""
    run = checkpoint.parent.parent
    in_a_run = checkpoint.parent.name == "checkpoints" and (run / "config.json").is_file()
    return run if in_a_run else checkpoint.with_suffix("")


def load_record(checkpoint: Path) -> TrainingRecord | None:
    """Return the training record of a checkpoint file, or None where there is none that can be read."""
    try:
        return _read(checkpoint)
    except (OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _read(checkpoint: Path) -> TrainingRecord | None:
    folder = record_folder(checkpoint)
    lines = read_records(folder / "metrics.jsonl")
    recorded = [line for line in lines if "levels" in line]
    if not recorded:
        return None
    samples = {step: read_bytes(path, MAX_SAMPLES) for step, path in sample_files(folder / "samples").items()}
    return training_record(recorded, samples)


def training_record(recorded: list[dict[str, Any]], samples: dict[int, bytes]) -> TrainingRecord:
    """Return a record of recording steps and of samples by step.

    Raises:
        LookupError, TypeError, ValueError, OverflowError: they are not what a training writes down.

    """
    record = TrainingRecord(
        steps=np.array([line["step"] for line in recorded]),
        probe_bits_per_dim=np.array([line["probe_bits_per_dim"] for line in recorded]),
        levels=[_level(recorded, index) for index in range(len(recorded[0]["levels"]))],
        samples=dict(sorted(samples.items())),
    )
    if not _is_whole(record):
        raise ValueError("steps do not rise from 0, a value is no number, or an order is no permutation")
    return record


def _level(recorded: list[dict[str, Any]], index: int) -> LevelRecord:
    def over_steps(name: str) -> np.ndarray | None:
        values = [line["levels"][index][name] for line in recorded]
        return None if values[0] is None else np.array(values)

    names = LevelRecord.__dataclass_fields__.keys() - {"number", "passed_on"}
    values: dict[str, Any] = {name: over_steps(name) for name in names}
    # A level's squeeze makes four channels of each that it was given.
    later = recorded[0]["levels"][index + 1 :]
    return LevelRecord(number=index + 1, passed_on=len(later[0]["entropy"]) // 4 if later else 0, **values)


def _is_whole(record: TrainingRecord) -> bool:
    """Return whether steps rise from 0, every number is one and orders are permutations."""
    numbers = [record.steps, record.probe_bits_per_dim]
    for level in record.levels:
        channels = np.arange(level.entropy.shape[1])
        for order in (level.order, level.entropy_order):
            if order is not None and not (np.sort(order, axis=1) == channels).all():
                return False
        if (level.order is None) != (level.kept_channels == 0) or level.kept_channels >= max(len(channels), 1):
            return False
        numbers += [values for values in vars(level).values() if isinstance(values, np.ndarray)]
    return (
        bool(record.levels)
        and record.steps[0] == 0
        and bool((np.diff(record.steps) > 0).all())
        and all(np.isfinite(values.astype(float)).all() for values in numbers)
    )
