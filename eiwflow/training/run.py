"""A run directory: all that a training leaves on disk, and the only thing that those who watch it read."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoint import outline, write_atomically
from ..flow import ConfigError
from .recipe import Recipe

#: Environment variable that puts runs elsewhere than ``runs/``.
RUNS_VARIABLE = "EIWFLOW_RUNS"


def runs_root() -> Path:
    """Return the folder that holds the runs."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs")


class RunError(ValueError):
    """A run directory cannot be made or read; the message is one sentence."""


@dataclass(frozen=True)
class RunDirectory:
    """``config.json``, ``metrics.jsonl``, ``samples/``, ``checkpoints/``, ``resume.safetensors``, ``status.json``."""

    path: Path

    @classmethod
    def create(cls, root: Path, recipe: Recipe, command: str) -> RunDirectory:
        """Make a new run under ``root``; its name is generated, never a user's.

        Raises:
            ConfigError: the flow is too large for a checkpoint.
            RunError: ``root`` cannot be written.

        """
        outline(recipe.flow)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe.flow.split.replace('+', '-')}-{secrets.token_hex(3)}"
        run = cls(root / name)
        try:
            for folder in (run.path, run.samples, run.checkpoints):
                folder.mkdir(parents=True)
            write_atomically(run.path / "config.json", _json_bytes({"recipe": recipe.to_dict(), "command": command}))
            run.set_status("starting", 0)
        except OSError as error:
            raise RunError(f"The run directory {str(root)[:200]} cannot be written ({error.strerror}).") from None
        return run

    @classmethod
    def open(cls, path: Path | str) -> RunDirectory:
        """Open an existing run."""
        run = cls(Path(path))
        if not (run.path / "config.json").is_file():
            raise RunError(f"{str(path)[:200]} is not a run directory: it has no config.json.")
        return run

    @property
    def samples(self) -> Path:
        """The folder of sample montages, ``step_*.webp``."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints; ``last.safetensors`` is the newest."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.safetensors"

    @property
    def resume_file(self) -> Path:
        """Weights, averages and optimiser of the newest saved step, with its number."""
        return self.path / "resume.safetensors"

    def config(self) -> tuple[Recipe, str]:
        """Return the recipe and the command line that started the run."""
        try:
            document = json.loads((self.path / "config.json").read_bytes())
            return Recipe.from_dict(document["recipe"]), str(document["command"])
        except ConfigError as error:
            raise RunError(f"The config.json of {self.path.name} is refused: {error}") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise RunError(f"The config.json of {self.path.name} is not readable as a run's config.") from None

    def set_status(self, state: str, step: int, message: str = "") -> None:
        """Write ``status.json``: state is starting, running, finished, stopped or failed."""
        status = {"state": state, "step": step, "message": message, "pid": os.getpid(), "time": time.time()}
        write_atomically(self.path / "status.json", _json_bytes(status))

    def status(self) -> dict[str, Any]:
        """Return the content of ``status.json``, or an empty dict where it is not there."""
        with contextlib.suppress(OSError, ValueError):
            status = json.loads((self.path / "status.json").read_bytes())
            if isinstance(status, dict):
                return status
        return {}

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line to ``metrics.jsonl``."""
        with open(self.path / "metrics.jsonl", "ab") as file:
            file.write(_json_bytes(record) + b"\n")

    def log(self, message: str) -> None:
        """Add one line to ``log.txt``."""
        with open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {message}\n")

    def records(self) -> list[dict[str, Any]]:
        """Return the records of ``metrics.jsonl``."""
        return read_records(self.path / "metrics.jsonl")

    def forget_after(self, step: int) -> None:
        """Drop records and samples of steps after ``step``: a resumed run writes them again."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_atomically(self.path / "metrics.jsonl", b"".join(_json_bytes(record) + b"\n" for record in kept))
        for sample in self.samples.glob("step_*.webp"):
            if int(sample.stem.removeprefix("step_")) > step:
                sample.unlink()


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a ``metrics.jsonl``; the last may be half written and is then left out."""
    try:
        lines: Iterable[bytes] = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return []
    records = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                records.append(record)
    return records


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
