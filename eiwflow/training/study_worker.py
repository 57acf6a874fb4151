"""A small study beside the app: a process of its own that outlives the page, and holds the CPU as a run does.

The page starts it, reads the study's file, and may end it: what is done is kept, and the same call goes on.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from . import detached, lock, process

if TYPE_CHECKING:
    from .study_recipe import StudyRecipe

#: The process holds its locks once torch is imported and the images are read; on a busy machine that takes a while.
START_S = 60.0
WRONG_INPUT = 2
DEVICE = "cpu"


# ---------------------------------------------------------------------- the page's side


def start(recipe: StudyRecipe, out: Path) -> None:
    """Start a study, or go on with it, in a process of its own; return once its file is there and that process has it.

    Arguments:
        recipe: the settings.
        out: the study's file, in a folder of the runs' folder.

    Raises:
        RunError: a run or a study that was started from the page has the CPU, or it could not be started.

    """
    from .run import RunError

    root, log = out.parent.parent, out.with_suffix(".log")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # One visitor after the other: who comes second must not empty the first one's log.
        with lock.of_starting(root):
            if lock.held(lock.of_device(root, DEVICE)):
                raise RunError(
                    "The CPU is taken by a run or a study that was started from the app: stop it first, or wait for it."
                )
            with open(log, "wb") as said:
                given = json.dumps(recipe.to_dict()).encode()
                started = detached.start("eiwflow.training.study_worker", [str(out.resolve())], said, given)
            if not detached.wait_until(lambda: out.exists() and alive(out), started, START_S):
                raise RunError(f"The study did not start within {START_S:.0f} seconds.")
    except OSError as error:
        raise RunError(f"The study cannot be started ({error.strerror}).") from None
    if started.returncode:
        raise RunError(complaint(out) or f"The study ended at once with the exit code {started.returncode}.")


def alive(out: Path) -> bool:
    """Return whether a process is at work on a study's file, however it was started."""
    from filelock import FileLock

    from .study import lock_file

    return lock.held(FileLock(lock_file(out)))


def stop(out: Path) -> None:
    """Ask the process that is at work on a study to end, wherever it is; what it has done is kept.

    Raises:
        RunError: it cannot be asked.

    """
    from .run import RunError
    from .study import request_file

    try:
        if alive(out):
            request_file(out).touch()
    except OSError as error:
        raise RunError(f"The study {out.stem} cannot be asked ({error.strerror}).") from None


def silent_s(out: Path) -> float:
    """Return the seconds since the process that is at work on a study gave a sign of life; 0 where none is."""
    from .study import process_file

    with suppress(OSError):
        if alive(out):
            return max(0.0, time.time() - process_file(out).stat().st_mtime)
    return 0.0


def kill(out: Path) -> None:
    """End the process of a study that gives no sign of life; what it has done is kept.

    Raises:
        RunError: it gives signs of life, or cannot be ended from here.

    """
    from .run import RunError
    from .study import process_file

    if silent_s(out) <= process.SILENT_S:
        raise RunError(f"The study {out.stem} answers: use Stop.")
    try:
        process.kill(files.read_json(process_file(out)))
    except (OSError, ValueError):
        raise RunError(f"The study {out.stem} does not say which process it is.") from None
    except process.NotThatProcess as error:
        raise RunError(f"The process of the study {out.stem} {error}: it is not touched from here.") from None


def complaint(out: Path) -> str:
    """Return the last line that a study's process left in its log; empty where it left none."""
    with suppress(OSError):
        lines = files.read_end(out.with_suffix(".log"), 2**16).decode(errors="replace").strip().splitlines()
        return lines[-1][:400] if lines else ""
    return ""


# ---------------------------------------------------------------------- the process' side


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study whose recipe is on stdin into the file that is given; return 0, 1 (a run failed) or 2."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    out = Path(name)
    device = lock.of_device(out.parent.parent, DEVICE)
    if not lock.take(device):
        print("The CPU is taken by another run or study that was started from the app.", flush=True)
        return WRONG_INPUT
    from ..data import DataError
    from ..flow import ConfigError
    from .failures import TrainingFailed
    from .run import RunError
    from .study import run_study
    from .study_recipe import StudyRecipe

    try:
        recipe = StudyRecipe.from_dict(json.load(sys.stdin))
        run_study(recipe, out, shlex.join(["python", "-m", "eiwflow", *recipe.arguments(out.name)]))
    except TrainingFailed as error:
        print(error, flush=True)
        return 1
    except (ConfigError, DataError, RunError, OSError) as error:
        print(error, flush=True)
        return WRONG_INPUT
    finally:
        device.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
