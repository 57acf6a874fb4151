"""Read a study's file and the records beside it; either may come from anyone."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

from .. import files
from ..training.study_recipe import MAX_BYTES, Arm, Run, StudyError, StudyRecipe, checked
from .record import TrainingRecord, training_record

__all__ = ["Run", "Study", "StudyError", "read_record", "read_study"]

MAX_RECORD_BYTES = 16 * 2**20
#: Lists and objects in a file: empty ones take thirty times as much memory as text, and seconds to read.
MAX_LISTS = 1_000_000
MAX_STEPS, MAX_PIXELS = 200, 2**22


@dataclass(frozen=True, eq=False)
class Study:
    """A study, under way or done.

    Attributes:
        name: the file's, without its suffix.
        recipe: the settings.
        command: the command line that began it.
        step_cost: weights/prior -> cost of a step over that of the cheapest arm; empty unless at equal CPU seconds.
        runs: (arm, seed) -> run, in the recipe's order.
        sha256: of the file's bytes.
        folder: where the records lie.

    """

    name: str
    recipe: StudyRecipe
    command: str
    step_cost: dict[str, float]
    runs: dict[tuple[Arm, int], Run]
    sha256: str
    folder: Path

    @property
    def arms(self) -> list[Arm]:
        """The arms that have a run, in the recipe's order."""
        return list(dict.fromkeys(arm for arm, _ in self.runs))

    @property
    def priors(self) -> list[str]:
        """The priors of the arms."""
        return list(dict.fromkeys(arm.prior for arm in self.arms))

    @property
    def is_done(self) -> bool:
        """Whether every run is there."""
        return len(self.runs) == len(self.recipe.arms()) * self.recipe.seeds

    def of(self, arm: Arm) -> list[Run]:
        """Return the runs of an arm, by seed."""
        return [run for (one, _), run in self.runs.items() if one == arm]

    def seeds(self, arms: Iterable[Arm]) -> list[int]:
        """Return the seeds that every one of these arms was run with."""
        arms = list(arms)
        return [seed for seed in range(self.recipe.seeds) if all((arm, seed) in self.runs for arm in arms)]


def read_study(path: Path) -> Study:
    """Read a study's file.

    Raises:
        StudyError: it is none, or a number in it is out of its bounds.

    """
    content = _bytes(path, MAX_BYTES)
    document = _json(path.name, content)
    recipe, runs, step_cost = checked(path.name, document)
    places = {run: place for place, run in enumerate(recipe.runs())}
    return Study(
        name=path.stem,
        recipe=recipe,
        command=str(document.get("command", ""))[:4096],
        step_cost=step_cost,
        runs=dict(sorted(runs.items(), key=lambda item: places[item[0]])),
        sha256=sha256(content).hexdigest(),
        folder=path.with_suffix(""),
    )


def read_record(study: Study, arm: Arm) -> TrainingRecord | None:
    """Return the record of seed 0 of an arm, or None where there is none that can be read."""
    path = study.folder / arm.name / "record.json"
    try:
        recorded = _json(path.name, _bytes(path, MAX_RECORD_BYTES))["steps"]
        if not 1 <= len(recorded) <= MAX_STEPS:
            return None
        samples = {int(step["step"]): _webp(step["samples"]) for step in recorded if step["samples"] is not None}
        return training_record(recorded, samples)
    except (StudyError, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def _webp(text: str) -> bytes:
    content = base64.b64decode(text, validate=True)
    with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError("too large a picture")
    return content


# ---------------------------------------------------------------------- parts of the file


def _bytes(path: Path, most: int) -> bytes:
    try:
        return files.read_bytes(path, most)
    except OSError as error:
        raise StudyError(f"{files.printable(path.name)} cannot be read ({files.reason(error)}).") from None


def _json(name: str, content: bytes) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    if (lists := content.count(b"[") + content.count(b"{")) > MAX_LISTS:
        raise StudyError(f"{name} has {lists:,} lists and objects; at most {MAX_LISTS:,} are read.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise StudyError(f"{name} is not a study's file: it is not JSON.") from None
