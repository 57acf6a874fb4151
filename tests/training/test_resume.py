"""A run that was stopped or killed continues to the numbers of one that was not."""

import json
import os
import shutil
import signal
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
import safetensors.torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eiwflow.checkpoint import load
from eiwflow.training import run as run_module
from eiwflow.training import saves
from eiwflow.training.execution import Execution
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, RunError
from eiwflow.training.trainer import PAUSE, Trainer

from .tiny import labelled_data, numbers, same_tensors, tiny_data
from .tiny import tiny_run as any_run

#: Of few recorded steps: a run is stopped at one, and between two.
tiny_run = partial(any_run, recorded=4)
ITERATIONS = 9
#: A signal -> the state in which a run ends by it.
ENDED = {signal.SIGTERM: "stopped", PAUSE: "paused"}
ARMS = {
    "shuffle, in parts, AdamW": {"split": "entropy", "optimiser": "adamw", "accumulate": 2},
    "keep auto": {"split": "entropy+pooled", "keep": "auto"},
    "regularised, mirrored crops": {"split": "entropy+pooled", "divergence": 0.5, "flip": True, "size": 12},
    "labels": {"labels": "side", "classes": ("none", "left", "right"), "context": 3},
}


class Killed(BaseException):
    """Ends a run as SIGKILL would: nothing is saved any more."""


def killed_at(killing_step):
    def progress(step, bits):
        if step == killing_step:
            raise Killed

    return progress


def signalled_at(stopping_step, number=signal.SIGTERM):
    def progress(step, bits):
        if step == stopping_step:
            os.kill(os.getpid(), number)

    return progress


def state_of(run):
    """Return all that a run leaves, without the time it took."""
    return {
        "records": numbers(run.records()),
        "samples": {path.name: path.read_bytes() for path in run.samples.iterdir()},
        "metrics": numbers([load(run.last_checkpoint).info.metrics])[0],
    }


def assert_same_run(ours, theirs):
    resumed, whole = state_of(ours), state_of(theirs)
    assert resumed["records"] == whole["records"]
    assert resumed == whole
    for file in ("checkpoints/last.safetensors", "resume.safetensors"):
        assert same_tensors(*(safetensors.torch.load_file(run.path / file) for run in (ours, theirs)))


def test_a_trained_run_without_its_resume_file_is_refused_and_kept(tmp_path):
    """As a finished run of a study, or a copy without the large file: it began again, over its checkpoint."""
    run = tiny_run(tmp_path, iterations=4)
    train(run, images=tiny_data())
    config, before = (run.path / "config.json").read_bytes(), state_of(run)
    run.resume_file.unlink()
    missing = r"has taken 4 steps, and its resume\.safetensors is missing"
    with pytest.raises(RunError, match=missing):
        run.extend(9, "again")
    assert (run.path / "config.json").read_bytes() == config
    assert train(run, images=tiny_data()).step == 4  # it has reached its end
    longer = json.loads(config)
    longer["recipe"]["iterations"] = 9
    (run.path / "config.json").write_text(json.dumps(longer))
    with pytest.raises(RunError, match=missing):
        train(run, images=tiny_data())
    assert state_of(run) == before
    (run.path / "metrics.jsonl").unlink()
    with pytest.raises(RunError, match=missing):
        train(run, images=tiny_data())
    assert load(run.last_checkpoint).info.step == 4


@given(stopped=st.integers(1, ITERATIONS - 1), by=st.sampled_from(["kill", *ENDED]), every=st.integers(1, 4))
@settings(max_examples=4)
def test_a_run_that_ended_at_any_step_continues_to_the_same_numbers(whole_run, tmp_path_factory, stopped, by, every):
    whole, images, fields = whole_run
    run = tiny_run(tmp_path_factory.mktemp("stopped"), iterations=ITERATIONS, **fields)
    ending = killed_at(stopped) if by == "kill" else signalled_at(stopped, by)
    with pytest.raises(Killed) if by == "kill" else nullcontext():
        train(run, images=images, progress=ending, execution=Execution(save_every=every))
    assert run.state().name == ENDED.get(by, "crashed")
    train(run, images=images, execution=Execution(save_every=every))
    assert_same_run(run, whole)


@pytest.fixture(scope="module", params=ARMS.values(), ids=ARMS.keys())
def whole_run(request, tmp_path_factory):
    """A run that nothing has stopped, its images and the settings of its flow."""
    fields = {name: value for name, value in request.param.items() if name != "size"}
    run = tiny_run(tmp_path_factory.mktemp("whole"), iterations=ITERATIONS, **fields)
    images = (labelled_data if "labels" in fields else tiny_data)(size=request.param.get("size", 8))
    train(run, images=images)
    return run, images, fields


def test_a_stop_between_two_points_of_the_curve_loses_none_of_its_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "CURVE_POINTS", 2)
    whole, stopped = (tiny_run(tmp_path, recorded=2, iterations=7) for _ in range(2))
    train(whole, images=tiny_data())
    train(stopped, images=tiny_data(), progress=signalled_at(5))
    train(stopped, images=tiny_data())
    assert [record["step"] for record in stopped.records() if "bits_per_dim" in record] == [3, 6, 7]
    assert_same_run(stopped, whole)


