"""Study files with made-up numbers, as small as a test wants them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eiwflow.study.recipe import AGAIN, Arm, StudyRecipe

STEPS = (1, 10, 100)


def result(arm: Arm, seed: int, bits: float, iterations: int = STEPS[-1]) -> dict[str, Any]:
    """Return one run as a study's file has it; its curve falls towards its bits/dim."""
    curve = [[step, round(bits + 0.6 / step, 4), round(bits + 0.5 / step, 4)] for step in STEPS]
    costs = {"iterations": iterations, "parameters": 1000 + 16 * (arm.weights == "pooled")}
    return {"arm": arm.text, "seed": seed, "bits_per_dim": float(bits), **costs, "cpu_s": 2.5 + seed, "curve": curve}


def document(bits: Mapping[Arm, Sequence[float]], **fields: Any) -> dict[str, Any]:
    """Return a study's document: arm -> bits/dim by seed; ``fields`` go to the recipe."""
    seeds = max(len(values) for values in bits.values())
    recipe = StudyRecipe(**{"arms": tuple(bits), "seeds": seeds, **fields})
    results = [result(arm, seed, value) for arm, values in bits.items() for seed, value in enumerate(values)]
    return {"recipe": recipe.to_dict(), "command": "python -m eiwflow study", "results": results}


def write_study(path: Path, bits: Mapping[Arm, Sequence[float]], **fields: Any) -> Path:
    """Write a study's file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(bits, **fields)))
    return path


def old_document(bits: Mapping[str, Sequence[float]], **fields: Any) -> dict[str, Any]:
    """Return the document of a study of version 0.1: ``SPLIT/INIT/PRIOR`` -> bits/dim by seed."""
    found = document({Arm.parse(name): values for name, values in bits.items()}, **fields)
    del found["recipe"]["arms"]
    extra = [name for name in bits if not name.startswith(AGAIN)]
    null = len(extra) < len(bits)
    # A control is run under each of inits.
    inits = ["dealt"] if null else []
    found["recipe"] |= {"splits": [], "inits": inits, "priors": ["conditional"], "extra": extra, "null": null}
    names = [name for name in bits for _ in bits[name]]
    for result, text in zip(found["results"], names, strict=True):
        del result["arm"]
        result |= dict(zip(("split", "init", "prior"), text.split("/"), strict=True))
    return found


def arms(means: Mapping[str, float], seeds: int = 6, noise: float = 0.01, prior: str = "conditional") -> dict[Arm, Any]:
    """Return arm -> bits/dim by seed, of an arm's text -> mean: a share of every seed, and noise of every run."""
    random = np.random.default_rng(3)
    shared = random.normal(0, 0.05, seeds)
    return {
        Arm.parse(name, prior): (mean + shared + random.normal(0, noise, seeds)).round(5).tolist()
        for name, mean in means.items()
    }
