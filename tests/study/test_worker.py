"""A study beside the app: one at a time on the CPU, and it outlives whoever started it."""

import json
import os
import signal
import threading
import time

import pytest
from filelock import FileLock

from eiwflow.study import worker as study_worker
from eiwflow.study.recipe import Arm, StudyRecipe
from eiwflow.study.run import StudyFolder
from eiwflow.training import process, worker
from eiwflow.training.run_directory import RunError

from ..training.processes import start_forked
from ..training.tiny import write_npz
from .test_run import until


@pytest.fixture
def recipe(tmp_path):
    """Return a study of 4 short runs."""
    tiny = {"levels": 2, "steps": 1, "width": 8, "size": 8, "batch": 8, "iterations": 60, "seeds": 2}
    chosen = (Arm("variance"), Arm("entropy", "pooled"))
    return StudyRecipe(data=str(write_npz(tmp_path / "planes.npz")), arms=chosen, **tiny)


@pytest.fixture
def forked(monkeypatch):
    """Let workers be forked from a process that has torch already."""
    monkeypatch.setattr(process, "start", start_forked)


@pytest.fixture
def out(tmp_path):
    """Return the folder of a study; whatever works on it is ended with the test."""
    path = tmp_path / "runs" / "studies" / "mine"
    yield path
    if StudyFolder(path).is_held():
        StudyFolder(path).ask("stop")


def done(out):
    return len(list(out.glob("*/seed-*/result.json")))


def at_rest(out):
    return not StudyFolder(out).is_held()


@pytest.mark.slow
def test_a_study_that_was_started_is_alive_can_be_ended_and_goes_on(recipe, out, monkeypatch):
    study = study_worker.start(recipe, out)
    assert study.state().alive
    with pytest.raises(RunError, match="already"):
        study_worker.start(recipe, out.with_name("other"))
    assert not out.with_name("other").exists()
    until(lambda: list(out.glob("*/seed-*")))
    worker.ask(study)
    until(lambda: at_rest(out))
    assert done(out) < 4
    assert (study.state().name, study.state().message) == ("stopped", "")
    monkeypatch.setattr(process, "start", start_forked)
    study_worker.start(recipe, out)
    until(lambda: done(out) == 4)
    until(lambda: at_rest(out))
    assert study.state().name == "finished"
    until(lambda: not process.held(process.device_lock(out.parent.parent, "cpu")))


@pytest.mark.slow
def test_of_two_who_start_a_study_at_once_one_does(recipe, out, forked):
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
    assert said.count("started") == 1 and any("on cpu already" in word or "being started" in word for word in said)
    worker.ask(StudyFolder(out))
    until(lambda: at_rest(out))


@pytest.mark.slow
def test_a_killed_study_leaves_no_lock_and_says_what_is_kept(recipe, out, forked):
    study = study_worker.start(recipe, out)
    until(lambda: study.status().get("state") == "running")
    os.kill(study.status()["pid"], signal.SIGKILL)
    until(lambda: at_rest(out))
    until(lambda: not process.held(process.device_lock(out.parent.parent, "cpu")))
    assert study.state().name == "crashed" and "the runs that are done stay" in study.state().message
    assert study_worker.start(recipe, out).state().alive


@pytest.mark.slow
def test_a_study_that_cannot_be_run_says_why(recipe, out, forked):
    gone = StudyRecipe.from_dict({**recipe.to_dict(), "data": "/nowhere/at/all.npz"})
    study = study_worker.start(gone, out)
    until(lambda: study.state().name == "failed")
    assert "'/nowhere/at/all.npz' is neither one of" in study.state().message


def test_a_run_from_the_page_keeps_the_cpu(recipe, out, monkeypatch):
    monkeypatch.setattr(process, "START_S", 0.5)
    out.parent.mkdir(parents=True)
    with process.device_lock(out.parent.parent, "cpu"), pytest.raises(RunError, match="is training on cpu already"):
        study_worker.start(recipe, out)
    assert not out.exists()


def test_to_stop_what_is_not_at_work_is_refused(recipe, out):
    with pytest.raises(RunError, match="Study mine is stopped: nothing is at work"):
        worker.ask(StudyFolder(out))


def test_a_number_in_a_status_is_never_signalled(recipe, out):
    """The lock may be held by a process of another container, or the file may say 0: this process' whole group."""
    out.mkdir(parents=True)
    for known in (0, {**process.identity(), "pid": 0}, process.identity() | {"start": "-"}):
        with FileLock(out / "run.lock"):
            status = {"state": "running", "step": 0, "pid": 0, "process": known}
            (out / "status.json").write_text(json.dumps(status))
            long_ago = time.time() - 1000
            os.utime(out / "status.json", (long_ago, long_ago))
            with pytest.raises(RunError, match="is not touched from here"):
                worker.kill(StudyFolder(out))


@pytest.mark.slow
def test_a_frozen_study_is_reported_and_can_be_killed(recipe, out, forked):
    study = study_worker.start(recipe, out)
    until(lambda: study.status().get("state") == "running")
    os.kill(study.status()["pid"], signal.SIGSTOP)
    with pytest.raises(RunError, match="answers: use Stop"):
        worker.kill(study)
    long_ago = time.time() - 40
    os.utime(out / "status.json", (long_ago, long_ago))
    assert study.state().frozen
    worker.kill(study)
    until(lambda: at_rest(out))
    assert not study.state().alive
