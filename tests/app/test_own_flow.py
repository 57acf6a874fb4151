"""The script in docs trains, saves and opens the app, which shows the flow that it saved."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from eiwflow import checkpoint

from .conftest import visit_page

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "own_flow.py"


@pytest.mark.slow
def test_the_script_of_30_lines_trains_saves_and_opens_in_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    commands: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "2"])
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    runpy.run_path(str(SCRIPT))
    monkeypatch.undo()
    assert commands == [[sys.executable, "-m", "eiwflow", "app"]]
    assert "step 2: " in capsys.readouterr().out
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 30
    saved = checkpoint.load(tmp_path / "runs" / "own.safetensors")
    monkeypatch.setenv("EIWFLOW_RUNS", str(tmp_path / "runs"))
    at = visit_page("pages/8_checkpoint.py", ck=saved.sha256[:12])
    assert not at.exception and not at.error
    assert any("own.safetensors" in str(box.value) or "own.safetensors" in str(box.options) for box in at.selectbox)
