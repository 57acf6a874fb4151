"""Several processes that train one flow: ``torchrun --nproc-per-node N -m -- eiwflow train …``.

Every process draws the random numbers of the whole batch from (seed, step) and reads its part of the images, so that
the processes together see the same images as a single process. The first process initialises the flow, writes the run
directory, and sends the others the recipe and the step of a resumed run.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import NoReturn, TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn

from ..flow import ConfigError

Shared = TypeVar("Shared")


@dataclass(frozen=True)
class Team:
    """The processes that train one flow; a single process is a group of size 1, without any exchange.

    Attributes:
        rank: this process' number.
        size: the number of processes.
        local_rank: this process' number on its machine, which is that of its GPU.

    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process initialises and writes."""
        return self.rank == 0

    def check(self, batch: int, accumulate: int = 1) -> None:
        """Refuse a batch that cannot be divided evenly."""
        if batch % (self.size * accumulate):
            raise ConfigError(
                f"batch is {batch}; it must be divisible by the {self.size} processes that share it times "
                f"accumulate {accumulate}."
            )

    def join(self, flow: nn.Module) -> nn.Module:
        """Return the flow with the first process' state, and with gradients averaged over all processes."""
        if self.size == 1:
            return flow
        # Buffers do not change in training: they are sent once, not before every forward pass.
        for buffer in flow.buffers():
            dist.broadcast(buffer, src=0)
        parallel = nn.parallel.DistributedDataParallel
        # From torch 2.13 on, the old name gives a warning.
        names = inspect.signature(parallel).parameters
        name = next(each for each in ("forward_sync_buffers", "broadcast_buffers") if each in names)
        return parallel(flow, gradient_as_bucket_view=True, **{name: False})  # type: ignore[arg-type]

    def unshared(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which gradients of the flow from :meth:`join` are added up and not exchanged."""
        return nullcontext() if self.size == 1 else cast("nn.parallel.DistributedDataParallel", model).no_sync()

    def means(self, values: Sequence[float]) -> list[float]:
        """Return the mean of each number over all processes."""
        return [*values] if self.size == 1 else [v / self.size for v in self._reduced(values, dist.ReduceOp.SUM)]

    def agree(self, asked: int) -> int:
        """Return the largest number of any process, so that a request to one process reaches all at the same step."""
        return asked if self.size == 1 else int(self._reduced([asked], dist.ReduceOp.MAX)[0])

    def own(self, count: int) -> slice:
        """Return this process' range of ``count`` items; ranges follow the order of the processes."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return the concatenated tensors (n, …) of all processes, in the order of the processes; on the CPU."""
        if self.size == 1:
            return values
        parts: list[torch.Tensor] = [values] * self.size
        dist.all_gather_object(parts, values)
        return torch.cat(parts)

    def share(self, value: Shared | None) -> Shared | None:
        """Return the first process' value."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def _reduced(self, values: Sequence[float], how: dist.ReduceOp.RedOpType) -> list[float]:
        # On the CPU, by gloo, for a flow on any device.
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, how)
        return numbers.tolist()


ALONE = Team()


@contextmanager
def gathered() -> Iterator[Team]:
    """Return the group of processes that torchrun started; without torchrun, this process alone."""
    if not dist.is_available() or not dist.is_torchelastic_launched():
        yield ALONE
        return
    try:
        local_rank = int(os.environ.get("LOCAL_RANK", "none"))
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    except ValueError:
        raise ConfigError(
            "TORCHELASTIC_RUN_ID is set, but other variables of torchrun are missing or no numbers: start the command "
            "by torchrun, or unset it."
        ) from None
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), local_rank)
    finally:
        dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End a process of a group at once, after flushing its output.

    DistributedDataParallel keeps gloo's threads beyond the group's destruction. They sometimes abort a process that
    ends in the usual way, and torchrun then reports that the whole group failed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
