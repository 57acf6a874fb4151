"""Let a training process keep the memory that a step frees, for the next step."""

from __future__ import annotations

import ctypes
import platform

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
