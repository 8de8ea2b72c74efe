"""Let glibc's allocator keep the memory of freed tensors instead of returning it to the kernel.

By default every tensor above a threshold is mapped anew from the kernel and unmapped when it is freed, so that each
of its pages is cleared and faulted in again: a fifth of the time of a training on a CPU. The command line calls
``keep_freed_memory`` when it starts; importing the package changes nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 1 << 30  # bytes; larger tensors are still mapped on their own
_kept = False
CHOSEN_BY_USER = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Raise glibc's mmap and trim thresholds; return whether that was done.

    Nothing is done with another C library, with an allocator that was preloaded, or where the environment sets the
    thresholds.
    """
    preloaded = "malloc" in os.environ.get("LD_PRELOAD", "")
    if preloaded or any(name in os.environ for name in CHOSEN_BY_USER) or platform.libc_ver()[0] != "glibc":
        return False
    global _kept
    library = ctypes.CDLL(None)
    _kept = all(library.mallopt(name, KEPT) for name in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))
    return _kept


def return_freed_memory() -> None:
    """Return what ``keep_freed_memory`` has kept: where tensors change their sizes, old blocks fit no new tensor."""
    if _kept:
        ctypes.CDLL(None).malloc_trim(0)
