"""A run directory: what is in it, and what a reader sees while it is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiwflow.checkpoint import PRETRAINED
from eiwflow.training.history import read_records
from eiwflow.training.recipe import recording_steps
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, all_runs, saved_flows

from .tiny import tiny_data, tiny_recipe, tiny_run

LINES = b'{"step":0,"a":1}\n{"step":1}\n'


def test_a_run_that_is_through_has_every_file_of_the_design(tmp_path):
    run = tiny_run(tmp_path, iterations=3)
    train(run, images=tiny_data())
    found = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    samples = {f"samples/step_{step:07d}.webp" for step in recording_steps(3)}
    state = {"metrics.jsonl", "status.json", "log.txt", "resume.safetensors", "checkpoints/last.safetensors"}
    assert found == {"config.json", "run.lock"} | samples | state


def test_the_config_comes_back(tmp_path):
    run = tiny_run(tmp_path, split="first+pooled", seed=3, divergence=0.5)
    assert RunDirectory.open(run.path).config() == (
        tiny_recipe(split="first+pooled", seed=3, divergence=0.5),
        "python -m eiwflow train",
    )


def test_runs_are_listed_the_newest_first_without_the_folder_of_a_flow(tmp_path):
    for day in (2, 1, 3):
        RunDirectory.create(tmp_path, tiny_recipe(), "", f"2026010{day}-120000-entropy-abcdef")
    (tmp_path / "20260104-hub").mkdir()
    for name in ("config.json", PRETRAINED):
        (tmp_path / "20260104-hub" / name).write_text("{}")
    assert [run.title for run in all_runs(tmp_path)] == [f"entropy, {day} Jan 12:00:00" for day in (3, 2, 1)]
    assert saved_flows(tmp_path) == [tmp_path / "20260104-hub"]


# ---------------------------------------------------------------------- records


@given(st.integers(0, len(LINES)))
def test_a_line_is_read_once_it_is_whole(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    path.write_bytes(LINES[:cut])
    assert read_records(path) == [{"step": 0, "a": 1}, {"step": 1}][: LINES[:cut].count(b"\n")]


def test_lines_that_are_no_records_are_passed_over(tmp_path):
    junk = b'\n{}\n[]\nnull\n{"step":"1"}\n{"step":\n\xff\xfe\n'
    (tmp_path / "metrics.jsonl").write_bytes(junk + LINES)
    assert [record["step"] for record in read_records(tmp_path / "metrics.jsonl")] == [0, 1]
    assert read_records(tmp_path / "none.jsonl") == []


def test_forgetting_drops_later_records_and_samples_and_half_lines(tmp_path):
    run = tiny_run(tmp_path)
    for step in range(4):
        run.append({"step": step})
        (run.samples / f"step_{step:07d}.webp").write_bytes(b"")
    with open(run.path / "metrics.jsonl", "ab") as file:
        file.write(b'{"step":4,"bits')
    (run.samples / ".step_0000004.webp.0123abcd").write_bytes(b"")  # half written
    kept, last = run.forget_after(1)
    assert ([record["step"] for record in kept], last) == ([0, 1], 3)
    run.append({"step": 2})
    assert [record["step"] for record in run.records()] == [0, 1, 2]
    assert sorted(path.name for path in run.samples.iterdir()) == ["step_0000000.webp", "step_0000001.webp"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_log_that_finds_no_room_does_not_make_a_finished_run_a_failed_one(tmp_path):
    run = tiny_run(tmp_path, iterations=2)
    (run.path / "log.txt").symlink_to("/dev/full")
    train(run, images=tiny_data())
    assert run.state().name == "finished"


# ---------------------------------------------------------------------- status


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"\xff"])
def test_a_status_that_is_not_there_or_not_whole_is_empty(tmp_path, content):
    run = tiny_run(tmp_path)
    (run.path / "status.json").unlink()
    if content is not None:
        (run.path / "status.json").write_bytes(content)
    assert run.status() == {}
