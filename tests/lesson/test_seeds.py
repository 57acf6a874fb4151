"""What scene 7 says of several runs was counted from runs of the bundled flows' commands."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.seeds import count
from eiwflow import checkpoint
from eiwflow.analysis.shuffle import RankRiver
from eiwflow.flow import FlowConfig
from eiwflow.lesson import default, seeds
from eiwflow.lesson.seeds import before_and_after

from .test_flow_js import random_flow

BUNDLED = default.fixed_in_advance(seeds.FOLDER)


def test_channels_passed_on_are_counted_first_and_last() -> None:
    asked = np.array([[0, 1, 2, 3], [1, 2, 3, 0], [3, 2, 0, 1]])
    orders = [0, 1, 2, 3], [2, 3, 0, 1]
    first, last = (RankRiver(1, np.arange(3), np.array(order), asked, np.zeros((3, 4)), 2) for order in orders)
    assert before_and_after(first) == [2, 0]
    assert before_and_after(last) == [0, 2]


def test_the_shipped_counts_hold_those_of_the_bundled_flows() -> None:
    shipped = json.loads(seeds.FILE.read_text())
    counted = count([], BUNDLED)
    assert shipped.keys() == counted.keys()
    assert all(shipped[name]["0"] == counted[name]["0"] for name in counted)
    assert all(seeds.counts(path) == list(shipped[path.stem].values()) for path in BUNDLED)


def test_a_file_of_the_same_name_elsewhere_has_no_counts(tmp_path: Path) -> None:
    assert seeds.counts(tmp_path / BUNDLED[0].name) == []


def test_a_run_of_another_command_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.safetensors"
    path.parent.mkdir()
    flow = random_flow(
        FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4, order="variance-reversed", weights="none")
    )
    checkpoint.save(path, flow, checkpoint.CheckpointInfo(config=flow.config, data="faces16"))
    with pytest.raises(ValueError, match="no finished run of a bundled flow’s command"):
        count([tmp_path], BUNDLED)
