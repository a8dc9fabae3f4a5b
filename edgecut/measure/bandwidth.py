"""Memory bandwidth, from the copies and reads that ``device.py bench`` times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecut.device import CACHE_MULTIPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """Memory bandwidth with ``threads`` threads: the best pass of each kind, as STREAM reports it.

    ``copy_gb_per_s`` counts what is read and what is written, ``read_gb_per_s`` what is read, in
    10^9 bytes a second. The best and not the mean: what else the machine does can only slow a pass
    down. ``reasons`` say why the figures may be wrong; empty where nothing speaks against them.
    """

    threads: int
    copy_gb_per_s: float
    read_gb_per_s: float
    array_bytes: int
    cache_bytes: int | None
    reasons: tuple[str, ...]

    @property
    def gb_per_s(self) -> float:
        """The faster of the two: what a roof is made of."""
        return max(self.copy_gb_per_s, self.read_gb_per_s)


def read_bandwidth(report: Mapping[str, Any]) -> Bandwidth:
    """The figures under ``bandwidth`` in a report of ``device.py bench``, here or elsewhere."""
    size, cache = int(report["array_bytes"]), report["cache_bytes"]
    return Bandwidth(
        threads=report["threads"],
        copy_gb_per_s=2 * size / min(report["copy_ns"]),
        read_gb_per_s=size / min(report["read_ns"]),
        array_bytes=size,
        cache_bytes=cache,
        reasons=_doubts(size, cache),
    )


def _doubts(size: int, cache: int | None) -> tuple[str, ...]:
    if cache is None:
        return ("the size of the caches is not known",)
    # numpy's arrays hold whole elements, and are up to one shorter than what was asked for.
    if size + 8 < CACHE_MULTIPLE * cache:
        return (
            f"arrays of {size / 2**20:.0f} MiB are less than {CACHE_MULTIPLE} times the caches "
            f"({cache / 2**20:.0f} MiB): for larger ones there was no memory",
        )
    return ()
