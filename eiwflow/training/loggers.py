"""Other places for the numbers and samples of a run: TensorBoard, Weights & Biases, Trackio."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from ..files import missing
from .recipe import Recipe
from .run_directory import RunError

PROJECT = "eiwflow"
#: The name of a record's samples, the bytes of a WEBP.
SAMPLES = "samples"
#: Receives the records of ``metrics.jsonl``, and of samples.
Log = Callable[[Mapping[str, Any]], object]


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a record by name, a level's numbers as ``level 1/noise_square``.

    >>> numbers({"step": 3, "bits_per_dim": 4.0, "levels": [{"noise_square": 1.1, "order": [0, 1]}]})
    {'bits_per_dim': 4.0, 'level 1/noise_square': 1.1}

    """
    plain = {name: value for name, value in record.items() if name != "step" and isinstance(value, (int, float))}
    for number, level in enumerate(record.get("levels", ()), start=1):
        plain |= {f"level {number}/{name}": value for name, value in level.items() if isinstance(value, (int, float))}
    return plain


@contextmanager
def _tensorboard(folder: Path, recipe: Recipe, step: int, written: int) -> Iterator[Log]:
    del written  # TensorBoard drops what an earlier process wrote after the step
    import numpy as np
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / "tensorboard", purge_step=step + 1 if step else None) as writer:
        if step == 0:
            writer.add_text("recipe", f"```\n{json.dumps(recipe.to_dict(), indent=2)}\n```")

        def log(record: Mapping[str, Any]) -> None:
            for name, value in numbers(record).items():
                writer.add_scalar(name, value, record["step"])
            if SAMPLES in record:
                writer.add_image(SAMPLES, np.asarray(_picture(record)), record["step"], dataformats="HWC")

        yield log


@contextmanager
def _tracker(package: str, folder: Path, recipe: Recipe, step: int, written: int) -> Iterator[Log]:
    """Log to Weights & Biases, or to Trackio, which has the same functions."""
    del step
    tracker = import_module(package)
    own = {"dir": folder, "id": folder.name} if package == "wandb" else {}
    run = tracker.init(project=PROJECT, name=folder.name, config=recipe.to_dict(), resume="allow", **own)

    def log(record: Mapping[str, Any]) -> None:
        if record["step"] > written:  # a resumed run takes some steps again, to the same numbers
            samples = {SAMPLES: tracker.Image(_picture(record))} if SAMPLES in record else {}
            run.log({**numbers(record), **samples}, step=record["step"])

    try:
        yield log
    finally:
        tracker.finish()


def _picture(record: Mapping[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(record[SAMPLES])).convert("RGB")


#: Loggers by the words of ``--log``, and the package that each needs.
LOGGERS: dict[str, Callable[[Path, Recipe, int, int], Any]] = {
    "tensorboard": _tensorboard,
    "wandb": partial(_tracker, "wandb"),
    "trackio": partial(_tracker, "trackio"),
}


@contextmanager
def logger_for(name: str, folder: Path, recipe: Recipe, step: int, written: int) -> Iterator[Log]:
    """Open the logger of a run, and close it with the block; an empty name drops all records.

    Args:
        name: a word of :data:`LOGGERS`, or empty.
        folder: of the run.
        recipe: of the run, which the logger shows.
        step: the step from which the run resumes; 0 at its start.
        written: the last step that an earlier process recorded; -1 if none.

    """
    if not name:
        yield lambda record: None
        return
    check_logger(name)
    with LOGGERS[name](folder, recipe, step, written) as log:
        yield log


def check_logger(name: str) -> None:
    """Refuse a logger whose package is missing, before the run begins."""
    if name and missing(name):
        raise RunError(f"--log {name} needs the package {name}: pip install {name}, or leave --log out.")
