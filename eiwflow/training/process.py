"""Processes that train: the locks that they hold, their signs of life, and one that outlives the page.

The kernel frees a lock however its process ends, so a lock tells whether that process is alive. A process also touches
a file every second while it runs. A page asks it to stop by leaving another file; only a process that shows no sign of
life is ended by a signal.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

#: Seconds between two signs of life, and seconds without a sign of life after which a process is reported.
BEAT_S, SILENT_S = 1.0, 30.0
#: Seconds for which a process tries to take a lock: checking a lock holds it for an instant.
PATIENCE_S = 0.5
_GLANCE_S, _POLL_S = 0.03, 0.01
#: Seconds in which a new process must take its locks, also on a busy machine: it does so before it imports torch.
START_S = 30.0
#: Exit code of a command or a process that refuses its input.
WRONG_INPUT = 2
#: Folder of the package: the server's working folder may be another.
HOUSE = str(Path(__file__).resolve().parents[2])


# ---------------------------------------------------------------------- locks


def run_lock(run: Path) -> FileLock:
    """Return the lock of a run directory: held by the process that trains it, from a page or a terminal."""
    return FileLock(run / "run.lock", is_singleton=True)


def device_lock(root: Path, device: str) -> FileLock:
    """Return the lock of a device: held by the worker that a page started there, if any."""
    return FileLock(root / f".{device.replace(':', '-')}.lock")


def starting_lock(root: Path) -> FileLock:
    """Return the lock that lets one visitor at a time start a worker."""
    return FileLock(root / ".starting.lock")


def take(lock: FileLock, patience_s: float = PATIENCE_S) -> bool:
    """Take a lock unless another process holds it; return whether it was taken."""
    try:
        lock.acquire(timeout=patience_s, poll_interval=_POLL_S)
    except Timeout:
        return False
    return True


def held(lock: FileLock) -> bool:
    """Return whether a process holds the lock, without changing anything on disk."""
    path = Path(lock.lock_file)
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=_GLANCE_S, poll_interval=_POLL_S):
            return False
    except (Timeout, OSError):  # the lock is held, or another user's
        return True


# ---------------------------------------------------------------------- signs of life


def identity(pid: int | None = None) -> dict[str, Any]:
    """Return the identity of a process, by default of this one: its number, its machine, and its start if known."""
    pid = pid or os.getpid()
    return {"pid": pid, "host": socket.gethostname(), "start": _start(pid)}


def _start(pid: int) -> str | None:
    """Return the machine's boot and the process' start in ticks since then; None if the system does not state it."""
    with suppress(OSError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The command's name is in brackets, and may itself hold blanks and brackets.
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text(errors='replace').rpartition(')')[2].split()[19]}"
    return None


@contextmanager
def beating(sign: Path, each_beat: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Touch a file every :data:`BEAT_S` seconds while the block runs: other processes see that this one is at work.

    Arguments:
        sign: the file; a missing file is not created.
        each_beat: called at every touch.

    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            with suppress(OSError):
                os.utime(sign)
            each_beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# ---------------------------------------------------------------------- a process that outlives its parent


def start(module: str, arguments: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a process that runs :func:`main`, in a session of its own, and return it.

    Arguments:
        module: the dotted name of the module whose ``work`` it does.
        arguments: the others of its command line.
        output: the file that receives its output.

    """
    paths = filter(None, [HOUSE, os.environ.get("PYTHONPATH")])
    child = subprocess.Popen(
        # -P: Python imports no modules from the working folder
        [sys.executable, "-P", "-m", "eiwflow.training.process", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    # A thread waits for its end, or it stays a zombie.
    threading.Thread(target=child.wait, daemon=True).start()
    return child


def wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    """Wait until a new process is ready or has ended; kill it if it is too slow."""
    end = time.monotonic() + START_S
    while not ready() and child.returncode is None:
        if time.monotonic() > end:
            child.kill()
            return
        time.sleep(0.02)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do a module's ``work`` in a folder while this process holds the folder and a device; return its exit code.

    It is 2 if another process holds one of them. The module is imported once both are held.

    Args:
        arguments: module, folder, the folder of the runs that share devices, device, and CPU threads.

    """
    module, folder, root, device, threads = sys.argv[1:] if arguments is None else arguments
    # Signals wait until the loop can handle them: before that, there is nothing to save.
    with suppress(AttributeError):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    of_device, of_folder = device_lock(Path(root), device), run_lock(Path(folder))
    if not (take(of_device) and take(of_folder, START_S)):
        print(f"Another process trains on {device}, or this run.", flush=True)
        return WRONG_INPUT
    try:
        work: Callable[[Path, str, int], int] = importlib.import_module(module).work
        return work(Path(folder), device, int(threads))
    finally:
        of_folder.release()
        of_device.release()


if __name__ == "__main__":
    sys.exit(main())
