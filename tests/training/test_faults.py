"""Whatever is killed, full, read-only or deleted: nothing that was saved is lost, and what is said is true.

The long form kills server and worker in a hundred rounds: EIWFLOW_TESTS=long pytest tests/training.
"""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from eiwflow.checkpoint import load
from eiwflow.training import process, worker
from eiwflow.training.run_directory import all_runs

from .. import LONG
from .processes import PATIENCE_S, begun, ended, work
from .test_resume import assert_same_run
from .tiny import tiny_recipe, tiny_run, write_npz

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
        code = process.main(arguments)
    finally:
        os._exit(code)


def serve(runs, data, pids, iterations):
    """Be a server whose visitor starts a run, or goes on with the one that is there, and looks on."""
    process.start = lambda module, arguments, said: fork_worker(pids, [module, *arguments])
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
