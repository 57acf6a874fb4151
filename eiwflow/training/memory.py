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


def keep_freed_memory(keep: bool = True) -> None:
    """Tell glibc to keep freed memory, or to return it as it does by itself, and now; without glibc do nothing.

    By default the activations' memory returns to the system after every step, and the next step gets it page by page,
    each page cleared: a tenth of a step's time. The peak memory is the same. A process that has trained for a short
    time and lives on, such as the app's server, returns it.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    # The second is the largest value that glibc itself chooses; setting one threshold fixes both.
    libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT if keep else 2 * LARGEST_MMAP_THRESHOLD)
    if not keep:
        libc.malloc_trim(0)


def channels_last(flow: MultiScaleFlow) -> MultiScaleFlow:
    """Return the flow with its convolutions in channels-last layout, which is several times as fast."""
    return flow.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
