"""The identity of the process that trains a run: a process number alone is not unique among machines and containers.

A process writes its identity into a file, and touches that file every second while it runs. A page asks it to stop by
leaving another file. Only a process that shows no sign of life is ended by a signal, and only if the system confirms
its identity.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: Seconds between two signs of life, and seconds without a sign of life after which a process is reported.
BEAT_S, SILENT_S = 1.0, 30.0


class NotThatProcess(Exception):
    """A process cannot be ended from here; the message is the end of a sentence that begins with its name."""


def identity(pid: int | None = None) -> dict[str, Any]:
    """Return the identity of a process on this machine: its number, its start, and the machine's boot if known.

    Arguments:
        pid: of the process, this one by default.

    """
    pid = pid or os.getpid()
    return {"pid": pid, "host": socket.gethostname(), **_kernel(), "start": _start_time(pid)}


def _kernel() -> dict[str, str | None]:
    """Return the kernel's boot ID and this process' PID namespace, which differs between containers."""
    boot = namespace = None
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")
    return {"boot": boot, "namespace": namespace}


def _start_time(pid: int) -> str | None:
    """Return the start time of a process, in the kernel's ticks since boot; None if the system does not state it."""
    with suppress(OSError, IndexError):
        # The command's name is in brackets, and may itself hold blanks and brackets.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return None


def check(known: object) -> int:
    """Return the number of a recorded process, if the system confirms its identity.

    Raises:
        NotThatProcess: it belongs to another machine or container, has ended, or cannot be identified.

    """
    if not isinstance(known, dict) or type(known.get("pid")) is not int or known["pid"] <= 1:
        raise NotThatProcess("does not say which process it is")
    pid = known["pid"]
    here = identity(pid)
    if known.get("host") != here["host"] or known.get("namespace") != here["namespace"]:
        raise NotThatProcess(f"is on another machine or in another container ({str(known.get('host'))[:60]})")
    if here["boot"] is None or known.get("start") is None:
        raise NotThatProcess(f"may be process {pid}, but this system cannot confirm that it is still the same process")
    if known.get("boot") != here["boot"] or known["start"] != here["start"]:
        raise NotThatProcess("has ended")
    return pid


def kill(known: object) -> None:
    """Kill a recorded process at once; nothing is saved.

    Raises:
        NotThatProcess: see :func:`check`, or it belongs to another user.

    """
    pid = check(known)
    try:
        # By a handle: the number may be reused for another process between the check and the signal.
        handle = os.pidfd_open(pid)
        try:
            check(known)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
    except PermissionError:
        raise NotThatProcess("belongs to another user of this machine") from None
    except ProcessLookupError:
        raise NotThatProcess("has ended") from None


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
