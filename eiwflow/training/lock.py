"""File locks. The kernel frees a lock however its process ends, so a lock tells whether that process is alive."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

#: Seconds for which a process tries to take a lock: checking a lock holds it for an instant.
PATIENCE_S = 0.5
_GLANCE_S, _POLL_S = 0.03, 0.01


def of_run(run: Path) -> FileLock:
    """Return the lock of a run directory: held by the process that trains it, from a page or a terminal."""
    return FileLock(run / "run.lock", is_singleton=True)


def of_device(root: Path, device: str) -> FileLock:
    """Return the lock of a device: held by the worker that a page started there, if any."""
    return FileLock(root / f".{device.replace(':', '-')}.lock")


def of_starting(root: Path) -> FileLock:
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
