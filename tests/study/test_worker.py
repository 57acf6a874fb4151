"""A study beside the app: one at a time on the CPU, and it outlives whoever started it."""

import json
import os
import signal
import threading
import time

import pytest
from eiwflow.training.study import lock_file, process_file, request_file
from eiwflow.training.study_recipe import StudyRecipe
from filelock import FileLock

from eiwflow.training import lock, process, study_worker
from eiwflow.training.run import RunError

from .tiny import write_npz


@pytest.fixture
def recipe(tmp_path):
    """Return a study of 24 short runs."""
    tiny = {"levels": 2, "steps": 1, "width": 8, "size": 8, "batch": 8, "iterations": 60, "seeds": 12}
    return StudyRecipe(data=str(write_npz(tmp_path / "planes.npz")), splits=("static-last", "weighted"), **tiny)


@pytest.fixture
def out(tmp_path):
    """Return the file of a study; whatever works on it is ended with the test."""
    path = tmp_path / "runs" / "studies" / "mine.json"
    yield path
    study_worker.stop(path)


def results(out):
    return json.loads(out.read_bytes())["results"] if out.exists() else []


def until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def test_a_study_that_was_started_is_alive_can_be_ended_and_goes_on(recipe, out):
    assert not study_worker.alive(out)
    study_worker.start(recipe, out)
    assert study_worker.alive(out)
    with pytest.raises(RunError, match="The CPU is taken"):
        study_worker.start(recipe, out.with_name("other.json"))
    assert not out.with_name("other.json").exists()
    until(lambda: len(results(out)) >= 2)
    study_worker.stop(out)
    until(lambda: not study_worker.alive(out))
    kept = results(out)
    assert 2 <= len(kept) < 24
    assert study_worker.complaint(out) == ""
    study_worker.start(recipe, out)
    until(lambda: len(results(out)) == 24)
    assert results(out)[: len(kept)] == kept
    until(lambda: not study_worker.alive(out))
    until(lambda: not lock.held(lock.of_device(out.parent.parent, "cpu")))


def test_of_two_who_start_a_study_at_once_one_does_and_the_log_stays_his(recipe, out):
    said = []

    def start():
        try:
            study_worker.start(recipe, out)
            said.append("started")
        except RunError as error:
            said.append(str(error))

    both = [threading.Thread(target=start) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(word[:15] for word in said) == ["The CPU is take", "started"]
    study_worker.stop(out)
    until(lambda: not study_worker.alive(out))
    assert study_worker.complaint(out) == ""


def test_a_killed_study_leaves_no_lock(recipe, out):
    study_worker.start(recipe, out)
    os.kill(json.loads(process_file(out).read_text())["pid"], signal.SIGKILL)
    until(lambda: not study_worker.alive(out))
    until(lambda: not lock.held(lock.of_device(out.parent.parent, "cpu")))
    study_worker.start(recipe, out)
    assert study_worker.alive(out)


def test_a_study_that_cannot_be_run_says_why(recipe, out):
    gone = StudyRecipe.from_dict({**recipe.to_dict(), "data": "/nowhere/at/all.npz"})
    with pytest.raises(RunError, match=r"'/nowhere/at/all\.npz' is neither one of"):
        study_worker.start(gone, out)
    assert not out.exists()


def test_a_run_from_the_page_keeps_the_cpu(recipe, out):
    out.parent.mkdir(parents=True)
    with (
        lock.of_device(out.parent.parent, "cpu"),
        pytest.raises(RunError, match="The CPU is taken by a run or a study"),
    ):
        study_worker.start(recipe, out)
    assert not out.exists()


def test_to_stop_what_is_not_at_work_ends_nobody(out):
    out.parent.mkdir(parents=True)
    process_file(out).write_text(json.dumps(process.identity()))
    study_worker.stop(out)
    assert not request_file(out).exists()


def test_a_number_in_a_lock_file_is_never_signalled(out, monkeypatch):
    """The lock may be held by a process of another container, or the file may say 0: this process' whole group."""
    out.parent.mkdir(parents=True)
    for known in ("0", json.dumps({**process.identity(), "pid": 0}), json.dumps(process.identity() | {"boot": "-"})):
        with FileLock(lock_file(out)):
            lock_file(out).write_text("0")
            process_file(out).write_text(known)
            long_ago = time.time() - 1000
            os.utime(process_file(out), (long_ago, long_ago))
            study_worker.stop(out)
            with pytest.raises(RunError, match="is not touched from here"):
                study_worker.kill(out)
        assert request_file(out).exists()
        request_file(out).unlink()


def test_a_frozen_study_is_reported_and_can_be_killed(recipe, out, monkeypatch):
    study_worker.start(recipe, out)
    pid = json.loads(process_file(out).read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(RunError, match="answers: use Stop"):
        study_worker.kill(out)
    long_ago = time.time() - 40
    os.utime(process_file(out), (long_ago, long_ago))
    assert 39 < study_worker.silent_s(out) < 60
    study_worker.stop(out)
    assert study_worker.alive(out)  # it cannot hear
    study_worker.kill(out)
    until(lambda: not study_worker.alive(out))
    assert study_worker.silent_s(out) == 0
    study_worker.start(recipe, out)
    assert study_worker.alive(out) and not request_file(out).exists()
