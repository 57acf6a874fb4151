"""How a training lays out its memory, and that it keeps what a step frees for the next step."""

from __future__ import annotations

import ctypes
import platform

import torch

from ..flow import MultiScaleFlow

#: Names of malloc.h: the free memory at the heap's top from which it is given back, and the size from which a block is
#: a mapping of its own, given back at once.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: The largest threshold of a mapping that glibc takes on 64 bits.
LARGEST_MMAP_THRESHOLD = 2**25
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory; return whether it does.

    By default the activations' memory goes back to the system after every step and comes again page by page, each
    page cleared: a tenth of a step's time. The peak stays what it was. Elsewhere than on glibc nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_TRIM_THRESHOLD, LARGEST_INT) and mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD))


def give_back_freed_memory() -> bool:
    """Let glibc give memory back again, beginning with what is free now; return whether it does.

    For a process that has trained a little and goes on with something else, as the app's server does.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    # The largest values that the thresholds take by themselves: to set one is to fix both.
    done = libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    done &= libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_MMAP_THRESHOLD)
    libc.malloc_trim(0)  # what it returns is whether there was something to give
    return bool(done)


def channels_last(flow: MultiScaleFlow) -> MultiScaleFlow:
    """Return the flow, its convolutions laid out as images with the channels last are: several times as fast."""
    return flow.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
