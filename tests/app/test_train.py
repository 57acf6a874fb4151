"""The Train page: it starts, shows and keeps runs, says what stands against it, and needs no checkpoint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shlex
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow import cli
from eiwflow.cli import train as train_command
from eiwflow.cli.arguments import given
from eiwflow.data import DataError, hold_out, load
from eiwflow.flow import FlowConfig
from eiwflow.training import worker
from eiwflow.training.presets import PRESETS
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory, RunError, all_runs, runs_root
from eiwflow.ui.jobs import control, new_run, presets
from eiwflow.ui.sources import data_sets

from ..training.tiny import tiny_data
from .conftest import sentences, trained_run, url, visit_page


@pytest.fixture(autouse=True)
def no_flow(bundle: Path) -> Path:
    """There is no checkpoint at all."""
    return bundle


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Return what the page asked of the worker; no process is started or ended."""
    seen: list[tuple[object, ...]] = []

    def start(recipe: Recipe, root: Path, device: str, threads: int, command: str) -> RunDirectory:
        run = RunDirectory.create(root, recipe, command)
        run.set_status("paused", 0)
        seen.append(("start", recipe, device, command))
        return run

    monkeypatch.setattr(worker, "start", start)
    monkeypatch.setattr(worker, "resume", lambda run, device, threads: seen.append(("resume", run, device)))
    monkeypatch.setattr(worker, "ask", lambda run, to_pause: seen.append(("ask", run, to_pause)))
    return seen


#: Opens the page by a link with these parameters.
open_train = partial(visit_page, "pages/9_train.py")


def labels(at: AppTest) -> set[str]:
    return {button.label for button in at.button}


def charts(at: AppTest) -> int:
    return len(at.get("vega_lite_chart"))


@pytest.fixture
def held() -> Iterator[RunDirectory]:
    """Return a run that is being trained, as far as anybody can see."""
    run = trained_run(100, stop_at=23)
    run.set_status("running", 23)
    with run.held():
        yield run


# ---------------------------------------------------------------------- nothing is there yet


@pytest.mark.slow
def test_the_floor_of_a_runs_images_is_that_of_the_part_that_scores_it() -> None:
    images = load("faces16")
    for validation, scored in ((False, images), (True, hold_out(images))):
        lowest = data_sets.floor("faces16", validation)
        assert lowest == scored.floor_bits_per_dim()
        said = f"The grain alone takes {lowest:.2f} bits/dim; no model can need less."
        assert data_sets.floor_in_words("faces16", validation) == said
    assert images.floor_bits_per_dim() != hold_out(images).floor_bits_per_dim()
    assert data_sets.floor_in_words("photos32", False) == data_sets.floor_in_words("no/such/set", False) == ""
    assert data_sets.floor("faces16", False, 32) is None
    assert data_sets.floor("faces16", False, 32, (17, 17)) is None  # padded: a border has no grain
    assert data_sets.floor("faces16", False, 32, (16, 16)) == images.floor_bits_per_dim()
    assert data_sets.floor("faces16", False, bits=5) is None  # fewer grey levels take fewer bits


@pytest.mark.parametrize("preset", PRESETS)
def test_the_result_of_a_preset_was_measured_with_its_settings(preset: str) -> None:
    said = json.loads((presets.PICTURES / f"{preset}.json").read_bytes())
    options = cli.build_parser().parse_args(shlex.split(said["command"])[3:])
    given = {**PRESETS.get(options.preset, {}), **{k: v for k, v in vars(options).items() if v is not None}}
    assert {name: given[name] for name in PRESETS[preset]} == PRESETS[preset]
    assert said["step"] == PRESETS[preset]["iterations"] and 3 < said["test_bits_per_dim"] < 8
    _, words = presets.result(preset)
    assert [float(each) for each in re.findall(r" (\d+\.\d+) ", words)] == pytest.approx(
        [said["cpu_seconds"] / 60, said["test_bits_per_dim"]], abs=0.051
    )
    names = ("size", "size", "levels", "steps", "width", "iterations", "batch")
    numbers = re.findall(r"(?<![\w])[\d,]*\d", presets.settings_in_words(preset))
    assert [int(number.replace(",", "")) for number in numbers] == [PRESETS[preset][name] for name in names]


# ---------------------------------------------------------------------- starting


