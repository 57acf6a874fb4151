"""Processes that have torch already: a worker that is born in milliseconds can be killed many times in one test."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from eiwflow.training import worker

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["tests.conftest", "eiwflow.training.run", "eiwflow.training.worker", "scipy.stats", "torchvision.utils"]
)
PATIENCE_S = 120
#: Gloo looks up the machine's name to find an interface, and complains where that does not resolve.
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}


def begun(function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Return a process that has begun to run the function."""
    process = _CONTEXT.Process(target=function, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """Wait for a process; return its exit code, −9 for one that was killed."""
    process.join(PATIENCE_S)
    assert process.exitcode is not None, "the process does not end"
    return process.exitcode


def work(run: str) -> None:
    """Be the worker of a run."""
    sys.exit(worker.main([run, "--device", "cpu"]))


def work_on_a_small_disk(run: str, most_bytes: int) -> None:
    """Be the worker of a run where no file can grow larger than so many bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    work(run)


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
