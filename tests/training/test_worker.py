"""A training beside the app: whatever happens to it or around it, its run is found where it is."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import pytest

from eiwflow.training import process, worker
from eiwflow.training.run import train
from eiwflow.training.run_directory import MAX_TITLE, RunDirectory, RunError, all_runs
from eiwflow.training.trainer import Trainer

from .processes import PATIENCE_S, begun, ended, start_forked
from .test_resume import Killed, assert_same_run, killed_at, signalled_at
from .tiny import tiny_data, tiny_recipe, write_npz
from .tiny import tiny_run as any_run

ROOT = Path(__file__).resolve().parents[2]
#: Of few recorded steps.
tiny_run = partial(any_run, recorded=4)


@pytest.fixture
def data(tmp_path):
    """Return the path of a tiny data set: another process has to read it."""
    return str(write_npz(tmp_path / "planes.npz"))


@pytest.fixture
def started(monkeypatch):
    """Return a function that starts a run as the page does; what still trains when the test ends is killed."""
    monkeypatch.setattr(process, "start", start_forked)
    runs = []

    def start(root, **fields):
        runs.append(worker.start(tiny_recipe(**fields), root, "cpu", 1, "python -m eiwflow train"))
        return runs[-1]

    yield start
    for run in runs:
        if run.path.exists() and (state := run.state()).alive:
            os.kill(state.pid, signal.SIGKILL)


def until(run, wanted, patience_s=PATIENCE_S):
    """Wait until a run's state is one of those wanted; return it."""
    end = time.monotonic() + patience_s
    while (state := run.state()).name not in wanted:
        assert time.monotonic() < end, f"{state} {run.log_end()}"
        time.sleep(0.02)
    return state


def assert_no_lock_is_held(run, patience_s=0.0):
    """A process that was asked to end says so shortly before it has ended; one that was killed holds nothing."""
    end = time.monotonic() + patience_s
    locks = (
        process.run_lock(run.path),
        process.device_lock(run.path.parent, "cpu"),
        process.starting_lock(run.path.parent),
    )
    while held := [one.lock_file for one in locks if process.held(one)]:
        assert time.monotonic() < end, held
        time.sleep(0.02)


# ---------------------------------------------------------------------- killed


def test_a_killed_worker_reads_as_crashed_with_the_step_that_it_goes_on_from(tmp_path):
    run = any_run(tmp_path)
    with pytest.raises(Killed):
        train(run, images=tiny_data(), progress=killed_at(5))
    (run.path / "log.txt").write_text("Traceback\nMistake: of the program\n")
    state = run.state()
    assert (state.name, state.alive) == ("crashed", False)
    assert f"the last save is of step {run.saved_step()}." in state.message and run.saved_step() == 5
    assert "Resume" in state.advice
    assert run.log_end().endswith("Mistake: of the program") and run.log_end(1) == "Mistake: of the program"


@pytest.mark.slow
def test_a_run_outlives_the_server_and_has_the_threads_that_it_was_given(tmp_path, data):
    recipe = tiny_recipe(iterations=100_000, data=data).to_dict()
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import json, sys, time; from pathlib import Path; from eiwflow.training import recipe, worker\n"
            "made = recipe.Recipe.from_dict(json.loads(sys.argv[2]))\n"
            "worker.start(made, Path(sys.argv[1]), 'cpu', 3, ''); print('started', flush=True); time.sleep(600)",
            str(tmp_path / "runs"),
            json.dumps(recipe),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdout.readline() == b"started\n"
    os.killpg(server.pid, signal.SIGKILL)
    server.wait(PATIENCE_S)
    (run,) = all_runs(tmp_path / "runs")
    state = until(run, {"running"})
    assert os.getsid(state.pid) == state.pid != server.pid
    assert json.loads((run.path / "worker.json").read_text())["threads"] == 3
    if (command := Path(f"/proc/{state.pid}/cmdline")).exists():
        words = command.read_bytes().decode().split("\0")
        assert words[-2] == "3"
    step, end = len(run.records()), time.monotonic() + PATIENCE_S
    while len(run.records()) <= step:
        assert run.state().alive and time.monotonic() < end, run.log_end()
        time.sleep(0.02)
    worker.ask(run, to_pause=True)
    until(run, {"paused"})
    assert_no_lock_is_held(run, PATIENCE_S)


