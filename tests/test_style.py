"""The house is in order: ruff finds nothing, and every file is formatted as it formats it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def ruff(*arguments):
    """Return the finished process of ruff, without a cache that would lie about afterwards."""
    here = Path(sys.executable).with_name("ruff")
    command = [str(here) if here.is_file() else shutil.which("ruff") or pytest.fail("ruff is not installed")]
    return subprocess.run(
        [*command, *arguments, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_there_is_nothing_to_mend():
    done = ruff("check", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_is_formatted():
    done = ruff("format", "--check", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_annotations_and_docstrings_are_asked_for(tmp_path):
    """A public function without either is found, so a clean house is not one that nobody looks at."""
    bad = tmp_path / "bad.py"
    bad.write_text("def shown(x):\n    return x\n")
    found = ruff("check", "--config", str(ROOT / "pyproject.toml"), "--output-format", "concise", str(bad)).stdout
    assert "ANN001" in found and "ANN201" in found and "D103" in found
