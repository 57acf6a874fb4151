"""One thread and no deadlines: the tests share a small machine."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hypothesis import settings

from eiwflow.flow import partitions

from . import LONG, WHOLE
from .made.chromium import browser

__all__ = ["browser"]  # playwright starts once in a process, so every folder of tests shares it

torch.set_num_threads(1)
settings.register_profile("eiwflow", deadline=None, max_examples=100 if LONG else 12, derandomize=True)
if not LONG:
    # No test cuts the power, and a write that waits for the disk is time in which nothing is tested.
    os.fsync = lambda descriptor: None
settings.load_profile("eiwflow")

ROOT = Path(__file__).resolve().parents[1]
#: Of pip, to build or install a wheel where nothing can be fetched.
ALONE = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")
#: Folders whose files take seconds. They come last, so that no worker waits long for the last file of another.
QUICK = ("data", "figures", "flow")
#: The file that takes longest comes first, for the same reason.
LONGEST = "browser/test_train.py"


def pytest_addoption(parser, pluginmanager):
    """Accept xdist's option, which pyproject.toml names, where ``-p no:xdist`` leaves that plugin out."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption("--no-loadscope-reorder", action="store_true", help="has no effect without pytest-xdist")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers ``-n auto`` starts: two more than there are cores, for slow tests wait; else one more.

    Each takes up to 1.5 GB with its browser and its server.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores + (2 if WHOLE else 1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker whole files, and all that needs a browser to two workers: each starts one, and a server."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if file.startswith(("tests/browser/test_lesson", "tests/browser/test_firefox", "tests/shown/test_scenes")):
                return "lesson in a browser"
            return "app in a browser" if file.startswith("tests/browser/") else file

    return Scheduling(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests out of the short form; put the longest file first and those that take seconds last."""
    if not WHOLE and (slow := [item for item in items if "slow" in item.keywords]):
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]
    items.sort(key=lambda item: (not item.path.as_posix().endswith(LONGEST), item.path.parent.name in QUICK))


def _halves_are_searched_once() -> None:
    """Keep the halves that a search has given: tests make the same flow from the same numbers again and again."""
    search, known = partitions.best_halves, {}

    def best_halves(weights: torch.Tensor, draw: int = 0) -> torch.Tensor:
        key = weights.numpy().tobytes(), draw
        if key not in known:
            known[key] = search(weights, draw)
        return known[key].clone()

    partitions.best_halves = best_halves


_halves_are_searched_once()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection():
    """Keep what the imports and the collection make out of garbage collections, now and later: it is no garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let every test draw the same numbers, whichever tests its worker ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: a build leaves folders behind in its source."""
    place = tmp_path_factory.mktemp("wheel")
    leave_out = ignore_patterns(".*_cache", ".git", "*venv", "runs", "build", "tests", "screenshots", "*.egg-info")
    copytree(ROOT, place / "source", ignore=leave_out)
    command = [sys.executable, "-m", "pip", "wheel", *ALONE, "--no-build-isolation", "-w", place, place / "source"]
    subprocess.run(command, check=True, timeout=300)
    return next(place.glob("*.whl"))
