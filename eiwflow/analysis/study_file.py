"""Read a study's file and the records beside it; either may come from anyone."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..flow import ConfigError
from ..training.study_recipe import Arm, StudyRecipe
from .record import TrainingRecord, training_record

MAX_BYTES, MAX_RECORD_BYTES = 16 * 2**20, 16 * 2**20
#: Lists and objects in a file: empty ones take thirty times as much memory as text, and seconds to read.
MAX_LISTS = 1_000_000
MAX_POINTS, MAX_STEPS, MAX_PIXELS = 1000, 200, 2**22
#: number of a result: (its kind, smallest, largest).
BOUNDS: dict[str, tuple[type, float, float]] = {
    "seed": (int, 0, 2**31 - 1),
    "bits_per_dim": (float, -1000.0, 1000.0),
    "iterations": (int, 1, 10_000_000),
    "parameters": (int, 1, 50_000_000),
    "cpu_s": (float, 0.0, 1e9),
}


class StudyError(ValueError):
    """A file is not a study that can be trusted; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a study.

    Attributes:
        arm, seed: what was run.
        bits_per_dim: of the averaged weights, on what the study is evaluated on.
        iterations, parameters: training steps, and numbers that the density depends on.
        cpu_s: process CPU seconds of the training steps.
        curve: (P, 3): step, bits/dim of the training batches since the last point, and on some of what the study is
            evaluated on (NaN where that was not kept).

    """

    arm: Arm
    seed: int
    bits_per_dim: float
    iterations: int
    parameters: int
    cpu_s: float
    curve: np.ndarray


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
    if not isinstance(document, dict) or not isinstance(document.get("results"), list) or "recipe" not in document:
        raise StudyError(f"{path.name} is not a study's file: it has no recipe and results.")
    try:
        recipe = StudyRecipe.from_dict(document["recipe"])
    except ConfigError as error:
        raise StudyError(f"The recipe of {path.name} is refused: {error}") from None
    places = {run: place for place, run in enumerate(recipe.runs())}
    runs: dict[tuple[Arm, int], Run] = {}
    for number, result in enumerate(document["results"], start=1):
        run = _run(f"Result {number} of {path.name}", result)
        if (run.arm, run.seed) not in places or (run.arm, run.seed) in runs:
            again = "is there twice" if (run.arm, run.seed) in runs else "is not in its recipe"
            raise StudyError(f"Result {number} of {path.name}, {run.arm.name} with seed {run.seed}, {again}.")
        runs[run.arm, run.seed] = run
    return Study(
        name=path.stem,
        recipe=recipe,
        command=str(document.get("command", ""))[:4096],
        step_cost=_step_cost(path.name, document.get("step_cost")),
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
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise StudyError(f"{path.name[:60]} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise StudyError(f"{path.name[:60]!r} is no file's name.") from None
    if len(content) > most:
        raise StudyError(f"{path.name} has more than {most:,} bytes, which is the most that is read.")
    return content


def _json(name: str, content: bytes) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    if (lists := content.count(b"[") + content.count(b"{")) > MAX_LISTS:
        raise StudyError(f"{name} has {lists:,} lists and objects; at most {MAX_LISTS:,} are read.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise StudyError(f"{name} is not a study's file: it is not JSON.") from None


def _run(where: str, result: object) -> Run:
    if not isinstance(result, dict):
        raise StudyError(f"{where} is not an object.")
    words = [word for name in ("split", "init", "prior") if isinstance(word := result.get(name), str)]
    if len(words) < 3:
        raise StudyError(f"{where} lacks split, init or prior.")
    numbers = {name: _number(where, name, result.get(name)) for name in BOUNDS}
    return Run(arm=Arm(*words), curve=_curve(where, result.get("curve", [])), **numbers)


def _number(where: str, name: str, value: object) -> Any:  # noqa: ANN401 (int or float, by BOUNDS)
    kind, low, high = BOUNDS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise StudyError(f"{where} has the {name} {str(value)[:40]!r}; it must be a number.")
    if not low <= value <= high:
        raise StudyError(f"{where} has the {name} {str(value)[:40]}; it must be between {low:g} and {high:g}.")
    return kind(value)


def _curve(where: str, points: object) -> np.ndarray:
    if not isinstance(points, list) or len(points) > MAX_POINTS:
        raise StudyError(f"{where} has a curve that is not a list of at most {MAX_POINTS} points.")
    rows = []
    for point in points:
        if not isinstance(point, list) or len(point) not in (2, 3) or not all(_is_finite(value) for value in point):
            raise StudyError(f"{where} has a point in its curve that is not two or three finite numbers.")
        rows.append([*point, math.nan][:3])
    return np.array(rows, dtype=float).reshape(-1, 3)


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12


def _step_cost(name: str, cost: object) -> dict[str, float]:
    if cost is None:
        return {}
    if not isinstance(cost, dict) or not all(_is_finite(value) and 1 <= value <= 1000 for value in cost.values()):
        raise StudyError(f"The step_cost of {name} is not one number from 1 to 1000 for every kind of step.")
    return {str(key)[:60]: float(value) for key, value in cost.items()}
