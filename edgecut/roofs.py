"""The roofs over what was measured: peaks and memory bandwidth, measured once and kept.

A roof takes ten seconds and more to measure, and is that of the machine and the runtime. So it is
kept in the user's cache, under all that it may depend on.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgecut import bundle, probe
from edgecut.errors import EdgecutError
from edgecut.measure.asking import ask
from edgecut.measure.environment import machine
from edgecut.measure.harness import harness
from edgecut.measure.latency import limit_s
from edgecut.measure.measurement import Measurement
from edgecut.measure.peak import Probe
from edgecut.network import digest_of
from edgecut.probe import probe_spec, read_probes, write_probes
from edgecut.progress import Tell, nobody
from edgecut.saving import save
from edgecut.target import Target

SCHEMA = "edgecut.roof/1"
# The CPU runtimes widen float16 when they load it.
COMPUTES_IN = {"float32": "float32", "float16": "float32", "int8": "int8"}
DOUBTED_FOR_S = 3600.0
"""A roof that something disturbed is measured again when it is older."""
LEFT_OUT = "measuring the peak was left out"

Place = tuple[object, ...]
"""What tells the roofs over one device apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a runtime reaches on a machine at best; 10^9 MACs and 10^9 bytes a second.

    ``rates`` has one for each scheme that was probed. ``reasons`` say why the real roof may be
    higher: then shares of it are upper bounds. ``doubtful`` where a measurement at another time
    may be a better one. ``measured_at`` is in UTC, as ISO 8601 has it.
    """

    threads: int
    rates: Mapping[str, float]
    bandwidth_gb_per_s: float
    reasons: tuple[str, ...]
    doubtful: bool
    measured_at: str

    def __post_init__(self) -> None:
        """Refuse what no rate can be: ``bad-measurement``."""
        figures = (*self.rates.values(), self.bandwidth_gb_per_s)
        if not all(math.isfinite(figure) and figure > 0 for figure in figures):
            raise EdgecutError(
                f"a roof of {dict(self.rates)} GMAC/s and {self.bandwidth_gb_per_s} GB/s cannot be",
                code="bad-measurement",
            )

    def rate(self, scheme: str) -> float | None:
        """The peak of what that scheme computes in; None where it was not probed."""
        return self.rates.get(COMPUTES_IN[scheme])


RoofOrReason = Roof | str
"""A roof, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a roof stands on: all that it may depend on.

    ``schemes`` are those that are computed in, ``device`` is what the user calls a device over
    ssh, and ``machine`` what stays the same there from run to run.
    """

    target: Target
    schemes: tuple[str, ...]
    threads: int
    runtime: str
    machine: Mapping[str, Any]
    device: str = ""

    @property
    def path(self) -> Path:
        """Where its roof is kept: the name holds everything that is here."""
        about = {
            "target": repr(_place(self.target, self.threads)),
            "schemes": self.schemes,
            "runtime": self.runtime,
            "machine": self.machine,
            "device": self.device,
            "probes": repr(probe.CHAINS),
            # Between two releases these stay the same, whatever measures.
            "versions": bundle.versions(),
            "harness": harness()["device_sha256"],
        }
        name = digest_of(json.dumps(about, sort_keys=True).encode())
        return cache_folder() / f"roof-{name[:32]}.json"

    def read(self, report: Mapping[str, Any], probes: Iterable[Probe]) -> Roof:
        """The roof that a report of the probes tells of; it is kept.

        Raises:
            EdgecutError: what ``read_probes`` raises, ``bad-measurement``.
        """
        peak, bandwidth = read_probes(report, list(probes))
        roof = Roof(
            threads=self.threads,
            rates={rate.scheme: rate.gmacs_per_s for rate in peak.rates},
            bandwidth_gb_per_s=bandwidth.gb_per_s,
            reasons=(*peak.reasons, *bandwidth.reasons),
            doubtful=bool(peak.reasons),
            measured_at=str(peak.environment["after"]["time"]),
        )
        _keep(self.path, roof)
        return roof

    def kept(self) -> Roof | None:
        """The roof that was kept; None where there is none, or a doubtful one that is too old."""
        roof = _read(self.path)
        if roof is None or not roof.doubtful:
            return roof
        age_s = time.time() - self.path.stat().st_mtime
        return roof if 0 <= age_s < DOUBTED_FOR_S else None

    @contextmanager
    def probing(self, tell: Tell = nobody) -> Iterator[tuple[list[Probe], dict[str, Any]]]:
        """The probes, whose files are there as long as the context is, and the spec to run them.

        Raises:
            EdgecutError: what ``write_probes`` raises.
        """
        with TemporaryDirectory(prefix="edgecut-") as folder:
            probes = write_probes(self.target, Path(folder), schemes=self.schemes, tell=tell)
            yield probes, probe_spec(probes, threads=self.threads, pin=self.machine.get("pinned"))


def grounds(
    seen: Iterable[tuple[Target, str, Measurement]], *, device: str = ""
) -> dict[Place, Ground]:
    """The grounds that roofs are needed for, from what was measured on a device's processor.

    Args:
        seen: the target, the scheme and the measurement of each artifact.
        device: what the user calls the device, empty for this machine.
    """
    found: dict[Place, Ground] = {}
    for target, scheme, measured in seen:
        place = _place(target, measured.threads)
        before = found[place].schemes if place in found else ()
        schemes = tuple(sorted({*before, COMPUTES_IN[scheme]}))
        found[place] = Ground(
            # Here it runs on the processor, and in what the processor computes in.
            target=replace(target, device="CPU", operations=(), schemes=schemes),
            schemes=schemes,
            threads=measured.threads,
            runtime=f"{measured.runtime} {measured.version}",
            machine=machine(measured.environment),
            device=device,
        )
    return found


def over(found: Mapping[Place, RoofOrReason], target: Target, threads: int) -> RoofOrReason:
    """The roof over a target's artifacts with that many threads, of those that were found."""
    return found.get(_place(target, threads), LEFT_OUT)


def roofs_here(wanted: Mapping[Place, Ground], *, tell: Tell = nobody) -> dict[Place, RoofOrReason]:
    """The roofs of this machine: what was kept of them, else measured."""
    found: dict[Place, RoofOrReason] = {}
    for place, ground in wanted.items():
        try:
            found[place] = _here(ground, tell)
        except EdgecutError as error:
            found[place] = why_not(error)
    return found


def why_not(error: EdgecutError) -> str:
    """Why there is no roof; that is no error, for a latency does not depend on it."""
    return f"the peak could not be measured: {error.message}"


def _here(ground: Ground, tell: Tell) -> Roof:
    if (known := ground.kept()) is not None:
        return known
    with ground.probing(tell) as (probes, spec):
        tell("measure the peak", 0, 1)
        report = ask("bench", spec, limit_s=limit_s(spec), what="the peak's measurement")
        tell("measure the peak", 1, 1)
        return ground.read(report, probes)


def _place(target: Target, threads: int) -> Place:
    return (target.format, target.layout, target.int8, threads)


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
            doubtful=bool(data["doubtful"]),
            measured_at=str(data["measured_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EdgecutError):
        return None


def _keep(path: Path, roof: Roof) -> None:
    """Keep it if that can be; a cache that cannot be written costs time alone."""
    if roof.doubtful and (known := _read(path)) is not None and not known.doubtful:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, json.dumps({"schema": SCHEMA, **asdict(roof)}, indent=1).encode())
    except (OSError, EdgecutError):
        return
