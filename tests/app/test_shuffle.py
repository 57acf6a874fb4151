"""The page Shuffle: it answers with and without a training record, and what is not there is said in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.flow import MultiScaleFlow
from eiwflow.training.record import level_records, write_samples

from ..flow.numerics import perturb
from .conftest import APP, sentences, small_flow, url, write_checkpoint

STEPS = (0, 1, 10, 100)


def write_record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...] = STEPS) -> None:
    """Write a training record of a flow whose parameters wander away from its own, back in time."""
    probe = torch.rand(16, *flow.config.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    lines = []
    with torch.no_grad():
        for step in reversed(steps):
            levels = level_records(flow, probe)
            lines.append({"step": step, "bits_per_dim": 5.0, "probe_bits_per_dim": 5.0, "levels": levels})
            write_samples(folder / "samples", flow, 0, step)
            perturb(flow, 0.03)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))


def visit(**link: str) -> AppTest:
    """Return the page after its first run, opened by a link."""
    at = AppTest.from_file(str(APP), default_timeout=120)
    at.query_params.update(link)
    at.switch_page("pages/4_shuffle.py")
    return at.run()


@pytest.fixture
def checkpoints(bundle: Path) -> Path:
    """Write a checkpoint with a training record, one without, and a static one with."""
    write_checkpoint(bundle / "recorded.safetensors", small_flow(levels=3))
    write_record(bundle / "recorded", small_flow(levels=3))
    write_checkpoint(bundle / "bare.safetensors")
    write_checkpoint(bundle / "static.safetensors", small_flow(split="static-last"))
    write_record(bundle / "static", small_flow(split="static-last"))
    return bundle


def assert_healthy(at: AppTest, charts: int) -> None:
    """So many charts, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert len(at.get("plotly_chart")) == charts


def test_page_says_what_moves_and_when(checkpoints: Path) -> None:
    at = visit(ck="recorded")
    assert_healthy(at, charts=9)
    said = sentences(at)
    assert at.title[0].value == "What does the permutation move, and when?"
    assert "across the split line, once, before the first training step, the same for every image" in said
    assert "Sorted anew" in said and "step 100" in said
    assert "The order in force is the same for every image" in said
    assert 'class="scrub-film"' in said and 'class="scrub-view"' in said
    assert "analyse recorded --what shuffle --level 1" in at.code[0].value


def test_step_stands_in_the_url_and_one_that_was_not_recorded_becomes_the_last(checkpoints: Path) -> None:
    assert url(visit(ck="recorded"))["step"] == "100"
    assert url(visit(ck="recorded", step="10"))["step"] == "10"
    assert url(visit(ck="recorded", step="11"))["step"] == "100"
    assert url(visit(ck="recorded", step="<b>"))["step"] == "100"


def test_checkpoint_without_a_record_shows_what_it_tells_by_itself(checkpoints: Path) -> None:
    at = visit(ck="bare")
    assert_healthy(at, charts=6)
    assert "no training record" in at.info[0].value
    assert "test images" in sentences(at) and "step" not in url(at)


def test_record_of_another_flow_is_not_shown(checkpoints: Path) -> None:
    (checkpoints / "recorded" / "metrics.jsonl").rename(checkpoints / "metrics.jsonl")
    (checkpoints / "bare").mkdir()
    lines = (checkpoints / "metrics.jsonl").read_text().splitlines()
    other = [json.loads(line) for line in lines]
    for line in other:
        line["levels"][0]["order"].reverse()
    (checkpoints / "bare" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in other))
    at = visit(ck="bare")
    assert_healthy(at, charts=6)
    assert "no training record" in at.info[0].value


def test_static_split_is_not_called_a_shuffle(checkpoints: Path) -> None:
    at = visit(ck="static")
    assert_healthy(at, charts=9)
    assert "sends out the last 6 of 12 channels by rule" in sentences(at)
    assert "This flow has no Shuffle" in sentences(at)


def test_last_level_is_clamped_and_said(checkpoints: Path) -> None:
    at = visit(ck="recorded", level="3")
    assert_healthy(at, charts=9)
    assert "has no Shuffle" in at.info[0].value and "of 24 channels" in sentences(at)


def test_flow_of_one_level_has_nothing_to_show_and_says_so(bundle: Path) -> None:
    write_checkpoint(bundle / "flat.safetensors", small_flow(levels=1))
    at = visit(ck="flat")
    assert not at.exception and not at.get("plotly_chart")
    assert "nothing is split" in sentences(at)


def test_no_checkpoint_is_said_in_a_sentence(bundle: Path) -> None:
    at = visit()
    assert not at.exception and "no checkpoint" in at.error[0].value


def test_every_choice_moves_the_page(checkpoints: Path) -> None:
    at = visit(ck="recorded")
    seen = {sentences(at)}
    moves = {
        "rule": lambda: at.get("button_group")[0].set_value("random"),
        "seed": lambda: at.number_input(key="seed").set_value(7),
        "level": lambda: at.select_slider(key="level").set_value(2),
        "data": lambda: at.selectbox(key="data").set_value("emoji32"),
        "ck": lambda: at.selectbox(key="ck").set_value("static"),
    }
    for key, move in moves.items():
        move().run()
        assert_healthy(at, charts=9)
        assert sentences(at) not in seen, f"{key} changed nothing"
        seen.add(sentences(at))