def test_a_run_killed_between_its_last_scores_and_its_last_save_still_saves_them(tmp_path, monkeypatch):
    whole, killed = (tiny_run(tmp_path, iterations=3) for _ in range(2))
    train(whole, images=tiny_data())
    append = RunDirectory.append

    def append_and_die(run, record):
        append(run, record)
        if "test_bits_per_dim" in record:
            raise Killed

    monkeypatch.setattr(RunDirectory, "append", append_and_die)
    with pytest.raises(Killed):
        train(killed, images=tiny_data())
    monkeypatch.undo()
    assert killed.saved_step() == 3
    assert "test_bits_per_dim" not in load(killed.last_checkpoint).info.metrics
    train(killed, images=tiny_data())
    assert killed.status()["state"] == "finished"
    assert_same_run(killed, whole)


def test_records_are_on_disk_before_the_state_that_stands_after_them(tmp_path, monkeypatch):
    run = tiny_run(tmp_path, iterations=3)
    metrics, on_disk, checked = run.path / "metrics.jsonl", [0], []
    fsync, put = os.fsync, os.replace

    def syncing(descriptor):
        fsync(descriptor)
        if metrics.exists() and os.path.samestat(os.fstat(descriptor), metrics.stat()):
            on_disk.append(metrics.stat().st_size)

    def replacing(source, target):
        if target == run.resume_file:
            checked.append(on_disk[-1] == metrics.stat().st_size > 0)
        put(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    train(run, images=tiny_data())
    assert len(checked) >= 4 and all(checked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_step_and_then_means_what_it_meant(tmp_path, number):
    if number == signal.SIGINT:  # a program in the background ignores it
        signal.signal(number, signal.default_int_handler)
    before = signal.getsignal(number)
    run, seen = tiny_run(tmp_path, iterations=5), []

    def progress(step, bits):
        seen.append(step)
        signalled_at(2, number)(step, bits)

    with pytest.raises(KeyboardInterrupt) if number == signal.SIGINT else nullcontext():
        train(run, images=tiny_data(), progress=progress)
    assert seen == [1, 2]
    assert (run.state().name, run.saved_step()) == ("stopped", 2)
    assert signal.getsignal(number) is before


# ---------------------------------------------------------------------- resume files that do not belong


def resumable(folder, **fields):
    """Return a run that was stopped at step 2."""
    run = tiny_run(folder, iterations=4, **fields)
    train(run, images=tiny_data(), progress=signalled_at(2))
    return run


@pytest.fixture(scope="module")
def stopped_at_2(tmp_path_factory):
    """A run that was stopped at step 2, to be copied."""
    return resumable(tmp_path_factory.mktemp("stopped"))


@pytest.fixture
def run(stopped_at_2, tmp_path):
    """A copy of the run that was stopped at step 2."""
    return RunDirectory.open(shutil.copytree(stopped_at_2.path, tmp_path / stopped_at_2.path.name))


def rewritten(run, change=lambda tensors: tensors, **document):
    """Write the run's resume file anew, with other tensors or another document."""
    tensors = change(safetensors.torch.load_file(run.resume_file))
    metadata = {"resume": json.dumps({"step": 2, **document})}
    run.resume_file.write_bytes(safetensors.torch.save(tensors, metadata))


def without(part):
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


WRONG = {
    "no safetensors": lambda run: run.resume_file.write_bytes(b"PK\x03\x04" + bytes(100)),
    "cut short": lambda run: run.resume_file.write_bytes(run.resume_file.read_bytes()[:-9]),
    "a checkpoint": lambda run: shutil.copy(run.last_checkpoint, run.resume_file),
    "another flow's": lambda run: shutil.copy(
        resumable(run.path.parent / "b", width=12).resume_file, run.resume_file
    ),
    "a step beyond the last": lambda run: rewritten(run, step=5),
    "no average": lambda run: rewritten(run, without("average.")),
    "no moments": lambda run: rewritten(run, without("optimiser.")),
}  # fmt: skip


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG.keys())
def test_a_resume_file_that_does_not_belong_is_refused_and_nothing_is_changed(run, spoil):
    before, status = state_of(run), run.status()
    spoil(run)
    sentence = rf"^The resume\.safetensors of {run.path.name} does not belong to its config\.json\.$"
    with pytest.raises(RunError, match=sentence):
        train(run, images=tiny_data())
    assert state_of(run) == before
    assert run.status() == status


@pytest.mark.parametrize("other", ["train", "test", "fewer"])
def test_a_run_is_not_resumed_on_other_images(run, other):
    """A path in its config means another folder where the command is given from another one."""
    same, before, status = tiny_data(), state_of(run), run.status()
    images = {
        "train": replace(same, train=255 - same.train),
        "test": replace(same, test=255 - same.test),
        "fewer": replace(same, train=same.train[:-1]),
    }[other]
    with pytest.raises(
        RunError, match=rf"^{run.path.name} was begun on other images than planes now holds: .* new run"
    ):
        train(RunDirectory.open(run.path), images=images)
    assert state_of(run) == before and run.status() == status
    assert train(RunDirectory.open(run.path), images=same).step == 4


@pytest.mark.parametrize("arithmetic", [{}, {"arithmetic": 1}, {"arithmetic": saves.ARITHMETIC + 1}], ids=str)
def test_a_run_of_another_version_is_refused_and_nothing_is_changed(run, arithmetic):
    rewritten(run, **arithmetic)
    before, status = state_of(run), run.status()
    with pytest.raises(RunError, match=rf"^{run.path.name} was begun by another version of eiwflow, .* a new run\.$"):
        train(RunDirectory.open(run.path), images=tiny_data())
    assert state_of(run) == before
    assert run.status() == status
    digest = Trainer(run.config()[0], tiny_data()).images_digest
    rewritten(run, arithmetic=saves.ARITHMETIC, images=digest)
    assert train(RunDirectory.open(run.path), images=tiny_data()).step == 4
