"""Start a process that outlives its parent, as the app does for a training or a study."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

#: Folder of the package: the server's working folder may be another.
HOUSE = str(Path(__file__).resolve().parents[2])


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which a child process finds this package, with these variables set."""
    paths = filter(None, [HOUSE, os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def start(module: str, arguments: Sequence[str], output: BinaryIO, content: bytes = b"") -> subprocess.Popen[bytes]:
    """Start a module of this package in a session of its own and return the process.

    Arguments:
        module: the module's dotted name, run as ``python -m``.
        arguments: of its command line.
        output: the file that receives its output.
        content: its standard input.

    Raises:
        OSError: it cannot be started.

    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: Python imports no modules from the working folder
        stdin=subprocess.PIPE if content else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment(),
    )
    # A thread waits for its end, or it stays a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    if content and process.stdin is not None:
        with process.stdin as standard_input:
            standard_input.write(content)
    return process


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a new process is ready or has ended; kill it and return False if it is too slow."""
    end = time.monotonic() + seconds
    while not ready() and process.returncode is None:
        if time.monotonic() > end:
            process.kill()
            return False
        time.sleep(0.02)
    return True
