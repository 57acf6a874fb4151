"""A small study started from the app: a process that outlives the page, and holds the CPU's lock like a run."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..data import DataError
from ..flow import ConfigError
from ..training import worker
from ..training.failures import TrainingFailed
from ..training.process import WRONG_INPUT
from ..training.run_directory import RunError
from .file import StudyError, read_study
from .recipe import StudyRecipe
from .run import Stopped, StudyFolder, run_study

DEVICE = "cpu"


def start(recipe: StudyRecipe, out: Path) -> StudyFolder:
    """Start or continue a study in a process of its own; return its folder once that process has locked it.

    Args:
        recipe: the settings.
        out: the study's folder, in the folder ``studies`` of the runs' folder.

    Raises:
        RunError: a run or study started from the app uses the CPU, or nothing can be written.

    """
    command = shlex.join(["python", "-m", "eiwflow", *recipe.arguments(out.name)])
    with worker.one_at_a_time(out.parent.parent, DEVICE):
        study = StudyFolder.begin(out, recipe, command)
        study.extend(recipe)
        worker.spawn(study, DEVICE, threads=1)
    return study


# ---------------------------------------------------------------------- the worker's side


def work(folder: Path, device: str, threads: int) -> int:
    """Run the study in a folder; return 0, 1 (a run failed) or 2 (it cannot be run)."""
    del device, threads  # one thread on the CPU
    study = StudyFolder(folder)
    try:
        begun = read_study(folder)
        run_study(begun.recipe, folder, begun.command)
    except Stopped:
        return 0
    except TrainingFailed as error:
        study.log(str(error))
        return 1
    except (ConfigError, DataError, RunError, StudyError, OSError) as error:
        study.log(str(error))
        study.set_status("failed", study.count(), str(error))
        return WRONG_INPUT
    return 0
