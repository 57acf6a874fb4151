"""The table of the bundled flows says what their files say, in the command, in docs and on the page."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest
from safetensors.torch import load_file

from eiwflow import project
from eiwflow.analysis.flows import bundled_flows
from eiwflow.analysis.words.numbers import fixed
from eiwflow.checkpoint import CheckpointError, load, read_info


def test_every_bundled_flow_has_a_row_that_its_own_command_states():
    rows = {row["flow"]: row for row in bundled_flows()}
    assert {*rows} == {path.stem for path in project.CHECKPOINTS.glob("*.safetensors")}
    for name, row in rows.items():
        info = load(project.CHECKPOINTS / f"{name}.safetensors").info
        words = shlex.split(info.command)
        asked = dict(itertools.pairwise(words))
        stated = [row[key] for key in ("data", "order", "weights", "start", "steps")]
        options = ("--data", "--order", "--weights", "--init", "--iterations")
        assert [str(value) for value in stated] == [asked[key] for key in options]
        assert row["partition"] == asked.get("--partition", "alternating")
        assert row["CPU minutes"] * 60 == pytest.approx(info.metrics["cpu_seconds"])


def test_every_set_has_a_flow_by_entropy_and_those_of_one_set_share_their_steps():
    by_data: dict[str, set[int]] = {}
    for row in bundled_flows():
        if row["weights"] != "pooled":  # shorter: it shows a place of weights, and is compared with nothing
            by_data.setdefault(row["data"], set()).add(row["steps"])
    assert all(len(steps) == 1 for steps in by_data.values())
    assert {row["data"] for row in bundled_flows() if row["weights"] == "entropy"} == {*by_data}


def test_the_documentation_has_the_table():
    text = (project.ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    shown = text.split("<!-- flows: as tests/analysis/test_flows.py writes them -->\n")[1]
    rows = [
        {**row, "flow": f"`{row['flow']}`", "bits/dim": fixed(row["bits/dim"], 3), "steps": f"{row['steps']:,}",
         "CPU minutes": fixed(row["CPU minutes"], 1)}
        for row in bundled_flows()
    ]  # fmt: skip
    lines = [rows[0], ["---"] * len(rows[0]), *(map(str, row.values()) for row in rows)]
    assert shown.split("\n<!-- end of flows -->")[0] == "\n".join(f"| {' | '.join(line)} |" for line in lines)


def test_what_a_file_says_of_itself_is_read_without_its_weights(tmp_path):
    path = project.CHECKPOINTS / "faces16-glow.safetensors"
    assert read_info(path) == load(path).info
    content = path.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(content[: 8 + int.from_bytes(content[:8], "little")])
    assert read_info(cut) == load(path).info
    with pytest.raises(Exception, match="safetensors|incomplete|Header|header"):
        load_file(cut)
    cut.write_bytes(content[:100])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors"):
        read_info(Path(cut))
