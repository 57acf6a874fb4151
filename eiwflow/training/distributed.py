"""Several processes that train one flow: ``torchrun --nproc-per-node N -m eiwflow train …``.

Every process draws what is random of a whole batch from (seed, step) and reads its part of the images, so that a team
sees the images that one process alone would. The first process initialises the flow, writes the run directory, and
tells the others what they cannot know: the recipe, and where a resumed run stands.
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
    """The processes that train one flow; what it says of a process alone is true without any exchange.

    Attributes:
        rank: this process' number.
        size: how many there are.
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
        """Refuse a batch that cannot be shared out evenly."""
        if batch % self.size:
            raise ConfigError(f"batch is {batch}; it must be divisible by the {self.size} processes that share it.")
        if batch % (self.size * accumulate):
            raise ConfigError(
                f"batch is {batch}; it must be divisible by the {self.size} processes that share it times "
                f"accumulate {accumulate}."
            )

    def join(self, flow: nn.Module) -> nn.Module:
        """Return the flow with gradients that are means over the team, after all have taken the first one's state."""
        if self.size == 1:
            return flow
        # No buffer changes while a flow trains: they are sent once, not before every forward pass.
        for buffer in flow.buffers():
            dist.broadcast(buffer, src=0)
        parallel = nn.parallel.DistributedDataParallel
        # The name of before torch 2.13 warns there.
        names = inspect.signature(parallel).parameters
        name = next(each for each in ("forward_sync_buffers", "broadcast_buffers") if each in names)
        return parallel(flow, gradient_as_bucket_view=True, **{name: False})  # type: ignore[arg-type]

    def unshared(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which gradients of what :meth:`join` returned are added up and not shared."""
        return nullcontext() if self.size == 1 else cast("nn.parallel.DistributedDataParallel", model).no_sync()

    def means(self, values: Sequence[float]) -> list[float]:
        """Return the mean of each number over the team."""
        return [*values] if self.size == 1 else [v / self.size for v in self._reduced(values, dist.ReduceOp.SUM)]

    def agree(self, asked: int) -> int:
        """Return the largest of the team's numbers: what one is asked to do, all do at the same step."""
        return asked if self.size == 1 else int(self._reduced([asked], dist.ReduceOp.MAX)[0])

    def own(self, count: int) -> slice:
        """Return which of ``count`` things are this process' own: a piece of them, in the order of the processes."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return the tensors (n, …) of all processes in one, in the order of the processes; on the CPU."""
        if self.size == 1:
            return values
        parts: list[torch.Tensor] = [values] * self.size
        dist.all_gather_object(parts, values)
        return torch.cat(parts)

    def share(self, value: Shared | None) -> Shared | None:
        """Return what the first process gives."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def _reduced(self, values: Sequence[float], how: dist.ReduceOp.RedOpType) -> list[float]:
        # On the CPU, by gloo, whatever the flow trains on.
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, how)
        return numbers.tolist()


ALONE = Team()


@contextmanager
def gathered() -> Iterator[Team]:
    """Gather the processes that torchrun started; without it, one is alone."""
    if not dist.is_available() or not dist.is_torchelastic_launched():
        yield ALONE
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"]))
    finally:
        dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End a process of a team at once, with what it has printed written out.

    DistributedDataParallel keeps the group, and so gloo's threads, beyond the group's destruction; a process that
    tidies up around them as it ends is now and then aborted by them, and its whole team is then called failed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
