"""The roof over this machine: its peaks and its memory's bandwidth, measured once and kept.

A peak takes ten seconds and more to measure, and is that of the machine and the runtime. So what
nothing disturbed is kept in the user's cache, under all that it may depend on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecut import bundle, device
from edgecut.errors import EdgecutError
from edgecut.measure.bandwidth import measure_bandwidth
from edgecut.network import digest_of
from edgecut.probe import measure_peak
from edgecut.progress import Tell, nobody
from edgecut.saving import save
from edgecut.target import Target

SCHEMA = "edgecut.roof/1"
# The CPU runtimes widen float16 when they load it.
COMPUTES_IN = {"float32": "float32", "float16": "float32", "int8": "int8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a runtime reaches on this machine at best; 10^9 MACs and 10^9 bytes a second.

    ``rates`` has one for each scheme that was probed. ``reasons`` say why the real roof may be
    higher: then shares of it are upper bounds.
    """

    threads: int
    rates: Mapping[str, float]
    bandwidth_gb_per_s: float
    reasons: tuple[str, ...]

    def rate(self, scheme: str) -> float | None:
        """The peak of what that scheme computes in; None where it was not probed."""
        return self.rates.get(COMPUTES_IN[scheme])


def roof_over(
    target: Target, *, threads: int = 1, pin: Sequence[int] | None = None, tell: Tell = nobody
) -> Roof | None:
    """The roof over a target's runtime here; None for other devices than the CPU.

    Raises:
        EdgecutError: what ``measure_peak`` and ``measure_bandwidth`` raise.
    """
    if target.device != "CPU":
        return None
    path = _place(target, threads, pin)
    if (known := _read(path)) is not None:
        return known
    peak = measure_peak(target, threads=threads, pin=pin, tell=tell)
    bandwidth = measure_bandwidth(threads=threads)
    roof = Roof(
        threads=threads,
        rates={rate.scheme: rate.gmacs_per_s for rate in peak.rates},
        bandwidth_gb_per_s=bandwidth.gb_per_s,
        reasons=(*peak.reasons, *bandwidth.reasons),
    )
    # What is short of the truth is measured again the next time.
    if not peak.reasons:
        _keep(path, roof)
    return roof


def _place(target: Target, threads: int, pin: Sequence[int] | None) -> Path:
    """Where the roof is kept: the name holds everything that it may depend on."""
    about = {
        "machine": device.describe_machine(),
        "versions": bundle.versions(),
        "format": target.format,
        "layout": target.layout,
        "schemes": target.schemes,
        "threads": threads,
        "pin": None if pin is None else sorted(pin),
    }
    name = digest_of(json.dumps(about, sort_keys=True).encode())
    return cache_folder() / f"roof-{name[:32]}.json"


def cache_folder() -> Path:
    """The user's folder for what edgecut can find out again, where the system has such folders."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home) / "edgecut" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "edgecut"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "edgecut"


def _read(path: Path) -> Roof | None:
    """What was kept; None where nothing was, or where it cannot be understood."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            return None
        return Roof(
            threads=int(data["threads"]),
            rates={str(scheme): float(rate) for scheme, rate in data["rates"].items()},
            bandwidth_gb_per_s=float(data["bandwidth_gb_per_s"]),
            reasons=tuple(map(str, data["reasons"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _keep(path: Path, roof: Roof) -> None:
    """Keep it if that can be; a cache that cannot be written costs time alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, json.dumps({"schema": SCHEMA, **asdict(roof)}, indent=1).encode())
    except (OSError, EdgecutError):
        return
