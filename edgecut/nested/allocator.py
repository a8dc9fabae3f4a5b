"""Memory that one training step frees is kept for the next."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

# glibc's <malloc.h>, and the values it starts with.
M_TRIM_THRESHOLD, TRIM_THRESHOLD = -1, 128 * 1024
M_MMAP_MAX, MMAP_MAX = -4, 65536


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory in the process while this lasts, where glibc allocates it.

    Features of many megabytes are otherwise mapped for each use and unmapped after it, and the
    kernel clears every page anew. ``benchmarks/training.py`` measures what that costs.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_MAX, MMAP_MAX)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except TypeError:  # Windows has no library of that name
        return None
    # Other libraries for C take mallopt, too, and do nothing: harmless.
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
