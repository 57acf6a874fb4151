"""A training started by the app: a process that outlives the page, the server and the visitor.

The page starts it, reads the run directory, and writes requests there. They communicate in no other way.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from . import process

if TYPE_CHECKING:
    from .recipe import Recipe
    from .run_directory import RunDirectory, WorkFolder

#: Seconds in which a worker must take its locks, which it does before it imports torch, also on a busy machine.
START_S = 30.0
#: Seconds between two writings of its status.
HEARTBEAT_S = 1.0
WRONG_INPUT = 2


# ---------------------------------------------------------------------- the page's side


def start(recipe: Recipe, root: Path, device: str, threads: int, command: str) -> RunDirectory:
    """Start a new run in a process of its own and return its directory, once that process holds the device.

    Arguments:
        recipe: of the training.
        root: the folder that holds the runs.
        device: as in :func:`~eiwflow.training.trainer.choose_device`.
        threads: CPU threads.
        command: the equivalent command line.

    """
    from .run_directory import RunDirectory, RunError

    with one_at_a_time(root, device):
        run = RunDirectory.create(root, recipe, command)
        try:
            spawn(run, device, threads)
        except RunError:
            run.delete()
            raise
    return run


def resume(run: WorkFolder, device: str, threads: int) -> None:
    """Resume a run or a study that is at rest or has crashed."""
    run.check_room()
    with one_at_a_time(run.root, device):
        spawn(run, device, threads)


def ask(run: WorkFolder, to_pause: bool = False) -> None:
    """Ask a run to finish its step, save, and end as "stopped", or as "paused"."""
    from .run_directory import RunError

    state = run.state()
    if not state.alive:
        raise RunError(f"{run.KIND} {run.title} is {state.name}: nothing is at work.")
    try:
        run.ask("pause" if to_pause else "stop")
    except OSError as error:
        raise RunError(
            f"{run.KIND} {run.title} cannot be asked: its directory is not writable ({error.strerror})."
        ) from None


def kill(run: WorkFolder) -> None:
    """Kill the process of a run or a study that gives no sign of life; its last save stays."""
    from .run_directory import RunError

    state = run.state()
    if not state.frozen:
        raise RunError(f"{run.KIND} {run.title} is {state.name} and answers: use Stop.")
    try:
        process.kill(run.status().get("process"))
    except process.NotThatProcess as error:
        raise RunError(f"The process of {run.KIND.lower()} {run.title} {error}: it is not touched from here.") from None


def device_of(run: WorkFolder) -> str | None:
    """Return the device on which a page last started this run; None if no page did."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return str(json.loads((run.path / "worker.json").read_bytes())["device"])
    return None


@contextmanager
def one_at_a_time(root: Path, device: str) -> Iterator[None]:
    """Let one visitor at a time start a worker, on a free device."""
    from .run_directory import DeviceTaken, RunError

    try:
        root.mkdir(parents=True, exist_ok=True)
        starting = process.starting_lock(root)
        free = process.take(starting, START_S)
    except OSError as error:
        raise RunError(f"The run directory {str(root)[:200]} cannot be written ({error.strerror}).") from None
    if not free and not Path(starting.lock_file).exists():  # in a folder that cannot be written, no lock is ever free
        raise RunError(f"The run directory {str(root)[:200]} cannot be written; let EIWFLOW_RUNS name another folder.")
    if not free:
        raise DeviceTaken("Another run is just being started: try again in a moment.")
    try:
        end = time.monotonic() + START_S
        while process.held(process.device_lock(root, device)):
            occupant = _occupant(root, device)
            if occupant is not None or time.monotonic() > end:
                who = occupant or "Another run is training"
                raise DeviceTaken(f"{who} on {device} already: pause or stop it first, or wait for it.")
            time.sleep(0.02)  # its final state is written, so it is about to end
        yield
    finally:
        starting.release()


def _occupant(root: Path, device: str) -> str | None:
    """Return the beginning of a sentence about the work on a device; None if it is unknown."""
    from .run_directory import STUDIES, WorkFolder, all_runs

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
    from .run_directory import RunError

    arguments = [str(run.path.resolve()), "--device", device, "--threads", str(threads)]
    arguments += ["--root", str(run.root.resolve())]
    started = None
    with run.held():
        run.forget_asked()
        step = run.state().step
        try:
            with open(run.path / "log.txt", "ab") as log:
                started = process.start(run.WORKER, arguments, log)
            files.write_atomically(
                run.path / "worker.json", json.dumps({"device": device, "threads": threads}).encode()
            )
            run.set_status("starting", step, pid=started.pid)
        except OSError as error:
            if started is not None:
                started.kill()
            raise RunError(f"The training process cannot be started ({error.strerror}).") from None
        process.wait_until(partial(process.held, process.device_lock(run.root, device)), started, START_S)
    process.wait_until(partial(process.held, process.run_lock(run.path)), started, START_S)


# ---------------------------------------------------------------------- the worker's side


def main(arguments: Sequence[str] | None = None, work: Callable[[argparse.Namespace], int] | None = None) -> int:
    """Train a run directory; return 0, 1 (the training failed; its status says why) or 2 (it cannot be trained).

    Args:
        arguments: of the command line.
        work: to do in the folder instead of a training, once this process holds it.

    """
    parser = argparse.ArgumentParser(prog="python -m eiwflow.training.worker", description=main.__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--root", type=Path, help="the folder of the runs that share devices (default: the run's)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    # Signals wait until the loop can handle them: before that, there is nothing to save.
    with suppress(AttributeError):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    of_device = process.device_lock(options.root or options.run.parent, options.device)
    of_run = process.run_lock(options.run)
    if not (process.take(of_device) and process.take(of_run, START_S)):
        print(f"Another process trains on {options.device}, or this run.", flush=True)
        return WRONG_INPUT
    try:
        return (work or _work)(options)
    finally:
        of_run.release()
        of_device.release()


def _work(options: argparse.Namespace) -> int:
    import torch

    from ..flow import ConfigError
    from .failures import TrainingFailed
    from .run import train
    from .run_directory import RunDirectory, RunError
    from .trainer import choose_device

    torch.set_num_threads(options.threads)
    run, last = RunDirectory.open(options.run), time.monotonic()

    def heartbeat(step: int, bits: float) -> None:
        nonlocal last
        if time.monotonic() - last > HEARTBEAT_S:
            run.set_status("running", step)
            run.bound_log()
            last = time.monotonic()

    try:
        train(run, device=choose_device(options.device), progress=heartbeat)
    except TrainingFailed:
        return 1
    except (ConfigError, RunError) as error:
        run.log(str(error))
        run.set_status("failed", run.state().step, str(error), "Start a new run.")
        return WRONG_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
