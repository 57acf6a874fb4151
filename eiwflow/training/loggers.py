"""Other places for the numbers of ``metrics.jsonl``: TensorBoard, Weights & Biases, Trackio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import missing
from .recipe import Recipe
from .run_directory import RunError

PROJECT = "eiwflow"
#: Receives the records of ``metrics.jsonl``.
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
def _tensorboard(folder: Path, recipe: Recipe) -> Iterator[Log]:
    del recipe
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / "tensorboard") as writer:

        def log(record: Mapping[str, Any]) -> None:
            for name, value in numbers(record).items():
                writer.add_scalar(name, value, record["step"])

        yield log


@contextmanager
def _wandb(folder: Path, recipe: Recipe) -> Iterator[Log]:
    import wandb

    run = wandb.init(project=PROJECT, name=folder.name, config=recipe.to_dict(), dir=folder)
    try:
        yield lambda record: run.log(numbers(record), step=record["step"])
    finally:
        run.finish()


@contextmanager
def _trackio(folder: Path, recipe: Recipe) -> Iterator[Log]:
    import trackio

    run = trackio.init(project=PROJECT, name=folder.name, config=recipe.to_dict())
    try:
        yield lambda record: run.log(numbers(record), step=record["step"])
    finally:
        trackio.finish()


#: Loggers by the words of ``--log``, and the package that each needs.
LOGGERS: dict[str, Callable[[Path, Recipe], Any]] = {"tensorboard": _tensorboard, "wandb": _wandb, "trackio": _trackio}


@contextmanager
def logger_for(name: str, folder: Path, recipe: Recipe) -> Iterator[Log]:
    """Open the logger of a run, and close it with the block; an empty name drops all records.

    Raises:
        RunError: the package that it needs is not installed.

    """
    if not name:
        yield lambda record: None
        return
    check_logger(name)
    with LOGGERS[name](folder, recipe) as log:
        yield log


def check_logger(name: str) -> None:
    """Refuse a logger whose package is missing, before the run begins.

    Raises:
        RunError: the message names the command that installs it.

    """
    if name and missing(name):
        raise RunError(f"--log {name} needs the package {name}: pip install 'eiwflow[{name}]', or leave --log out.")
