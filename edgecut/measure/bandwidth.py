"""Memory bandwidth of this machine, from copies and reads that run there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecut.device import CACHE_MULTIPLE
from edgecut.errors import EdgecutError
from edgecut.runtimes import device_command, device_environment

TIMEOUT_S = 120.0


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
    environment: Mapping[str, Any]
    reasons: tuple[str, ...]

    @property
    def gb_per_s(self) -> float:
        """The faster of the two: what a roof is made of."""
        return max(self.copy_gb_per_s, self.read_gb_per_s)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the environment."""
        return {
            "threads": self.threads,
            "gb_per_s": self.gb_per_s,
            "copy_gb_per_s": self.copy_gb_per_s,
            "read_gb_per_s": self.read_gb_per_s,
            "array_bytes": self.array_bytes,
            "cache_bytes": self.cache_bytes,
            "reasons": list(self.reasons),
        }


def measure_bandwidth(*, threads: int = 1) -> Bandwidth:
    """The memory bandwidth of this machine; takes about three seconds.

    Raises:
        EdgecutError: ``bad-measurement`` without a thread, ``runtime-failed`` where the child
            process ended otherwise than agreed.
    """
    if threads < 1:
        raise EdgecutError(f"cannot measure with {threads} threads", code="bad-measurement")
    try:
        child = subprocess.run(
            device_command("bandwidth", str(threads)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=device_environment(),
            timeout=TIMEOUT_S,
            check=True,
        )
        return read_bandwidth(json.loads(child.stdout))
    except (subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", None) or b"").decode("utf-8", errors="replace").strip()
        raise EdgecutError(
            f"the memory bandwidth could not be measured: {said or error}", code="runtime-failed"
        ) from error


def read_bandwidth(report: Mapping[str, Any]) -> Bandwidth:
    """The figures in a report of ``device.py bandwidth``, here or on a device."""
    size, cache = int(report["array_bytes"]), report["cache_bytes"]
    return Bandwidth(
        threads=report["threads"],
        copy_gb_per_s=2 * size / min(report["copy_ns"]),
        read_gb_per_s=size / min(report["read_ns"]),
        array_bytes=size,
        cache_bytes=cache,
        environment=report["environment"],
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
