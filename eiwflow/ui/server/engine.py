"""Slow libraries, imported once: neither the server nor the front page waits for them."""

from __future__ import annotations

import gc
import os
from threading import Event

#: Set once the imports are done. Two threads that import parts of one package at once can see it half made.
STARTED = Event()


def start() -> None:
    """Import what pages need, in about two seconds, and exempt it from garbage collection; called once."""
    import scipy.stats
    import torch

    from .. import shell
    from ..jobs import new_run, new_study

    del scipy, shell, new_run, new_study
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    gc.collect()
    gc.freeze()
