"""Trainings with a fixed half under other seeds: structured channels passed on, before and after training.

``assets/lesson/seeds.json`` has the counts of ``benchmarks/seeds.py``: flow, seed, [before, after].
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..analysis.intervals import of_mean
from ..analysis.shuffle import RankRiver
from .bundle import ASSETS

FILE, FOLDER = ASSETS / "seeds.json", ASSETS.parent / "checkpoints"


def before_and_after(river: RankRiver) -> list[int]:
    """Return how many channels passed on are among the equally many most structured ones, at first and last step."""
    return [int((river.kept & ~river.crossing[step]).sum()) for step in (0, -1)]


def counts(path: Path) -> list[list[int]]:
    """Return [before, after] of every counted seed, for a bundled flow's file; empty for any other file."""
    counted = json.loads(FILE.read_text()).get(path.stem, {})
    return list(counted.values()) if path.parent == FOLDER else []


def lifts(counted: list[list[int]]) -> str:
    """Return whether more are structured after than before, by the 95 % interval over runs: yes, no or unclear.

    >>> lifts([[1, 5], [1, 4], [2, 5]]), lifts([[3, 3], [2, 5]])
    ('yes', 'unclear')
    """
    change = of_mean(np.diff(np.array(counted, dtype=float))[:, 0])
    return "yes" if change.low > 0 else "no" if change.high < 0 else "unclear"
