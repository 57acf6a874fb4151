"""How a run is computed: settings outside the recipe, since another machine may choose others."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from ..flow import ConfigError
from .distributed import ALONE, Team
from .recipe import Recipe
from .run_directory import RunError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Execution:
    """Settings of one process, which may differ when a run is resumed.

    Args:
        device: where it trains.
        team: the processes that train together, of which this is one.
        compiled: compile the flow's forward and backward pass as one graph.
        deterministic: use only algorithms that give the same bits in every run, also on a GPU.
        workers: processes that read batches ahead; None chooses by device and data set.
        strict: refuse a folder with a picture that cannot be read, instead of leaving it out.
        save_every: steps between two saves, beside the recording steps; 0 saves every minute.
        keep_every: steps between two checkpoints that are kept; 0 keeps only the last.
        log: a logger beside ``metrics.jsonl``, a word of :data:`~eiwflow.training.loggers.LOGGERS`; empty for none.

    """

    device: torch.device = CPU
    team: Team = ALONE
    compiled: bool = False
    deterministic: bool = False
    workers: int | None = None
    strict: bool = False
    save_every: int = 0
    keep_every: int = 0
    log: str = ""

    def check(self, recipe: Recipe) -> None:
        """Refuse a batch that the team cannot divide evenly, and bfloat16 on a device that cannot train with it."""
        self.team.check(recipe.batch, recipe.accumulate)
        if recipe.precision == "bfloat16" and self.device.type != "cuda":
            raise ConfigError(
                f"precision is bfloat16; on {self.device} only float32 is trained. Choose --precision float32 or "
                "--device cuda."
            )


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device called ``auto``, ``cpu`` or ``cuda``; refuse a missing device.

    Apple's MPS is excluded: it has no float64, in which initialisation and inverses are computed. With several CUDA
    devices ``auto`` and ``cuda`` mean the device with this process' number on its machine. It becomes torch's current
    device: otherwise every process' pinned memory would take room on the first GPU.
    """
    here = {"cuda": torch.cuda.is_available(), "cpu": True}
    devices = [kind for kind, there in here.items() if there]
    if name == "auto":
        name = devices[0]
    if name == "cuda" and here["cuda"] and torch.cuda.device_count() > 1:
        name = f"cuda:{local_rank % torch.cuda.device_count()}"
    devices += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if name not in devices:
        raise RunError(f"device is {name[:40]!r}; this machine has {', '.join(devices)}.")
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def set_arithmetic(device: torch.device, deterministic: bool) -> str:
    """Choose how a device multiplies, for this process; return it in words for the log.

    On CUDA the coupling networks' convolutions may round their factors to TF32. Everything that a log-determinant or
    an inverse depends on stays in float32.
    """
    if deterministic:
        # cuBLAS reads this variable on first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    if device.type != "cuda":
        return "float32, channels last" + (", deterministic" if deterministic else "")
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]  # missing in torch's annotations
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    words = "TF32 convolutions, float32 products, channels last, "
    return words + ("deterministic" if deterministic else "cuDNN's fastest algorithms")


def default_threads() -> int:
    """Return the default number of CPU threads of a training: half of the cores that this process may use.

    Two busy threads on a busy machine of two cores took nine times the CPU of one. ``OMP_NUM_THREADS`` is respected.
    """
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        return torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)
