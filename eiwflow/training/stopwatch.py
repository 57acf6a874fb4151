"""Seconds of some work: the process' CPU seconds, or on a GPU the device's own, between two events."""

from __future__ import annotations

import time

import torch


class Stopwatch:
    """Add up the time of what happens inside a ``with``, in :attr:`seconds`.

    >>> with Stopwatch(torch.device("cpu")) as watch:
    ...     total = sum(range(1000))
    >>> watch.seconds >= 0
    True

    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self.seconds = 0.0

    def __enter__(self) -> Stopwatch:
        """Start."""
        if self._on_gpu:
            self._begin, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self._begin.record()
        else:
            self._started = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; on a GPU, wait until its work is done."""
        if self._on_gpu:
            self._end.record()
            self._end.synchronize()
            self.seconds += self._begin.elapsed_time(self._end) / 1000
        else:
            self.seconds += time.process_time() - self._started
