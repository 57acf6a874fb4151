"""The curve of a training: bits/dim and learning rate by step, as its record has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..training.history import read_records
from .record import record_folder

#: Width of the smoothing (one standard deviation) as a share of the points of a curve.
SMOOTHING = 0.02


def smoothed(curve: np.ndarray) -> np.ndarray:
    """Return the points of a curve (N,) under a running mean: a Gaussian window, one-sided towards both ends."""
    return gaussian_filter1d(curve, max(1.0, SMOOTHING * len(curve)), mode="nearest") if len(curve) else curve


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """What a training wrote down of its steps.

    Attributes:
        steps: (S,), the last step that each point is of.
        bits_per_dim: (S,), of the training batches, averaged since the point before.
        learning_rate: (S,), at each point's step.
        probe_steps: (R,), recording steps.
        probe_bits_per_dim: (R,), of the averaged weights on the probe images.
        test_bits_per_dim: of the averaged weights on the test images at the end; None where it did not end.

    """

    steps: np.ndarray
    bits_per_dim: np.ndarray
    learning_rate: np.ndarray
    probe_steps: np.ndarray
    probe_bits_per_dim: np.ndarray
    test_bits_per_dim: float | None

    @property
    def smoothed(self) -> np.ndarray:
        """The batches' bits/dim (S,), :func:`smoothed`."""
        return smoothed(self.bits_per_dim)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a point."""
        columns = zip(
            self.steps.tolist(),
            self.bits_per_dim.tolist(),
            self.smoothed.tolist(),
            self.learning_rate.tolist(),
            strict=True,
        )
        return [
            {"step": step, "train_bits_per_dim": bits, "smoothed_bits_per_dim": smooth, "learning_rate": rate}
            for step, bits, smooth, rate in columns
        ]


def load_curve(checkpoint: Path) -> TrainingCurve | None:
    """Return the curve of a checkpoint file's training, or None where no record of it can be read."""
    lines = read_records(record_folder(checkpoint) / "metrics.jsonl")
    try:
        curve = [line for line in lines if "bits_per_dim" in line]
        probes = [line for line in lines if "probe_bits_per_dim" in line]
        ends = [float(line["test_bits_per_dim"]) for line in lines if "test_bits_per_dim" in line]
        return (
            None
            if not curve
            else TrainingCurve(
                steps=np.array([line["step"] for line in curve]),
                bits_per_dim=np.array([float(line["bits_per_dim"]) for line in curve]),
                learning_rate=np.array([float(line["lr"]) for line in curve]),
                probe_steps=np.array([line["step"] for line in probes]),
                probe_bits_per_dim=np.array([float(line["probe_bits_per_dim"]) for line in probes]),
                test_bits_per_dim=ends[-1] if ends else None,
            )
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
