"""Memory in training: the layout of convolutions, and freed memory that is kept for the next step."""

from __future__ import annotations

import ctypes
import platform

import torch

from ..flow import MultiScaleFlow

#: Parameters of malloc.h: the free memory at the heap's top above which glibc returns it, and the size above which a
#: block is a mapping of its own, which is returned at once.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: The largest threshold of a mapping that glibc accepts on 64 bits.
LARGEST_MMAP_THRESHOLD = 2**25
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory; return whether it does.

    By default the activations' memory returns to the system after every step, and the next step gets it page by page,
    each page cleared: a tenth of a step's time. The peak memory is the same. Without glibc this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_TRIM_THRESHOLD, LARGEST_INT) and mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD))


def give_back_freed_memory() -> bool:
    """Let glibc return freed memory again, and return the present free memory; return whether it does.

    For a process that has trained for a short time and lives on, such as the app's server.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    # The largest values that glibc itself chooses for the thresholds: setting one of them fixes both.
    done = libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    done &= libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_MMAP_THRESHOLD)
    libc.malloc_trim(0)  # it returns whether there was memory to return
    return bool(done)


def channels_last(flow: MultiScaleFlow) -> MultiScaleFlow:
    """Return the flow with its convolutions in channels-last layout, which is several times as fast."""
    return flow.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