# ---------------------------------------------------------------------- asked


@pytest.mark.parametrize("asked", [["pause"], ["stop"], ["stop", "pause"], ["pause", "stop"]], ids=" ".join)
def test_a_run_ends_after_the_step_as_it_was_asked_to_and_stop_wins(tmp_path, asked):
    run = tiny_run(tmp_path, iterations=4)

    def ask(step, bits):
        for what in asked * (step == 2):
            worker.ask(run, to_pause=what == "pause")

    train(run, images=tiny_data(), progress=ask)
    state = "stopped" if "stop" in asked else "paused"
    assert (run.state().name, run.saved_step(), run.asked()) == (state, 2, "")


@pytest.mark.slow
def test_one_run_a_device_and_what_is_asked_before_the_first_step_is_not_lost(tmp_path, data, started):
    root = tmp_path / "runs"
    run = started(root, iterations=100_000, data=data, steps=8, width=512)  # it takes a while to its first step
    # Held where it is: two refusals may take longer than that.
    process = run.state().pid
    os.kill(process, signal.SIGSTOP)
    assert run.state().name == "starting"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "log.txt"}
    with pytest.raises(RunError, match=rf"^Run {run.title} is training .* on cpu already: pause or stop it first"):
        worker.start(tiny_recipe(data=data), root, "cpu", 1, "")
    with pytest.raises(RunError, match="on cpu already"):
        worker.resume(run, "cpu", 1)
    assert {path: path.read_bytes() for path in before} == before
    worker.ask(run)
    os.kill(process, signal.SIGCONT)
    state = until(run, {"stopped"})
    assert run.saved_step() == state.step == 0
    assert_no_lock_is_held(run, PATIENCE_S)
    assert worker.device_of(run) == "cpu"


@pytest.mark.slow
def test_a_frozen_worker_is_reported_and_can_be_killed(tmp_path, data, started):
    run = started(tmp_path / "runs", iterations=100_000, data=data)
    until(run, {"running"})
    with pytest.raises(RunError, match="is running and answers: use Stop"):
        worker.kill(run)
    os.kill(run.state().pid, signal.SIGSTOP)
    time.sleep(0.5)  # a word that it was just writing comes first
    long_ago = time.time() - 40
    os.utime(run.path / "status.json", (long_ago, long_ago))
    assert run.state().frozen and 39 < run.state().silent_s <= time.time() - long_ago
    worker.kill(run)
    state = until(run, {"crashed"})
    assert not state.frozen
    assert_no_lock_is_held(run, PATIENCE_S)


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"start": "1"}], ids=str)
def test_only_the_recorded_process_is_killed(tmp_path, change):
    run = tiny_run(tmp_path)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        # A number may be that of another process by now: where the system states it, the start tells them apart.
        assert not Path("/proc").is_dir() or process.identity()["start"] != process.identity(sleeper.pid)["start"]
        run.set_status("running", 1, pid=sleeper.pid)
        run.restore_status(run.status() | {"process": process.identity(sleeper.pid) | change})
        long_ago = time.time() - 40
        os.utime(run.path / "status.json", (long_ago, long_ago))
        with run.held(), pytest.raises(RunError, match="is not touched"):
            worker.kill(run)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_working_process_gives_signs_of_life(tmp_path):
    sign = tmp_path / "sign"
    sign.touch()
    os.utime(sign, (1, 1))
    with process.beating(sign):
        end = time.monotonic() + PATIENCE_S
        while sign.stat().st_mtime < 2:
            assert time.monotonic() < end
            time.sleep(0.02)


# ---------------------------------------------------------------------- the lock first, then the status


@pytest.mark.parametrize(
    "written", ["starting", "running", "paused", "stopped", "failed", "finished", "nonsense", None]
)
def test_state_is_the_lock_first_and_then_the_status(tmp_path, written):
    run = tiny_run(tmp_path)
    if written is None:
        (run.path / "status.json").unlink()
    else:
        run.set_status(written, 1)
    at_rest = written in ("paused", "stopped", "failed", "finished")
    assert run.state().name == (written if at_rest else "crashed")
    with run.held():
        expected = written if at_rest or written == "starting" else "running"
        assert run.state().name == expected


