"""Count how trainings with a fixed half end under other seeds, for the lesson.

    python benchmarks/seeds.py RUN …

counts finished runs of a bundled flow's own command with another seed, beside the bundled flows, and writes
``assets/lesson/seeds.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from eiwflow import checkpoint
from eiwflow.analysis.record import load_record
from eiwflow.analysis.shuffle import rank_river
from eiwflow.lesson.default import fixed_in_advance
from eiwflow.lesson.seeds import FILE, FOLDER, before_and_after


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
    counted = count([Path(run) for run in sys.argv[1:]], fixed_in_advance(FOLDER))
    FILE.write_text(json.dumps(counted) + "\n")
    print(FILE)
