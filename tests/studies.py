"""Study files with made-up numbers, as small as a test wants them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eiwflow.study.file import SETTINGS
from eiwflow.study.recipe import Arm, StudyRecipe

STEPS = (1, 10, 100)


def result(arm: Arm, seed: int, bits: float, iterations: int = STEPS[-1]) -> dict[str, Any]:
    """Return one run as a study's file has it; its curve falls towards its bits/dim."""
    curve = [[step, round(bits + 0.6 / step, 4), round(bits + 0.5 / step, 4)] for step in STEPS]
    costs = {"iterations": iterations, "parameters": 1000 + 16 * (arm.weights == "pooled")}
    return {"arm": arm.text, "seed": seed, "bits_per_dim": float(bits), **costs, "cpu_s": 2.5 + seed, "curve": curve}


def document(bits: Mapping[Arm, Sequence[float | None]], /, **fields: Any) -> dict[str, Any]:
    """Return a study's document: arm -> bits/dim by seed, None for a missing run; ``fields`` go to the recipe."""
    seeds = max(len(values) for values in bits.values())
    recipe = StudyRecipe(**{"arms": tuple(bits), "seeds": seeds, **fields})
    runs = [(arm, seed, value) for arm, values in bits.items() for seed, value in enumerate(values)]
    results = [result(arm, seed, value) for arm, seed, value in runs if value is not None]
    return {
        "format": "eiwflow-study",
        "version": 2,
        "recipe": recipe.to_dict(),
        "command": "python -m eiwflow study",
        "results": results,
    }


def write_study(path: Path, bits: Mapping[Arm, Sequence[float | None]], /, **fields: Any) -> Path:
    """Write a packed study, its last run first; return its path."""
    made = document(bits, **fields)
    return write_packed(path, {**made, "results": made["results"][::-1]})


def write_begun(folder: Path, bits: Mapping[Arm, Sequence[float]], done: int) -> Path:
    """Write the folder of a study with so many of its runs done; return the folder."""
    made = document(bits)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(json.dumps({**made, "results": made["results"][:done]}))
    return folder


def write_packed(path: Path, document: object, records: Mapping[str, object] | None = None) -> Path:
    """Write a packed study of any document and records, by the names of their arms; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = {SETTINGS: document, **{f"records/{arm}.json": steps for arm, steps in (records or {}).items()}}
    with zipfile.ZipFile(path, "w") as made:
        for name, content in contents.items():
            made.writestr(name, content if isinstance(content, (str, bytes)) else json.dumps(content))
    return path


def packed_document(path: Path) -> Any:
    """Return the document of a packed study."""
    with zipfile.ZipFile(path) as made:
        return json.loads(made.read(SETTINGS))


def arms(means: Mapping[str, float], seeds: int = 6, noise: float = 0.01, prior: str = "conditional") -> dict[Arm, Any]:
    """Return arm -> bits/dim by seed, of an arm's text -> mean: a share of every seed, and noise of every run."""
    random = np.random.default_rng(3)
    shared = random.normal(0, 0.05, seeds)
    return {
        Arm.parse(name, prior): (mean + shared + random.normal(0, noise, seeds)).round(5).tolist()
        for name, mean in means.items()
    }
