"""Freed memory stays with the process while a training lasts, and no longer."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from edgecut.nested import allocator

SIZE = 200 << 20


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _use_and_free() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    address = libc.malloc(ctypes.c_size_t(SIZE))
    assert address
    ctypes.memset(address, 1, SIZE)
    libc.free(ctypes.c_void_p(address))


@pytest.mark.skipif(allocator._glibc() is None, reason="the C library is not glibc")
def test_freed_memory_is_kept_until_the_end() -> None:
    before = _resident_bytes()
    with allocator.freed_memory_kept():
        _use_and_free()
        assert _resident_bytes() - before > SIZE // 2
    assert _resident_bytes() - before < SIZE // 2
    _use_and_free()
    assert _resident_bytes() - before < SIZE // 2


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(name: None) -> ctypes.CDLL:
        raise TypeError("expected str")

    monkeypatch.setattr(ctypes, "CDLL", no_such_name)
    with allocator.freed_memory_kept():
        pass