@pytest.mark.parametrize("preset", ["minute", "quarter-hour"])
def test_a_preset_starts_what_the_command_line_would(calls: list[tuple[object, ...]], preset: str) -> None:
    at = open_train()
    at.selectbox(key="train-order").set_value("last")
    at.selectbox(key="train-weights").set_value("none")
    at.selectbox(key="train-data").set_value("photos32").run()
    at.button(key=f"start-{preset}").click().run()
    assert not at.exception and not at.error
    ((_, recipe, device, command),) = calls
    options = cli.build_parser().parse_args(shlex.split(command)[3:])
    made, _ = train_command._new_recipe(given(options, *train_command._OF_A_NEW_RUN), strict=False)
    assert made == recipe and options.device == device == "cpu"
    assert (recipe.flow.split, recipe.flow.init, recipe.data) == ("last", "random", "photos32")
    assert recipe.iterations == PRESETS[preset]["iterations"]
    (run,) = (run for run in all_runs(runs_root()) if run.config()[1] == command)
    assert url(at)["run"] == run.path.name


@pytest.mark.slow
def test_a_second_start_is_refused_with_a_sentence_and_changes_nothing(
    held: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        raise RunError(f"Run {held.title} is training (step 5 of 100) on cpu already: pause or stop it first.")

    monkeypatch.setattr(worker, "start", start)
    before = held.status()
    at = open_train()
    at.button(key="start-minute").click().run()
    assert "on cpu already" in at.error[0].value and not at.exception
    assert held.status() == before and all_runs(runs_root()) == [held]
    monkeypatch.setattr(control, "FRESH_S", 0.0)
    at.run()
    assert not at.error


# ---------------------------------------------------------------------- watching


def test_a_run_that_trains_can_be_paused_and_stopped_and_not_deleted(
    held: RunDirectory, calls: list[tuple[object, ...]]
) -> None:
    trained_run(6)  # begun later
    at = open_train()
    assert not at.exception and not at.error and at.selectbox(key="run").value == held.path.name
    assert "MiB of memory so far" in sentences(at)
    recorded, bits = [(r["step"], r["probe_bits_per_dim"]) for r in held.records() if "levels" in r][-1]
    assert f"Step 22 of 100: {bits:.3f} bits per value on some test images, " in sentences(at)
    assert recorded == 22 and "Means over channels at the newest record:" in sentences(at)
    assert {"Pause", "Stop"} <= labels(at) and "Resume" not in labels(at)
    assert charts(at) == 2  # the curves, and the one level that splits
    at.button(key=f"pause-{held.path.name}").click().run()
    at.button(key=f"stop-{held.path.name}").click().run()
    assert calls == [("ask", held, True), ("ask", held, False)]


def test_a_frozen_run_is_reported_and_can_be_killed(held: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(worker, "kill", killed.append)
    assert not open_train().warning
    long_ago = time.time() - 40
    os.utime(held.path / "status.json", (long_ago, long_ago))
    at = open_train()
    silent = re.match(r"No word for (\d+) s: the process hangs", at.warning[0].value)
    assert silent and 40 <= int(silent[1]) <= time.time() - long_ago + 1  # it is rounded
    assert {"Stop", "Kill"} <= labels(at)
    at.button(key=f"kill-{held.path.name}").click().run()
    assert killed == [held]


def test_a_run_that_ended_opens_in_every_page_and_gets_another_name() -> None:
    run = trained_run(6)
    at = open_train(data="photos32")
    assert not at.exception and not at.error
    assert "Step 6 of 6" in sentences(at)
    samples = at.select_slider(key=f"samples-{run.path.name}")
    assert not samples.set_value(samples.options[0]).run().exception and any(
        "at step 0," in each.proto.body for each in at.get("html")
    )
    digest = hashlib.sha256(run.last_checkpoint.read_bytes()).hexdigest()[:12]
    links = [link.proto for link in at.get("page_link") if f"ck={digest}" in link.proto.query_string]
    assert {"Levels", "latents", "weights"} & {link.page for link in links} or len(links) > 4
    # The data set is the flow's own, not that of the page before.
    assert not any("data=" in link.query_string for link in links)
    assert not {"Pause", "Stop", "Resume"} & labels(at)
    at.text_input(key=f"title-{run.path.name}").set_value("mine").run()
    assert not at.exception and run.title == "mine" == at.selectbox(key="run").options[0]


def test_a_run_in_training_opens_on_other_pages_as_it_was_saved_last(held: RunDirectory) -> None:
    at = open_train()
    assert "Open it as it is now in" in sentences(at)
    assert {"Levels", "Latents", "Shuffle", "Weights"} <= labels(at)
    at.button(key="open-Latents").click().run()
    assert not at.exception
    key = url(at)["ck"]
    assert at.title[0].value.startswith("What does each level")
    held.last_checkpoint.unlink()  # the next save would replace it: the copy stays
    assert not at.run().error and url(at)["ck"] == key


def test_settings_of_ones_own_and_what_is_typed_just_before_the_click_reach_the_recipe(
    calls: list[tuple[object, ...]],
) -> None:
    numbers = {"levels": 3, "steps": 2, "width": 8, "iterations": 77, "batch": 16}
    choices = {"train-order": "variance", "train-weights": "none", "own-partition": "random", "own-keep": 0.25}
    at = open_train()
    for name, value in numbers.items():
        at.number_input(key=f"own-{name}").set_value(value)
    for key, value in {**choices, "own-prior": "standard"}.items():
        at.selectbox(key=key).set_value(value)
    at.button(key="start-own").click().run()  # all of it arrives with the click, and is drawn after it
    assert not at.exception and not at.error
    (_, recipe, _, command) = calls[0]
    made = {**vars(recipe.flow), **vars(recipe)}
    assert {name: made[name] for name in numbers} == numbers
    flow = recipe.flow
    assert (flow.shape, flow.prior, flow.order, flow.weights, flow.init, flow.partition, flow.keep) == (
        (3, 16, 16), "standard", "variance", "none", "principal", "random", 0.25
    )  # fmt: skip
    assert "--order variance --weights none" in command and "--keep 0.25" in command


def test_every_control_is_of_a_field_of_the_recipe() -> None:
    fields = {field.name for kind in (FlowConfig, Recipe) for field in dataclasses.fields(kind)}
    assert {name for controls in new_run.CONTROLS for name in controls} <= {"size", *fields}


@pytest.mark.slow
def test_the_commands_shown_are_those_that_train_the_same_and_go_on(
    calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run(6, stop_at=2)
    at = open_train()
    shown = next(code.value for code in at.code if "--resume" in code.value)
    assert shown == f"{run.config()[1]}\npython -m eiwflow train --resume {run.path}"
    # The tests' images lie in no file that a recipe could name.
    monkeypatch.setattr("eiwflow.training.trainer.load_data", lambda recipe, *_: tiny_data())
    names: dict[str, object] = {}
    exec(next(code.value for code in at.code if "import train" in code.value), names)
    again = names["run"]
    assert isinstance(again, RunDirectory) and again.path != run.path
    assert again.config()[0] == run.config()[0] and again.status()["step"] == 6


# ---------------------------------------------------------------------- keeping


@pytest.mark.slow
def test_deleting_asks_first() -> None:
    doomed, other = trained_run(6), trained_run(6, seed=1)
    at = open_train(run=doomed.path.name)
    assert "This cannot be undone." in sentences(at)
    assert {run.path for run in all_runs(runs_root())} == {doomed.path, other.path}
    at.button(key=f"delete-{doomed.path.name}").click().run()
    # A second click on the same button is for nothing: the one that took its place is another's.
    assert [button.key for button in at.button if "delete" in button.key] == [f"delete-{other.path.name}"]
    assert not at.exception and all_runs(runs_root()) == [other]
    assert at.selectbox(key="run").value == other.path.name


# ---------------------------------------------------------------------- what visitors may read and start


@pytest.mark.parametrize("kind", ["a file", "a folder", "nothing", "a link out", "dots out"])
def test_a_path_outside_of_the_allowed_folders_is_refused_without_a_word_on_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "family-name.png").write_bytes(b"no picture")
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setenv("EIWFLOW_DATA_ROOTS", str(tmp_path / "allowed"))
    path = {
        "a file": tmp_path / "secret" / "family-name.png", "a folder": tmp_path / "secret",
        "nothing": tmp_path / "nothing", "a link out": tmp_path / "allowed" / "link",
        "dots out": f"{tmp_path}/allowed/../secret",
    }[kind]  # fmt: skip
    with pytest.raises(DataError, match=r"^This server reads no images there\. EIWFLOW_DATA_ROOTS names") as refused:
        presets.recipe(str(path), 16, {"levels": 2, "steps": 1, "width": 8}, {})
    assert "family" not in str(refused.value) and "secret" not in str(refused.value)
