"""Processes that have torch already: a worker that is born in milliseconds can be killed many times in one test."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, BinaryIO

from eiwflow.training import process as process_module

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ("eiwflow.study.run", "eiwflow.training.run", "eiwflow.training.worker", "scipy.stats")
CONTEXT.set_forkserver_preload(["tests.conftest", *PRELOADED])
PATIENCE_S = 120
#: Gloo looks up the machine's name to find an interface, and complains where that does not resolve.
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}


def begun(function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Return a process that has begun to run the function."""
    process = CONTEXT.Process(target=_be, args=(function, *arguments))
    process.start()
    return process


def _be(function: Callable[..., Any], *arguments: Any) -> None:
    """Run the function where processes start as usual: by a fork server of its own each would import torch anew."""
    multiprocessing.set_start_method(None, force=True)
    function(*arguments)


def ended(process: BaseProcess) -> int:
    """Wait for a process; return its exit code, −9 for one that was killed."""
    process.join(PATIENCE_S)
    assert process.exitcode is not None, "the process does not end"
    return process.exitcode


def alive(pid: int) -> bool:
    """Return whether a process works; one that has ended and waits for its parent does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Detached:
    """A forked process in the place of the one that :func:`eiwflow.training.process.start` returns."""

    def __init__(self, process: BaseProcess) -> None:
        self.process, self.pid = process, process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it works."""
        return self.process.exitcode

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()


def start_forked(module: str, arguments: Sequence[str], said: BinaryIO) -> Detached:
    """Start a worker as :func:`eiwflow.training.process.start` does: in a session of its own, its output in a file."""
    return Detached(begun(_be_worker, [module, *arguments], said.name))


def _be_worker(arguments: list[str], said: str) -> None:
    os.setsid()
    with open(said, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(process_module.main(arguments))


def work(run: str) -> None:
    """Be the worker of a run."""
    sys.exit(process_module.main(["eiwflow.training.worker", run, str(Path(run).parent), "cpu", "1"]))


def place_in_a_team(rank: int, size: int, port: int) -> dict[str, str]:
    """Return what torchrun would tell a process that finds the others by the store on a port."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "True", **LOOPBACK,
    }  # fmt: skip


def one_of_a_team(rank: int, size: int, port: int, arguments: list[str], out: str, asked_at: int | None = None) -> None:
    """Be one of the processes that torchrun would start, what it prints going to a file.

    With ``asked_at`` it gets SIGTERM in the step after that one: who watches it from outside may come too late.
    """
    from eiwflow import cli
    from eiwflow.training.trainer import Trainer

    step = Trainer.advance

    def advance(self: Trainer) -> tuple[float, float]:
        if self.step == asked_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self)

    Trainer.advance = advance
    os.environ |= place_in_a_team(rank, size, port)
    with open(out, "w") as file:
        sys.stdout = sys.stderr = file
        sys.exit(cli.main(arguments))
