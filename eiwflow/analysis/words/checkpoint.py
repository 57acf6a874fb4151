"""Sentences about a checkpoint."""

from __future__ import annotations

from ..evaluate import Evaluation
from .numbers import fixed


def sound(score: Evaluation, holds: bool) -> str:
    """Return what an image costs and whether the flow passes its checks."""
    checks = "passes every check" if holds else "fails a check: see below"
    return f"This flow needs {fixed(score.bits_per_dim, 2)} bits per value on {score.data}, and {checks}."
