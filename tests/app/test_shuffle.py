"""The page Shuffle: it answers with and without a training record, and what is not there is said in a sentence."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.compression.archive import flow_digest
from eiwflow.flow import MultiScaleFlow
from eiwflow.training.history import level_records, write_samples

from ..flow.numerics import perturb
from .conftest import figures_of, sentences, small_flow, url, visit_page, write_checkpoint

STEPS = (0, 1, 10, 100)


#: What was written once for a flow and its steps: name -> content.
RECORDS: dict[tuple[str, tuple[int, ...]], dict[str, bytes]] = {}


def write_record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...] = STEPS) -> None:
    """Write a training record of a flow whose parameters wander away from its own, back in time."""
    if (key := (flow_digest(flow), steps)) not in RECORDS:
        with TemporaryDirectory() as made:
            _record(Path(made), deepcopy(flow), steps)
            paths = [path for path in Path(made).rglob("*") if path.is_file()]
            RECORDS[key] = {str(path.relative_to(made)): path.read_bytes() for path in paths}
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    for name, content in RECORDS[key].items():
        (folder / name).write_bytes(content)


def _record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...]) -> None:
    probe = torch.rand(16, *flow.config.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    (folder / "samples").mkdir()
    lines = []
    with torch.no_grad():
        for step in reversed(steps):
            levels = level_records(flow, probe)
            lines.append({"step": step, "bits_per_dim": 5.0, "probe_bits_per_dim": 5.0, "levels": levels})
            write_samples(folder / "samples", flow, 0, step)
            perturb(flow, 0.03)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))


#: Opens the page by a link with these parameters.
visit = partial(visit_page, "pages/4_shuffle.py")


@pytest.fixture
def checkpoints(bundle: Path) -> Path:
    """Write a checkpoint with a training record, one without, and a static one with."""
    write_checkpoint(bundle / "recorded.safetensors", small_flow(levels=3))
    write_record(bundle / "recorded", small_flow(levels=3))
    write_checkpoint(bundle / "bare.safetensors")
    write_checkpoint(bundle / "static.safetensors", small_flow(split="variance-reversed"))
    write_record(bundle / "static", small_flow(split="variance-reversed"))
    return bundle


def assert_healthy(at: AppTest, charts: int) -> None:
    """So many charts, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert len(at.get("plotly_chart")) == charts


def test_record_of_another_flow_is_not_shown(checkpoints: Path) -> None:
    (checkpoints / "recorded" / "metrics.jsonl").rename(checkpoints / "metrics.jsonl")
    (checkpoints / "bare").mkdir()
    lines = (checkpoints / "metrics.jsonl").read_text().splitlines()
    other = [json.loads(line) for line in lines]
    for line in other:
        line["levels"][0]["order"].reverse()
    (checkpoints / "bare" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in other))
    at = visit(ck="bare")
    assert_healthy(at, charts=3)
    assert "no training record" in at.info[0].value


# ---------------------------------------------------------------------- beside another checkpoint


@pytest.mark.slow
def test_records_of_other_steps_share_the_slider(checkpoints: Path) -> None:
    write_checkpoint(checkpoints / "longer.safetensors", small_flow(steps=2))
    write_record(checkpoints / "longer", small_flow(steps=2), (0, 5, 10, 400))
    at = visit(ck="recorded", vs="longer", step="5")
    assert not at.exception and url(at)["step"] == "5"
    found = figures_of(at)
    assert [frame["name"] for frame in found["scrub-river"]["frames"]] == ["0", "1", "10", "100"]
    assert [frame["name"] for frame in found["scrub-river-second"]["frames"]] == ["0", "5", "10", "400"]
    assert url(visit(ck="recorded", vs="longer", step="7"))["step"] == "0"
    assert "recorded at other steps" in sentences(at)
    assert "recorded at other steps" not in sentences(visit(ck="recorded", vs="static"))
