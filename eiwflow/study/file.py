"""A study on disk: a folder of runs or one packed file.

``DIR/study.json`` holds the recipe; ``DIR/ARM/seed-N/`` is the run directory of an arm with a seed, with its result in
``result.json``. A packed study is one zip file: ``study.json`` with all results, and ``records/ARM.json`` with the
record of seed 0 of every arm.
"""

from __future__ import annotations

import base64
import io
import json
import math
import shlex
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from .. import files, project
from ..analysis.record import TrainingRecord, training_record
from ..data import chosen_places
from ..flow import ConfigError
from ..training.history import read_samples
from ..training.run_directory import RunDirectory
from .recipe import Arm, StudyRecipe

SETTINGS, RESULT = "study.json", "result.json"
#: Samples at the end of a run of a flow of one's own.
SAMPLES = "samples.png"
#: The suffix of a packed study.
PACKED = ".zip"
#: Recording steps of an arm that a packed study keeps.
PACKED_STEPS = 8
#: name of a number in a result -> its type.
NUMBERS = {"seed": int, "bits_per_dim": float, "iterations": int, "parameters": int, "cpu_s": float}


class StudyError(ValueError):
    """A file is not a usable study; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a study.

    Attributes:
        arm, seed: of the run.
        bits_per_dim: of the averaged parameters, on the evaluation images.
        iterations, parameters: training steps, and parameters that the density depends on.
        cpu_s: process CPU seconds of the training steps.
        curve: (P, 3): step, bits/dim of the training batches since the last point, and of some evaluation images (NaN
            where not kept).

    """

    arm: Arm
    seed: int
    bits_per_dim: float
    iterations: int
    parameters: int
    cpu_s: float
    curve: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Return the run as a result in a study's file."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        curve = [[int(step), *(value for value in values if math.isfinite(value))] for step, *values in self.curve]
        return {"arm": self.arm.text, **numbers, "curve": curve}


@dataclass(frozen=True, eq=False)
class Study:
    """A study, under way or done.

    Attributes:
        name: of its folder or file, without a suffix.
        recipe: the settings.
        command: the command line that began it.
        step_cost: kind of step -> its cost over that of the cheapest arm; empty unless at equal CPU seconds.
        runs: (arm, seed) -> run, in the recipe's order.
        sha256: of the bytes read.
        device: ``cpu`` or ``cuda``, whose seconds are counted.
        path: where it was read from.

    """

    name: str
    recipe: StudyRecipe
    command: str
    step_cost: dict[str, float]
    runs: dict[tuple[Arm, int], Run]
    sha256: str
    path: Path
    data_sha256: str = ""
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)

    @cached_property
    def arms(self) -> list[Arm]:
        """The arms that have a run, in the recipe's order."""
        return list(dict.fromkeys(arm for arm, _ in self.runs))

    @cached_property
    def priors(self) -> list[str]:
        """The priors of the arms."""
        return list(dict.fromkeys(arm.prior for arm in self.arms))

    def document(self, command: str | None = None) -> dict[str, Any]:
        """Return the study as a document for its file, with its own command or another."""
        return {
            "format": "eiwflow-study",
            "version": 2,
            "recipe": self.recipe.to_dict(),
            "command": self.command if command is None else command,
            "data_sha256": self.data_sha256,
            "device": self.device,
            "step_cost": self.step_cost or None,
            "versions": self.versions,
            "results": [run.to_dict() for run in self.runs.values()],
        }

    @property
    def unit(self) -> str:
        """The unit of seconds: of the CPU, or of a GPU by its events."""
        return "GPU" if self.device == "cuda" else "CPU"

    @property
    def is_done(self) -> bool:
        """Whether every run has a result."""
        return len(self.runs) == len(self.recipe.arms) * self.recipe.seeds

    @property
    def title(self) -> str:
        """The title of the study on pages: ``faces16 at 16×16, 500 steps, 6 seeds``."""
        return self.recipe.title

    def of(self, arm: Arm) -> list[Run]:
        """Return the runs of an arm, by seed."""
        return [run for (known_arm, _), run in self.runs.items() if known_arm == arm]

    def seeds(self, arms: Iterable[Arm]) -> list[int]:
        """Return the seeds that all these arms have."""
        arms = list(arms)
        return [seed for seed in range(self.recipe.seeds) if all((arm, seed) in self.runs for arm in arms)]


