"""A training started by the app: a process that outlives the page, the server and the visitor.

The page starts it, reads the run directory, and writes requests there. They communicate in no other way.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import torch

from .. import files
from ..flow import ConfigError
from . import process
from .execution import Execution, choose_device
from .failures import TrainingFailed
from .recipe import Recipe
from .run import train
from .run_directory import STUDIES, RunDirectory, RunError, WorkFolder, all_runs, holding

#: Seconds between two writings of its status.
HEARTBEAT_S = 1.0


# ---------------------------------------------------------------------- the page's side


def start(recipe: Recipe, root: Path, device: str, threads: int, command: str) -> RunDirectory:
    """Start a new run in a process of its own and return its directory, once that process holds the device.

    Arguments:
        recipe: of the training.
        root: the folder that holds the runs.
        device: as in :func:`~eiwflow.training.execution.choose_device`.
        threads: CPU threads.
        command: the equivalent command line.

    """
    with one_at_a_time(root, device):
        run = RunDirectory.create(root, recipe, command)
        try:
            spawn(run, device, threads)
        except (RunError, OSError):
            run.delete()
            raise
    return run


def resume(run: WorkFolder, device: str, threads: int) -> None:
    """Resume a run or a study that is at rest or has crashed."""
    with one_at_a_time(run.root, device):
        spawn(run, device, threads)


def ask(run: WorkFolder, to_pause: bool = False) -> None:
    """Ask a run to finish its step, save, and end as "stopped", or as "paused"."""
    state = run.state()
    if not state.alive:
        raise RunError(f"{run.KIND} {run.title} is {state.name}: nothing is at work.")
    run.ask("pause" if to_pause else "stop")


def kill(run: WorkFolder) -> None:
    """Kill the process of a run or a study that gives no sign of life; its last save stays."""
    state = run.state()
    if not state.frozen:
        raise RunError(f"{run.KIND} {run.title} is {state.name} and answers: use Stop.")
    # Another process may have got the number meanwhile.
    if run.status().get("process") != process.identity(state.pid):
        raise RunError(f"Process {state.pid} is not, or no longer, that of {run.title}: it is not touched from here.")
    os.kill(state.pid, signal.SIGKILL)


def device_of(run: WorkFolder) -> str | None:
    """Return the device on which a page last started this run; None if no page did."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return str(json.loads((run.path / "worker.json").read_bytes())["device"])
    return None


@contextmanager
def one_at_a_time(root: Path, device: str) -> Iterator[None]:
    """Let one visitor at a time start a worker, on a free device."""
    root.mkdir(parents=True, exist_ok=True)
    refusal = "Another run is just being started: try again in a moment."
    with holding(process.starting_lock(root), refusal, process.START_S):
        end = time.monotonic() + process.START_S
        while process.held(process.device_lock(root, device)):
            occupant = _occupant(root, device)
            if occupant is not None or time.monotonic() > end:
                who = occupant or "Another run is training"
                raise RunError(f"{who} on {device} already: pause or stop it first, or wait for it.")
            time.sleep(0.02)  # its final state is written, so it is about to end
        yield


def _occupant(root: Path, device: str) -> str | None:
    """Return the beginning of a sentence about the work on a device; None if it is unknown."""
    for path in files.entries(root / STUDIES):
        if path.is_dir() and device_of(study := WorkFolder(path)) == device and study.is_held():
            return f"The study {study.title} is being run"
    for run in all_runs(root):
        state = run.state()
        if state.alive and device_of(run) == device:
            return f"Run {run.title} is training (step {state.step:,} of {run.config()[0].iterations:,})"
    return None


def spawn(run: WorkFolder, device: str, threads: int) -> None:
    """Start the worker; return once it holds its device and then the run, which this process holds until then."""
    arguments = [str(run.path.resolve()), str(run.root.resolve()), device, str(threads)]
    with run.held():
        run.forget_asked()
        step = run.state().step
        files.write_atomically(run.path / "worker.json", json.dumps({"device": device, "threads": threads}).encode())
        with open(run.path / "log.txt", "ab") as log:
            started = process.start(run.WORKER, arguments, log)
        run.set_status("starting", step, pid=started.pid)
        process.wait_until(partial(process.held, process.device_lock(run.root, device)), started)
    process.wait_until(partial(process.held, process.run_lock(run.path)), started)


# ---------------------------------------------------------------------- the worker's side


def work(folder: Path, device: str, threads: int) -> int:
    """Train a run directory; return 0, 1 (the training failed; its status says why) or 2 (it cannot be trained)."""
    torch.set_num_threads(threads)
    run, last = RunDirectory.open(folder), time.monotonic()

    def heartbeat(step: int, bits: float) -> None:
        nonlocal last
        if time.monotonic() - last > HEARTBEAT_S:
            run.set_status("running", step)
            last = time.monotonic()

    try:
        train(run, progress=heartbeat, execution=Execution(choose_device(device)))
    except TrainingFailed:
        return 1
    except (ConfigError, RunError) as error:
        run.log(str(error))
        run.set_status("failed", run.state().step, str(error), "Start a new run.")
        return process.WRONG_INPUT
    return 0
