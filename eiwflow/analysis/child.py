"""A measure in a process of its own: with bounds on memory and time, and at its end when nobody waits for it.

What is asked for comes on standard input, the answer goes to standard output. Both come from this package alone.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

from .subjects import MEASURES


def main() -> None:
    """Measure what is asked for, and say what came of it: the result, or the exception."""
    look, name, choices, most_bytes, most_s, threads = pickle.load(sys.stdin.buffer)
    _bound(most_bytes, most_s)
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    try:
        answer: tuple[bool, Any] = True, MEASURES[name].of(look, **choices)
    except Exception as error:  # who asked raises it
        answer = False, error
    sys.stdout.buffer.write(pickle.dumps(answer))
    sys.stdout.buffer.flush()


def _bound(most_bytes: int, most_s: int) -> None:
    """Bound this process' own memory and processor time; libraries that it maps do not count."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (most_s, most_s + 5))
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # only Linux says how much it has already, and counts it so
        return
    taken = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData")), 0)
    resource.setrlimit(resource.RLIMIT_DATA, (taken + most_bytes, taken + most_bytes))


def _end_with_the_asker() -> None:
    """End at once when standard input is closed: whoever asked has gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
