"""The app's server in a process of its own, for tests that speak to it over HTTP or in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from ..conftest import ROOT

#: A busy machine may take its time.
PATIENCE_S = 120
#: Seconds that a server may take to end before it is killed.
ENDS_S = 30
#: What Streamlit says, and ends, where another process has taken its port meanwhile; then another port is tried.
TAKEN, TRIES = "is not available", 3


@contextmanager
def start_server(runs: Path, **environment: str) -> Iterator[str]:
    """Run the app on a free port, with these runs and presets of seconds; yield its address.

    Arguments:
        runs: the folder of runs, in which the server's log is written.
        environment: variables beside this process's own.

    """
    log = runs / "server.log"
    command = [sys.executable, "-m", f"{__package__}.serve", "run", "app.py"]
    for _ in range(TRIES):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [*command, "--server.port", str(port), "--server.headless", "true"],
                cwd=ROOT,
                env={**os.environ, "EIWFLOW_RUNS": str(runs), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            if _stands(f"http://127.0.0.1:{port}", process, log):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            try:
                process.wait(timeout=ENDS_S)
            except subprocess.TimeoutExpired:  # a connection that a test left open; that a server ends is tested alone
                process.kill()
                process.wait()
        if TAKEN not in log.read_text():
            break
    raise RuntimeError(f"The app did not start:\n{log.read_text()}")


def _stands(address: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait until the app answers; return whether it does."""
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        # Whoever has taken the port may be in good health too; only its owner says where it can be viewed.
        if address in log.read_text():
            with suppress(URLError, OSError):
                urlopen(f"{address}/_stcore/health", timeout=1).close()
                return True
        time.sleep(0.1)
    return False
