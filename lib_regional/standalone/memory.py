"""Memory that nothing uses any more goes back to the system.

glibc keeps what is freed in pieces, in an arena of every thread that has ever asked for memory. A server that makes pictures of many sizes
in one thread and answers in others keeps a little more of it with each hundred of them.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


@functools.lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """glibc's ``malloc_trim``; None with another C library."""
    try:
        found: Callable[[int], int] = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
    return found


def give_memory_back() -> bool:
    """Give the system what is free in this process, where its C library can do so; whether it could."""
    trim = _trim()
    if trim is None:
        return False
    trim(0)
    return True
