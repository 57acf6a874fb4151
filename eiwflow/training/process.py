"""Processes that train: the locks that they hold, their signs of life, starting one, and ending one.

The kernel frees a lock however its process ends, so a lock tells whether that process is alive. A process also touches
a file every second while it runs. A page asks it to stop by leaving another file; only a process that shows no sign of
life is ended by a signal, and only if the system confirms that its number still means the same process.
"""

from __future__ import annotations

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
    except Timeout:
        return True
    except OSError:
        return _held_by_another(path)


def _held_by_another(path: Path) -> bool:
    """Return whether a lock is held that this process may read but not write, such as another user's."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    with suppress(OSError), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# ---------------------------------------------------------------------- signs of life, and the end


class NotThatProcess(Exception):
    """A process cannot be ended from here; the message is the end of a sentence that begins with its name."""


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


def kill(known: object) -> None:
    """Kill a recorded process at once; nothing is saved."""
    if not isinstance(known, dict) or not isinstance(known.get("pid"), int) or known["pid"] <= 1:
        raise NotThatProcess("does not say which process it is")
    here = identity(known["pid"])
    if known.get("host") != here["host"]:
        raise NotThatProcess(f"is on another machine or in another container ({str(known.get('host'))[:60]})")
    # Another process may have got the number meanwhile.
    if known.get("start") is None or known["start"] != here["start"]:
        raise NotThatProcess(f"has ended, or is not known to be process {here['pid']}")
    try:
        os.kill(here["pid"], signal.SIGKILL)
    except (PermissionError, ProcessLookupError) as error:
        raise NotThatProcess(f"cannot be ended ({error.strerror})") from None


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


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which a child process finds this package, with these variables set."""
    paths = filter(None, [HOUSE, os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def start(module: str, arguments: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a module of this package in a session of its own and return the process.

    Arguments:
        module: the module's dotted name, run as ``python -m``.
        arguments: of its command line.
        output: the file that receives its output.

    """
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: Python imports no modules from the working folder
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment(),
    )
    # A thread waits for its end, or it stays a zombie.
    threading.Thread(target=child.wait, daemon=True).start()
    return child


def wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a new process is ready or has ended; kill it and return False if it is too slow."""
    end = time.monotonic() + seconds
    while not ready() and child.returncode is None:
        if time.monotonic() > end:
            child.kill()
            return False
        time.sleep(0.02)
    return True
