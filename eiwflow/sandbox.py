"""Bounds of a process that works for another one, as on what strangers sent: it sets them before it begins."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def bound(memory: int, cpu_s: int) -> None:
    """Bound the memory and the processor time of this process from here on.

    Libraries that it maps do not count, nor what it took before. Windows has no such bounds, and only Linux tells what
    a process has already; elsewhere the bound of memory is left out.

    Args:
        memory: bytes beyond those that it has.
        cpu_s: processor seconds beyond those that it took.

    """
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + cpu_s
    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_CORE: 0}
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        taken = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
        limits[resource.RLIMIT_DATA] = taken + memory
    except (OSError, StopIteration):
        pass
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def end_with_the_asker() -> None:
    """End this process as soon as its standard input is closed: the process that asked has ended."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
