"""Memory that is used again within an invocation.

The C library gives a large array back to the kernel as soon as it is freed, and gets the next one page by page, each
cleared and mapped anew: about 0.5 ms for each MB, as much as computing with it. A function's memory is its own until
it has answered.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
"""Parameters of glibc's mallopt, by their numbers in malloc.h."""
_NEVER = (1 << 31) - 1


@contextmanager
def reused_memory() -> Iterator[None]:
    """Keep what is freed within for what is allocated next; give it back at the end. Without glibc, do nothing."""
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None
