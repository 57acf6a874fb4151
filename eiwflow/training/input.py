"""The images of a training, batch by batch, read ahead by processes of their own where that pays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..data import DataError
from ..data.views import OnDisk
from .batches import training_batch
from .failures import READER_ENDED, of_another_process
from .recipe import Recipe

#: Batches that every process reads ahead.
AHEAD = 2
#: Processes that read for a GPU, where there are cores for them.
MOST_WORKERS = 4


@dataclass(frozen=True)
class Batches(Dataset[Tensor | DataError]):
    """The part of every batch that one process of a team trains on, by the number of the step.

    Args:
        images: (N, H, W, C) uint8.
        recipe: the settings.
        part: this process' number, and how many there are.

    """

    images: np.ndarray | OnDisk
    recipe: Recipe
    part: tuple[int, int] = (0, 1)

    def __getitem__(self, step: int) -> Tensor | DataError:
        """Return x of a step, or the error: raised in a worker process, it would lose its message."""
        try:
            return self.of_step(step, self.recipe.batch, self.part)
        except DataError as error:
            return error

    def of_step(self, step: int, batch: int, part: tuple[int, int] = (0, 1)) -> Tensor:
        """Return x (batch / parts, C, H, W) of a step."""
        recipe = self.recipe
        size = recipe.flow.shape[1:]
        return training_batch(self.images, size, batch, recipe.seed, step, recipe.flip, recipe.flow.bits, part)


class Input:
    """Gives the batches of consecutive steps.

    Its batches depend on the seed and the step alone, with any number of workers.

    Args:
        batches: of this process.
        device: where they are trained on.
        workers: processes that read ahead; 0 for none, None to choose.

    """

    def __init__(self, batches: Batches, device: torch.device, workers: int | None) -> None:
        self._batches, self._device = batches, device
        self.workers = default_workers(batches, device) if workers is None else workers
        self._next = -1
        self._iterator: Iterator[Tensor | DataError] = iter(())

    def batch(self, step: int) -> Tensor:
        """Return x of a step, on the device."""
        if self.workers == 0:
            x = self._batches[step]
        else:
            if step != self._next:
                self._iterator = self._ahead(step)
            self._next = step + 1
            try:
                x = next(self._iterator)
            except (RuntimeError, EOFError, OSError) as error:  # its socket may close before its end is noticed
                # torch words it in two ways: "worker (pid 5) is killed by …", "worker (pid(s) 5) exited unexpectedly".
                if isinstance(error, RuntimeError) and of_another_process(error) != READER_ENDED:
                    raise
                raise ChildProcessError(READER_ENDED.rstrip(".")) from error
        if isinstance(x, DataError):
            raise x
        return x.to(self._device, non_blocking=True)

    def close(self) -> None:
        """End the processes that read ahead."""
        self._next, self._iterator = -1, iter(())

    def _ahead(self, first: int) -> Iterator[Tensor | DataError]:
        with warnings.catch_warnings():
            # torch warns of more workers than cores; a user's own number stands.
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader = DataLoader(
                self._batches,
                batch_size=None,
                sampler=range(first, self._batches.recipe.iterations),
                num_workers=self.workers,
                prefetch_factor=AHEAD,
                pin_memory=self._device.type == "cuda",
                persistent_workers=True,
                worker_init_fn=_begin_reading,
            )
            return iter(loader)


def _begin_reading(worker: int) -> None:
    del worker
    # torch watches the parent that it finds from here on, which is another process if the training was killed already.
    if (parent := multiprocessing.parent_process()) is not None and not parent.is_alive():
        os._exit(1)
    # Ctrl-C, and the SIGTERM of some programs, reach all processes of a group; the training asks for batches until it
    # has finished its step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()


def default_workers(batches: Batches, device: torch.device) -> int:
    """Return how many processes read ahead: none for images in memory that a CPU trains on, which is busy enough."""
    if multiprocessing.current_process().daemon:
        return 0  # a daemon may have no child processes
    if device.type == "cuda":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(MOST_WORKERS, cores // batches.part[1] - 1))
    return 0 if isinstance(batches.images, np.ndarray) else 1
