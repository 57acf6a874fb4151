"""A process of its own that outlives the one that started it: how the app starts a training, and a study."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

#: Where the package lies: the server may have been started elsewhere.
HOUSE = str(Path(__file__).resolve().parents[2])


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which a process of ours finds this package, with these variables set."""
    paths = filter(None, [HOUSE, os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def start(module: str, arguments: Sequence[str], output: BinaryIO, content: bytes = b"") -> subprocess.Popen[bytes]:
    """Start a module of ours in a session of its own and return the process.

    Arguments:
        module: the module's dotted name, run as ``python -m``.
        arguments: of its command line.
        output: the file that it writes to.
        content: of its standard input.

    Raises:
        OSError: it cannot be started.

    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: modules of the working folder are not run
        stdin=subprocess.PIPE if content else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment(),
    )
    # Somebody has to take note of its end, or it stays a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    if content and process.stdin is not None:
        with process.stdin as standard_input:
            standard_input.write(content)
    return process


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a process that was started is ready, or has ended; return False, and kill it, where it is too slow."""
    end = time.monotonic() + seconds
    while not ready() and process.returncode is None:
        if time.monotonic() > end:
            process.kill()
            return False
        time.sleep(0.02)
    return True
