"""Whatever is killed, full, read-only or deleted: nothing that was saved is lost, and what is said is true.

The long form kills server and worker in a hundred rounds: EIWFLOW_TESTS=long pytest tests/training.
"""

import errno
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from eiwflow import files
from eiwflow.checkpoint import load
from eiwflow.training import process, worker
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, RunError, all_runs

from .. import LONG
from .processes import PATIENCE_S, begun, ended, work
from .test_resume import assert_same_run, signalled_at
from .tiny import tiny_data, tiny_recipe, tiny_run, write_npz

ROUNDS = 100 if LONG else 4
#: A forked worker that has not said its number by then was never born: its server died before.
BIRTH_S = 3.0


class Forked:
    """A worker in a session of its own, as :func:`process.start` makes one, that need not import torch again."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def kill(self):
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def fork_worker(folder, arguments):
    unborn = folder / f"unborn-{os.getpid()}"
    unborn.touch()
    if pid := os.fork():
        return Forked(pid)
    os.setsid()
    unborn.rename(folder / str(os.getpid()))
    code = 1
    try:
        code = worker.main(arguments)
    finally:
        os._exit(code)


def serve(runs, data, pids, iterations):
    """Be a server whose visitor starts a run, or goes on with the one that is there, and looks on."""
    process.start = lambda module, arguments, said: fork_worker(pids, arguments)
    # A forked child of a process that has worked with threads may hang: this one has not.
    found = [run for run in all_runs(runs) if run.state().name != "finished"]
    if found:
        worker.resume(found[0], "cpu", 1)
    else:
        worker.start(tiny_recipe(iterations=iterations, data=data), runs, "cpu", 1, "python -m eiwflow train")
    while True:
        assert [(run.state(), run.records()) for run in all_runs(runs)]
        time.sleep(0.01)


def is_over(pid):
    """Return whether a killed process is gone: a thread that outlives the first one still holds the files and locks."""
    return " Z " in Path("/proc", pid, "stat").read_text() and len(os.listdir(f"/proc/{pid}/task")) == 1


def killed(pids):
    """Kill every worker that is left, and wait for its end; one that is just being born is waited for."""
    end = time.monotonic() + BIRTH_S
    while any(pids.glob("unborn-*")) and time.monotonic() < end:
        time.sleep(0.01)
    for path in pids.iterdir():
        with suppress(ProcessLookupError, FileNotFoundError):
            if path.name.isdigit():
                os.kill(int(path.name), signal.SIGKILL)
                while not is_over(path.name):
                    time.sleep(0.001)
        path.unlink(missing_ok=True)  # born at this moment


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs to see when a process that is not its child has ended")
def test_server_and_worker_killed_at_random_moments_lose_nothing_that_was_saved(tmp_path):
    """Both die at moments of their own, in either order; who comes back goes on, to the numbers of one never killed."""
    iterations, data = 12, str(write_npz(tmp_path / "planes.npz"))
    runs, pids, chance = tmp_path / "runs", tmp_path / "pids", random.Random(0)
    pids.mkdir()
    whole = tiny_run(tmp_path / "whole", iterations=iterations, data=data)
    assert ended(begun(work, str(whole.path))) == 0  # the first of all waits for torch
    began, server = time.monotonic(), begun(serve, tmp_path / "timed", data, pids, iterations)
    while not [run for run in all_runs(tmp_path / "timed") if run.state().name == "finished"]:
        assert server.exitcode is None and time.monotonic() < began + PATIENCE_S
        time.sleep(0.01)
    seconds = time.monotonic() - began
    server.kill()
    killed(pids)
    saved, resumed, rounds = {}, 0, 0
    while rounds < ROUNDS or not resumed:
        assert rounds < 25 * ROUNDS, "no round ended between a save and the end of a run"
        rounds += 1
        before = sum(step or 0 for step in saved.values())
        server = begun(serve, runs, data, pids, iterations)
        first, second = sorted(chance.uniform(0, seconds) for _ in range(2))
        server_first = chance.random() < 0.5
        server.join(first)
        assert server.exitcode is None, "the server ended by itself"
        if not server_first:
            killed(pids)
            time.sleep(second - first)
        server.kill()
        assert ended(server) == -signal.SIGKILL
        if server_first:
            time.sleep(second - first)
        killed(pids)
        for run in all_runs(runs):
            state, step = run.state(), run.saved_step()
            assert state.name in ("crashed", "finished") and not state.alive
            assert (step or 0) >= (saved.get(run.path) or 0), "a save was lost"
            if state.name == "crashed" and step is not None:
                assert f"the last save is of step {step}." in state.message
            if step is not None:
                assert load(run.last_checkpoint).info.step >= (saved.get(run.path) or 0)
            resumed += bool(step) and step < iterations
            saved[run.path] = step
            assert not any(process.held(one) for one in (process.run_lock(run.path), process.device_lock(runs, "cpu")))
        assert not process.held(process.starting_lock(runs))
        # The machine may be busier or quieter than when it was timed.
        if before == (now := sum(step or 0 for step in saved.values())):
            seconds *= 1.25
        elif now % iterations == 0:
            seconds *= 0.8
    for run in all_runs(runs):
        if run.state().name != "finished":
            assert ended(begun(work, str(run.path))) == 0
        assert_same_run(run, whole)
        assert not [path.name for path in run.path.rglob(".*")]


# ---------------------------------------------------------------------- two servers


def start_into(runs, data, pids, said):
    process.start = lambda module, arguments, log: fork_worker(pids, arguments)
    try:
        run = worker.start(tiny_recipe(iterations=100_000, data=data), runs, "cpu", 1, "")
        said.write_text(f"started {run.path.name}")
    except RunError as error:
        said.write_text(str(error))
    sys.stdout.flush()


@pytest.mark.slow
def test_two_servers_on_one_folder_start_one_run_and_both_see_it(tmp_path):
    data, runs, pids = str(write_npz(tmp_path / "planes.npz")), tmp_path / "runs", tmp_path / "pids"
    pids.mkdir()
    servers = [begun(start_into, runs, data, pids, tmp_path / f"said-{number}") for number in range(2)]
    assert [ended(server) for server in servers] == [0, 0]
    said = sorted((tmp_path / f"said-{number}").read_text() for number in range(2))
    assert "on cpu already: pause or stop it first" in said[0] and said[1].startswith("started ")
    (run,) = all_runs(runs)
    assert run.state().alive and said[1].endswith(run.path.name)
    with pytest.raises(RunError, match="is being trained by another process"):
        run.delete()
    worker.ask(run)
    end = time.monotonic() + PATIENCE_S
    while run.state().alive:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert run.state().name == "stopped" and load(run.last_checkpoint).info.step == run.saved_step()


# ---------------------------------------------------------------------- a folder that cannot be written


@pytest.fixture
def read_only(monkeypatch):
    """Make a folder read-only for everybody, root too: opening, making and moving there fails as on such a disk."""

    def refuse(folder):
        def guarded(call, writes):
            def guard(path, *arguments, **more):
                if writes(*arguments, **more) and Path(os.fsdecode(path)).is_relative_to(folder):
                    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
                return call(path, *arguments, **more)

            return guard

        def opens_to_write(flags, *_, **__):
            return flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)

        monkeypatch.setattr("builtins.open", guarded(open, lambda mode="r", *_, **__: set(mode) & set("wax+")))
        monkeypatch.setattr(os, "open", guarded(os.open, opens_to_write))
        for name in ("mkdir", "replace", "unlink", "rename", "rmdir"):
            monkeypatch.setattr(os, name, guarded(getattr(os, name), lambda *_, **__: True))

    return refuse


def test_a_read_only_folder_is_looked_at_and_every_change_is_a_sentence(tmp_path, read_only):
    runs = tmp_path / "runs"
    run = tiny_run(runs, iterations=6)
    train(run, images=tiny_data(), progress=signalled_at(3))
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    read_only(runs)
    assert [one.state().name for one in all_runs(runs)] == ["stopped"] and len(run.records()) == 4
    assert load(run.last_checkpoint).info.step == run.saved_step() == 3
    for change in (
        lambda: worker.start(tiny_recipe(), runs, "cpu", 1, ""),
        lambda: worker.resume(run, "cpu", 1),
        lambda: train(run, images=tiny_data()),
        lambda: run.rename("another"),
        run.delete,
    ):
        with pytest.raises(RunError, match=r"cannot be .+ \(Read-only file system\)\.$"):
            change()
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


def test_where_nothing_can_be_written_a_run_that_trains_is_not_called_crashed(tmp_path, read_only):
    """As another user sees it, or another machine on whose disk the folder is read-only."""
    run = tiny_run(tmp_path / "runs")
    run.set_status("running", 3)
    with run.held():
        read_only(tmp_path / "runs")
        assert run.state().name == "running"
    assert run.state().name == "crashed"


# ---------------------------------------------------------------------- a full disk


def test_a_run_that_finds_no_room_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)\.$"):
        RunDirectory.create(tmp_path / "runs", tiny_recipe(), "")
    assert not list((tmp_path / "runs").iterdir())


# ---------------------------------------------------------------------- the clock


@pytest.mark.slow
def test_a_clock_that_jumps_back_changes_nothing_but_the_clock(tmp_path, monkeypatch):
    whole, run = (tiny_run(tmp_path, iterations=9) for _ in range(2))
    train(whole, images=tiny_data())

    def jump(step, bits):
        if step == 3:
            monkeypatch.setattr(time, "time", lambda: now() - 1e6)
            monkeypatch.setattr(
                time, "strftime", lambda form, at=None: strftime(form, at or time.localtime(now() - 1e6))
            )
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    now, strftime = time.time, time.strftime
    train(run, images=tiny_data(), progress=jump)
    assert (run.state().name, run.state().step) == ("stopped", 6)
    later = tiny_run(tmp_path, iterations=9)
    assert {one.path for one in all_runs(tmp_path)} == {whole.path, run.path, later.path}
    train(run, images=tiny_data())
    assert run.state().name == "finished" and all(record["seconds"] >= 0 for record in run.records())
    assert_same_run(run, whole)


# ---------------------------------------------------------------------- a run that is gone


def test_a_run_deleted_while_it_is_looked_at_is_a_sentence(tmp_path):
    run = tiny_run(tmp_path, iterations=3)
    train(run, images=tiny_data())
    run.delete()
    assert not run.state().alive and run.records() == [] and run.log_end() == "" and run.saved_step() is None
    for look in (run.config, run.delete, lambda: run.rename("another"), lambda: RunDirectory.open(run.path)):
        with pytest.raises(RunError, match=r"^.+\.$"):
            look()
    assert not list(tmp_path.iterdir())
