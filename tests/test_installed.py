"""Installed elsewhere, without the project's files, `eiwflow` is a command that says where these are."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a place that holds the package and nothing else of the project."""
    place = tmp_path_factory.mktemp("site")
    copytree(ROOT / "eiwflow", place / "eiwflow", ignore=ignore_patterns("__pycache__"))
    return {**os.environ, "PYTHONPATH": str(place)}, place


def run(installed, *arguments):
    environment, place = installed
    command = [sys.executable, "-m", "eiwflow", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("words", "folder"),
    [("verify photos32-weighted", "assets/checkpoints"), ("train --data photos32 --iterations 1", "assets/data")],
)
def test_a_bundled_name_is_answered_by_where_the_files_are(installed, words, folder):
    done = run(installed, *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and folder in done.stderr and "source" in done.stderr


def test_the_command_that_installing_gives_is_the_one_of_the_module():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'eiwflow = "eiwflow.cli:run"' in text
    assert "from .cli import run" in (ROOT / "eiwflow" / "__main__.py").read_text(encoding="utf-8")
