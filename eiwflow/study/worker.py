"""A small study started from the app: a process that outlives the page, and holds the CPU's lock like a run."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..training import worker

if TYPE_CHECKING:
    from .recipe import StudyRecipe
    from .run import StudyFolder

DEVICE = "cpu"


def start(recipe: StudyRecipe, out: Path) -> StudyFolder:
    """Start or continue a study in a process of its own; return its folder once that process has locked it.

    Args:
        recipe: the settings.
        out: the study's folder, in the folder ``studies`` of the runs' folder.

    Raises:
        RunError: a run or study started from the app uses the CPU, or nothing can be written.

    """
    from .run import StudyFolder

    command = shlex.join(["python", "-m", "eiwflow", *recipe.arguments(out.name)])
    with worker.one_at_a_time(out.parent.parent, DEVICE):
        study = StudyFolder.begin(out, recipe, command)
        study.extend(recipe)
        worker.spawn(study, DEVICE, threads=1)
    return study


def folder(path: Path) -> StudyFolder:
    """Return the folder of a study, for :mod:`eiwflow.training.worker`."""
    from .run import StudyFolder

    return StudyFolder(path)


# ---------------------------------------------------------------------- the worker's side


def main() -> int:
    """Run the study in a folder; return 0, 1 (a run failed) or 2 (it cannot be run)."""
    return worker.main(work=_work)


def _work(options: argparse.Namespace) -> int:
    from ..data import DataError
    from ..flow import ConfigError
    from ..training.failures import TrainingFailed
    from ..training.run_directory import RunError
    from .file import StudyError, read_study
    from .run import Stopped, StudyFolder, run_study

    study = StudyFolder(options.run)
    try:
        begun = read_study(options.run)
        run_study(begun.recipe, options.run, begun.command)
    except Stopped:
        return 0
    except TrainingFailed as error:
        study.log(str(error))
        return 1
    except (ConfigError, DataError, RunError, StudyError, OSError) as error:
        study.log(str(error))
        study.set_status("failed", study.count(), str(error))
        return worker.WRONG_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
