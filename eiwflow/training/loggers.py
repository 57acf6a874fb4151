"""Other places for the numbers of ``metrics.jsonl``: TensorBoard, Weights & Biases, Trackio."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .recipe import Recipe
from .run_directory import RunError

PROJECT = "eiwflow"


class Logger(Protocol):
    """Receives the records of ``metrics.jsonl``."""

    def log(self, record: Mapping[str, Any]) -> None:
        """Log a record."""


class NoLogger:
    """Drops every record."""

    def log(self, record: Mapping[str, Any]) -> None:
        """Ignore a record."""


class TensorBoard:
    """Writes numbers into ``tensorboard/`` of the run directory."""

    def __init__(self, writer: Any) -> None:  # noqa: ANN401 (of a package that may be missing)
        self._writer = writer

    def log(self, record: Mapping[str, Any]) -> None:
        """Write every number of a record under its name."""
        for name, value in numbers(record).items():
            self._writer.add_scalar(name, value, record["step"])


class Tracker:
    """Hands numbers to a run of wandb or trackio."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 (of a package that may be missing)
        self._run = run

    def log(self, record: Mapping[str, Any]) -> None:
        """Log every number of a record at its step."""
        self._run.log(numbers(record), step=record["step"])


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
def _tensorboard(folder: Path, recipe: Recipe) -> Iterator[Logger]:
    del recipe
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder / "tensorboard")
    try:
        yield TensorBoard(writer)
    finally:
        writer.close()


@contextmanager
def _wandb(folder: Path, recipe: Recipe) -> Iterator[Logger]:
    import wandb

    run = wandb.init(project=PROJECT, name=folder.name, config=recipe.to_dict(), dir=folder)
    try:
        yield Tracker(run)
    finally:
        run.finish()


@contextmanager
def _trackio(folder: Path, recipe: Recipe) -> Iterator[Logger]:
    import trackio

    run = trackio.init(project=PROJECT, name=folder.name, config=recipe.to_dict())
    try:
        yield Tracker(run)
    finally:
        trackio.finish()


#: Loggers by the words of ``--log``, and the package that each needs.
LOGGERS: dict[str, Callable[[Path, Recipe], Any]] = {"tensorboard": _tensorboard, "wandb": _wandb, "trackio": _trackio}


@contextmanager
def logger_for(name: str, folder: Path, recipe: Recipe) -> Iterator[Logger]:
    """Open the logger of a run, and close it with the block; an empty name drops all records.

    Raises:
        RunError: the package that it needs is not installed.

    """
    if not name:
        yield NoLogger()
        return
    check_logger(name)
    with LOGGERS[name](folder, recipe) as logger:
        yield logger


def check_logger(name: str) -> None:
    """Refuse a logger whose package is missing, before the run begins.

    Raises:
        RunError: the message names the command that installs it.

    """
    if name and importlib.util.find_spec(name) is None:
        raise RunError(f"--log {name} needs the package {name}: pip install 'eiwflow[{name}]', or leave --log out.")
