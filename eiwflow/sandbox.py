"""Bounds that a child process sets for itself before it reads untrusted input."""

from __future__ import annotations

from pathlib import Path


def bound(memory: int, cpu_s: int) -> None:
    """Bound the memory and the processor time of this process from here on.

    Mapped libraries and memory in use do not count. Windows has no such bounds, and only Linux states the memory of a
    process; elsewhere memory has no bound.

    Args:
        memory: further bytes.
        cpu_s: further processor seconds.

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
