"""How trainings with a fixed half end under other seeds: channels passed on that hold structure, before and after.

``python -m eiwflow.lesson.seeds RUN …`` counts finished runs of a bundled flow's own command with another seed, and
writes the counts down. What was counted is in ``assets/lesson/seeds.json``: flow, seed, [before, after].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from .. import checkpoint
from ..analysis.intervals import of_mean
from ..analysis.record import load_record
from ..analysis.shuffle import RankRiver, rank_river
from .bundle import ASSETS

FILE, FOLDER = ASSETS / "seeds.json", ASSETS.parent / "checkpoints"


def before_and_after(river: RankRiver) -> list[int]:
    """Return how many of the channels passed on are among as many most structured ones, first and last."""
    return [int((river.kept & ~river.crossing[step]).sum()) for step in (0, -1)]


def counts(path: Path) -> list[list[int]]:
    """Return [before, after] of every seed that was counted, of a bundled flow's file; none of any other file."""
    counted = json.loads(FILE.read_text()).get(path.stem, {})
    return list(counted.values()) if path.parent == FOLDER else []


def lifts(counted: list[list[int]]) -> str:
    """Return whether more are structured after than before, by the 95 % interval over runs: yes, no or unclear.

    >>> lifts([[1, 5], [1, 4], [2, 5]]), lifts([[3, 3], [2, 5]])
    ('yes', 'unclear')
    """
    change = of_mean(np.diff(np.array(counted, dtype=float))[:, 0])
    return "yes" if change.low > 0 else "no" if change.high < 0 else "unclear"


def count(runs: list[Path], bundled: list[Path]) -> dict[str, dict[str, list[int]]]:
    """Return flow → seed → [before, after] of bundled flows and of runs that differ from one of them by seed alone.

    Raises:
        ValueError: a run has no record, or is of no bundled flow's command.

    """
    found: dict[str, dict[str, list[int]]] = {}
    kinds: dict[str, object] = {}
    for path in [*bundled, *(run / "checkpoints" / "last.safetensors" for run in runs)]:
        info, record = checkpoint.load(path).info, load_record(path)
        kind = (info.config, {**(info.recipe or {}), "seed": None}, info.step)
        name = path.stem if path in bundled else next((name for name in kinds if kinds[name] == kind), None)
        if record is None or name is None:
            raise ValueError(f"{path} has no record, or is no finished run of a bundled flow’s command.")
        kinds.setdefault(name, kind)
        found.setdefault(name, {})[str(info.seed)] = before_and_after(rank_river(record, 1))
    return {name: dict(sorted(seeds.items(), key=lambda one: int(one[0]))) for name, seeds in found.items()}


if __name__ == "__main__":
    from .default import fixed_in_advance

    counted = count([Path(run) for run in sys.argv[1:]], fixed_in_advance(FOLDER))
    FILE.write_text(json.dumps(counted) + "\n")
    print(FILE)