@pytest.mark.parametrize(("written", "old_s"), [("starting", 0), ("starting", process.SILENT_S + 1), ("running", 0)])
def test_a_run_whose_process_is_about_to_take_its_lock_has_not_crashed(tmp_path, written, old_s):
    """Its starter lets go of the run before the process has it: a page that looked then said that it had crashed."""
    run = tiny_run(tmp_path)
    run.set_status(written, 1)
    os.utime(run.path / "status.json", (time.time() - old_s,) * 2)
    begins = written == "starting" and not old_s
    with worker.one_at_a_time(tmp_path, "cpu"):
        assert run.state().name == ("starting" if begins else "crashed")
    assert run.state().name == "crashed"


@pytest.mark.parametrize("written", ["running", "finished"])
def test_a_run_at_work_is_frozen_after_half_a_minute_without_a_sign_of_life(tmp_path, written):
    run = tiny_run(tmp_path)
    run.set_status(written, 1)
    with run.held():
        for silent_s in (25, 35):
            os.utime(run.path / "status.json", (time.time() - silent_s,) * 2)
            assert run.state().frozen == (written == "running" and silent_s > 30)


@pytest.mark.slow
def test_two_processes_never_train_one_run(tmp_path):
    run = tiny_run(tmp_path, iterations=3)
    before = run.status()
    holder = begun(_hold, str(run.path), str(tmp_path / "held"))
    end = time.monotonic() + PATIENCE_S
    while not (tmp_path / "held").exists():
        assert holder.is_alive() and time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(RunError, match="is being trained by another process"):
        train(run, images=tiny_data())
    with pytest.raises(RunError, match="is being trained by another process"):
        run.delete()
    assert run.status() == before and not run.records()
    os.kill(holder.pid, signal.SIGKILL)
    ended(holder)
    train(run, images=tiny_data())


def _hold(path, sign):
    with RunDirectory(Path(path)).held():
        Path(sign).touch()
        time.sleep(600)


# ---------------------------------------------------------------------- what goes wrong


def test_a_mistake_of_the_program_is_not_called_a_failure_of_the_run(tmp_path, monkeypatch):
    run = tiny_run(tmp_path)
    monkeypatch.setattr(Trainer, "advance", lambda self: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(run, images=tiny_data())
    assert run.state().name == "crashed"


# ---------------------------------------------------------------------- what becomes of it


def test_an_exported_run_goes_on_elsewhere(tmp_path):
    whole, run = (tiny_run(tmp_path / "here", iterations=4) for _ in range(2))
    train(whole, images=tiny_data())
    train(run, images=tiny_data(), progress=signalled_at(2))
    (tmp_path / "run.zip").write_bytes(b"".join(run.zip_parts()))
    with zipfile.ZipFile(tmp_path / "run.zip") as file:
        # First, so that of a run under way no other file is older than it.
        assert file.namelist()[0] == f"{run.path.name}/resume.safetensors"
        assert not [name for name in file.namelist() if name.endswith(".lock")]
        file.extractall(tmp_path / "there")
    (moved,) = all_runs(tmp_path / "there")
    assert moved.state().name == "stopped"
    train(moved, images=tiny_data())
    assert_same_run(moved, whole)


def test_a_run_is_renamed_and_its_directory_is_not(tmp_path):
    run = tiny_run(tmp_path, split="variance-reversed+pooled")
    assert run.title.startswith("variance-reversed-pooled, ")
    run.rename("  my\nfirst  one ")
    assert run.title == "my first one" and RunDirectory.open(run.path).title == "my first one"
    with pytest.raises(RunError, match=f"has {MAX_TITLE + 1} characters; at most {MAX_TITLE}"):
        run.rename("a" * (MAX_TITLE + 1))
    assert run.title == "my first one"
    run.rename("")
    assert run.title.startswith("variance-reversed-pooled, ")


def test_a_deleted_run_is_gone_and_no_other(tmp_path):
    one, two = (tiny_run(tmp_path, iterations=2) for _ in range(2))
    train(one, images=tiny_data())
    one.delete()
    assert all_runs(tmp_path) == [two] and [path.name for path in tmp_path.iterdir()] == [two.path.name]