# ---------------------------------------------------------------------- reading


def read_study(path: Path) -> Study:
    """Read a study: a folder of runs or a packed file.

    Raises:
        StudyError: it is not a study, or is damaged.

    """
    path = path.parent if path.name == SETTINGS and path.parent.is_dir() else path
    name = files.printable(path.name)
    content = _bytes(path / SETTINGS) if path.is_dir() else _entry(path, SETTINGS)
    document = _json(name, content)
    try:
        recipe = StudyRecipe.from_dict(document["recipe"])
        results = [(f"Result {place} of {name}", result) for place, result in enumerate(document["results"], start=1)]
        step_cost = {str(kind): float(cost) for kind, cost in (document.get("step_cost") or {}).items()}
    except ConfigError as error:
        raise StudyError(f"The recipe of {name} is refused: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError):
        raise StudyError(f"{name} is not a study's file: it has no recipe and results.") from None
    digest = sha256(content if path.is_dir() else path.read_bytes())
    for arm, seed in recipe.runs() if path.is_dir() else ():
        file = run_folder(path, arm, seed) / RESULT
        if file.exists():
            digest.update(content := _bytes(file))
            where = f"{RESULT} of {arm.name}, seed {seed}"
            results.append((where, _json(where, content)))
    read = {(run.arm, run.seed): run for run in (run_of(*result) for result in results)}
    runs = {key: read[key] for key in recipe.runs() if key in read}
    return Study(
        name=path.name if path.is_dir() else path.stem,
        recipe=recipe,
        command=str(document.get("command", "")),
        step_cost=step_cost,
        runs=runs,
        sha256=digest.hexdigest(),
        path=path,
        data_sha256=str(document.get("data_sha256") or ""),
        device=str(document.get("device") or "cpu"),
        versions=dict(document.get("versions") or {}),
    )


def studies_in(folder: Path) -> list[Path]:
    """Return the studies in a folder by name: folders of runs and packed files."""
    return [
        path
        for path in files.entries(folder)
        if path.suffix == PACKED or (path.is_dir() and (path / SETTINGS).exists())
    ]


def bundled() -> list[Study]:
    """Return the readable studies that come with the project."""
    studies = []
    for path in studies_in(project.ASSETS / "studies"):
        with suppress(StudyError):
            studies.append(read_study(path))
    return studies


def settings_file(path: Path) -> Path:
    """Return the file whose modification time changes with every change of the study."""
    return path / SETTINGS if path.is_dir() else path


def run_folder(folder: Path, arm: Arm, seed: int) -> Path:
    """Return the run directory of an arm with a seed."""
    return folder / arm.name / f"seed-{seed}"


def read_record(study: Study, arm: Arm) -> TrainingRecord | None:
    """Return the record of seed 0 of an arm, or None where it is missing or unreadable."""
    try:
        recorded = recorded_steps(study, arm)
        samples = {int(step["step"]): base64.b64decode(step["samples"]) for step in recorded if step["samples"]}
        return training_record(recorded, samples) if recorded else None
    except (StudyError, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def own_samples(study: Study, arm: Arm) -> bytes | None:
    """Return the samples that seed 0 of a flow of one's own drew at its end, a picture file; None without them."""
    if not arm.source:
        return None
    try:
        if study.path.is_dir():
            return _bytes(run_folder(study.path, arm, 0) / SAMPLES)
        return _entry(study.path, f"samples/{arm.name}.png")
    except StudyError:
        return None


def recorded_steps(study: Study, arm: Arm) -> list[dict[str, Any]]:
    """Return the record of an arm's run of seed 0, step by step, in the form of a packed study.

    Raises:
        StudyError, OSError, LookupError, ValueError: the record is missing or unreadable.

    """
    if not study.path.is_dir():
        steps: list[dict[str, Any]] = _json(arm.name, _entry(study.path, f"records/{arm.name}.json"))["steps"]
        return steps
    run = RunDirectory(run_folder(study.path, arm, 0))
    if not (run.path / RESULT).exists():
        raise StudyError(f"{study.name} has no record of {arm.text}.")
    samples = {step: base64.b64encode(content).decode() for step, content in read_samples(run.samples).items()}
    return [
        {name: record[name] for name in ("step", "probe_bits_per_dim", "levels")}
        | {"samples": samples.get(record["step"])}
        for record in run.records()
        if "levels" in record
    ]


# ---------------------------------------------------------------------- packing


def pack(studies: Sequence[Study], out: Path) -> Study:
    """Write studies of one recipe as one file, with results and records only; return the merged study.

    Args:
        studies: their recipes may differ in arms and seeds. Of a run that is in two studies, the first counts.
        out: the file, which ends in ``.zip``.

    Raises:
        StudyError: they have different recipes or images, or no run.
        OSError: the file cannot be written.

    """
    if out.suffix != PACKED:
        raise StudyError(f"--pack is {str(out)[:200]!r}; the name of a packed study ends in {PACKED}.")
    merged = merge(studies)
    if not merged.runs:
        raise StudyError(f"{merged.name} has no run yet.")
    document = merged.document(shlex.join(["python", "-m", "eiwflow", *merged.recipe.arguments(out.stem)]))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        _add(file, SETTINGS, document)
        for arm in merged.arms:
            recorded = (recorded_steps(study, arm) for study in studies if read_record(study, arm) is not None)
            if (steps := next(recorded, None)) is not None:
                kept = [steps[place] for place in chosen_places(len(steps), PACKED_STEPS)]
                _add(file, f"records/{arm.name}.json", {"steps": kept})
            if (picture := next(filter(None, (own_samples(study, arm) for study in studies)), None)) is not None:
                _add(file, f"samples/{arm.name}.png", picture)
    files.write_atomically(out, content.getvalue())
    return read_study(out)


def merge(studies: Sequence[Study]) -> Study:
    """Return studies of one recipe as one; arms without any run are left out.

    Raises:
        StudyError: they have different recipes, images or costs of steps.

    """
    first, *others = studies
    recipe, runs = first.recipe, dict(first.runs)
    for other in others:
        if difference := first.recipe.difference(other.recipe):
            raise StudyError(f"{other.name} is a study of another recipe than {first.name}: it has {difference}.")
        if other.data_sha256 != first.data_sha256:
            raise StudyError(f"{other.name} was run on other images than {first.name}.")
        if other.step_cost != first.step_cost:
            raise StudyError(
                f"{other.name} and {first.name} compare at equal CPU seconds, and the costs of their steps differ: "
                "run all arms in one study, which measures them together."
            )
        recipe, runs = recipe.extended(other.recipe), {**other.runs, **runs}
    present = {arm for arm, _ in runs}
    recipe = replace(recipe, arms=tuple(arm for arm in recipe.arms if arm in present) or recipe.arms)
    return replace(first, recipe=recipe, runs={run: runs[run] for run in recipe.runs() if run in runs})


def _add(file: zipfile.ZipFile, name: str, document: dict[str, Any] | bytes) -> None:
    # A fixed date makes the bytes of the same study the same.
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    file.writestr(entry, document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")))


# ---------------------------------------------------------------------- parts of a document


def run_of(where: str, result: Any) -> Run:  # noqa: ANN401 (whatever JSON can hold)
    """Return a run from its result as a file has it.

    Raises:
        StudyError: a value is missing or not finite; the message begins with ``where``.

    """
    try:
        numbers = {name: kind(result[name]) for name, kind in NUMBERS.items()}
        points = [[*point, math.nan][:3] for point in result.get("curve", [])]
        run = Run(Arm.parse(result["arm"]), curve=np.array(points, dtype=float).reshape(-1, 3), **numbers)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        missing = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise StudyError(f"{where} cannot be read: {missing.rstrip('.')}.") from None
    if not all(map(math.isfinite, numbers.values())) or not np.isfinite(run.curve[:, :2]).all():
        raise StudyError(f"{where} cannot be read: it holds a number that is not finite.")
    return run


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{files.printable(path.name)} cannot be read ({files.reason(error)}).") from None


def _entry(path: Path, entry: str) -> bytes:
    """Return an entry of a packed study."""
    name = files.printable(path.name)
    try:
        with zipfile.ZipFile(path) as packed:
            return packed.read(entry)
    except FileNotFoundError:
        raise StudyError(f"{name} cannot be read (no such file).") from None
    except (zipfile.BadZipFile, KeyError, RuntimeError, EOFError, OSError, zlib.error):
        raise StudyError(f"{name} is not a packed study: it has no {entry}.") from None


def _json(name: str, content: bytes) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise StudyError(f"{name} is not a study's file: it is not JSON.") from None
