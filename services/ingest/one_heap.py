"""Keeps what threads allocate in one heap, so that what one of them frees any other can use."""

import ctypes
from collections.abc import Callable
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Settings of glibc's malloc, by their numbers in malloc.h (mallopt(3))."""

_LARGE_BYTES = 1 << 20
_FREE_AT_END_BYTES = 8 << 20

_mallopt: Callable[[int, int], Any] | None = getattr(ctypes.CDLL(None), "mallopt", None)


def share_one_heap() -> None:
    """Have all threads of this process share a heap, large pieces apart. Call it before there are many threads.

    glibc gives each thread a heap of its own, and keeps in it what is freed there. A pull works on whichever threads
    of the pool are idle, so that each new heap filled up once: at a million students a second pull began 160 MiB
    above the first. Large pieces, for which glibc otherwise makes room in heaps once it has seen some freed, are given
    back to the system each time. Other C libraries have no such settings, and no heap for each thread.
    """
    if _mallopt is not None:
        _mallopt(_M_ARENA_MAX, 1)
        _mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        _mallopt(_M_TRIM_THRESHOLD, _FREE_AT_END_BYTES)
