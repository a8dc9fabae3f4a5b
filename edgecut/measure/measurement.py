"""What one artifact took, as ``device.py bench`` tells of it, and what may be believed of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError
from edgecut.measure import environment as environments
from edgecut.measure import statistics
from edgecut.measure.contender import Contender
from edgecut.measure.judging import doubts, interruptions
from edgecut.measure.statistics import Summary

SCENARIOS = ("single_stream", "offline", "energy")

# What is measured anew at each start, and tells by its median over them.
_AT_START = ("import_ms", "load_ms", "compile_ms", "first_ms")
_MEMORY = ("peak_memory_bytes", "memory_before_load_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one contender took. ``bursts_ms`` holds every raw sample, burst by burst, in order.

    ``import_ms`` is loading the runtime itself; ``load_ms`` reading the artifact, which lies in the
    system's cache already; ``compile_ms`` preparing it to run, ``cached_compile_ms`` the same
    where the runtime kept what it had prepared (None where it cannot); ``first_ms`` the first run:
    medians over the ``starts``, which hold what each of them took and how many ``bursts`` are its.
    Memory is resident memory of a process that holds only this artifact, Python and the runtime,
    at the start that took most; None where the system does not tell. ``delegate`` is ``XNNPACK`` or
    ``none`` on LiteRT, None where nothing tells. ``sustained`` has an entry for each second of a
    sustained run; the scenarios after it are as the device tells of them, with the ``reasons`` not
    to believe them, None where they were not run; ``energy_fault`` is why there is no energy.
    """

    name: str
    runtime: str
    version: str
    threads: int
    bursts_ms: tuple[tuple[float, ...], ...]
    import_ms: float
    load_ms: float
    compile_ms: float
    cached_compile_ms: float | None
    first_ms: float
    peak_memory_bytes: int | None
    memory_before_load_bytes: int | None
    environment: Mapping[str, Any]
    reasons: tuple[str, ...]
    delegate: str | None = None
    starts: tuple[Mapping[str, Any], ...] = ()
    sustained: tuple[Mapping[str, Any], ...] = ()
    sustained_reasons: tuple[str, ...] = ()
    single_stream: Mapping[str, Any] | None = None
    offline: Mapping[str, Any] | None = None
    energy: Mapping[str, Any] | None = None
    energy_fault: str | None = None

    @property
    def samples_ms(self) -> tuple[float, ...]:
        """All samples in the order in which they were taken."""
        return tuple(sample for burst in self.bursts_ms for sample in burst)

    @property
    def rounds(self) -> tuple[int, ...]:
        """How many bursts each start has."""
        return tuple(start["bursts"] for start in self.starts) or (len(self.bursts_ms),)

    @property
    def summary(self) -> Summary:
        """The statistics of all samples."""
        return statistics.summary(self.bursts_ms, self.rounds)

    @property
    def median_ms(self) -> float:
        """The median of the bursts' medians, as in ``summary``."""
        return float(np.median(statistics.burst_medians(self.bursts_ms)))

    @property
    def p90_ms(self) -> float:
        """The 90th percentile of all samples."""
        return float(np.percentile(self.samples_ms, 90))

    @property
    def p99_ms(self) -> float | None:
        """The 99th percentile of all samples; None where they are fewer than 100."""
        return statistics.p99(self.samples_ms)

    @property
    def memory_bytes(self) -> int | None:
        """Peak memory above that of a process with the runtime and no artifact."""
        if self.peak_memory_bytes is None or self.memory_before_load_bytes is None:
            return None
        return self.peak_memory_bytes - self.memory_before_load_bytes

    @property
    def verdict(self) -> str:
        """``VALID``, or ``INVALID`` where ``reasons`` says why."""
        return _verdict(self.reasons)

    @property
    def all_reasons(self) -> Iterator[str]:
        """Why not to believe the latency or anything that was measured after it."""
        yield from self.reasons
        yield from (f"sustained: {reason}" for reason in self.sustained_reasons)
        for name in SCENARIOS:
            told = (getattr(self, name) or {}).get("reasons", ())
            yield from (f"{name.replace('_', ' ')}: {reason}" for reason in told)

    @property
    def scenarios(self) -> dict[str, Any]:
        """What became of single stream, offline and energy; None for what was not measured."""
        figures = {"single_stream": _single_stream, "offline": _offline, "energy": _energy}
        found = {name: getattr(self, name) for name in SCENARIOS}
        return {
            name: told
            and {
                **figures[name](told),
                "verdict": _verdict(told["reasons"]),
                "reasons": list(told["reasons"]),
                "state": {moment: dict(told[moment]) for moment in ("before", "after")},
            }
            for name, told in found.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values, raw samples included, without the environment."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            **asdict(self.summary),
            "import_ms": self.import_ms,
            "load_ms": self.load_ms,
            "compile_ms": self.compile_ms,
            "cached_compile_ms": self.cached_compile_ms,
            "first_ms": self.first_ms,
            "memory_bytes": self.memory_bytes,
            "peak_memory_bytes": self.peak_memory_bytes,
            "memory_before_load_bytes": self.memory_before_load_bytes,
            "runtime": self.runtime,
            "version": self.version,
            "delegate": self.delegate,
            "threads": self.threads,
            "starts": [dict(start) for start in self.starts],
            "sustained": [dict(second) for second in self.sustained],
            "sustained_verdict": _verdict(self.sustained_reasons) if self.sustained else None,
            "sustained_reasons": list(self.sustained_reasons),
            **self.scenarios,
            "energy_fault": self.energy_fault,
            "bursts_ms": [list(burst) for burst in self.bursts_ms],
        }


def read_report(report: Mapping[str, Any], contenders: Sequence[Contender]) -> list[Measurement]:
    """The measurements of these contenders in a report of ``device.py bench``, here or elsewhere.

    Raises:
        EdgecutError: ``bad-report`` unless it tells of these contenders.
    """
    names = [artifact["name"] for artifact in report["artifacts"]]
    if names != [contender.name for contender in contenders]:
        raise EdgecutError(f"the report tells of {names}, not of what was asked", code="bad-report")
    last = len(contenders) - 1
    return [
        _measurement(
            artifact,
            contenders[place],
            report["environment"],
            report.get("sustained") if place == last else None,
        )
        for place, artifact in enumerate(report["artifacts"])
    ]


def _measurement(
    artifact: Mapping[str, Any],
    contender: Contender,
    environment: Mapping[str, Any],
    sustained: Mapping[str, Any] | None,
) -> Measurement:
    starts = artifact["starts"]
    first = starts[0]
    bursts = [burst for start in starts for burst in start["bursts"]]
    bursts_ms = tuple(tuple(ns / 1e6 for ns in burst["ns"]) for burst in bursts)
    largest = max(starts, key=lambda start: start["peak_memory_bytes"] or 0)
    single, offline, energy = (_scenario(artifact[name], environment) for name in SCENARIOS)
    fault = None if energy is None else energy.get("fault")
    return Measurement(
        name=artifact["name"],
        **{name: first[name] for name in ("runtime", "version", "threads", "delegate")},
        **_medians(starts),
        **{name: largest[name] for name in _MEMORY},
        cached_compile_ms=artifact["cached_compile_ms"],
        bursts_ms=bursts_ms,
        starts=tuple(
            {name: start[name] for name in (*_AT_START, *_MEMORY)}
            | {"bursts": len(start["bursts"])}
            for start in starts
        ),
        environment=environment,
        sustained=tuple(sustained["curve"]) if sustained else (),
        # What heat does is what a sustained run is for.
        sustained_reasons=_disturbances(sustained, environment, heat=False) if sustained else (),
        single_stream=single,
        offline=offline,
        energy=energy if fault is None else None,
        energy_fault=fault,
        reasons=(
            *contender.doubts(_identity(artifact)),
            *environments.disturbances(environment),
            *interruptions(
                bursts,
                threads=first["threads"],
                cores=environment["cores"],
                on_cpu=contender.device == "CPU",
            ),
            *doubts(bursts_ms),
        ),
    )


def _medians(starts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: float(np.median([start[name] for start in starts])) for name in _AT_START}


def _identity(artifact: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured: the first start's file, and the first after it that is another one."""
    first, *others = artifact["starts"]
    seen = [*(start["sha256"] for start in others), artifact["sha256_after"]]
    changed = next((sha256 for sha256 in seen if sha256 != first["sha256"]), first["sha256"])
    told = {name: first[name] for name in ("sha256", "runtime", "version")}
    return {**told, "sha256_after": changed}


def _scenario(
    told: Mapping[str, Any] | None, environment: Mapping[str, Any]
) -> dict[str, Any] | None:
    return None if told is None else {**told, "reasons": _disturbances(told, environment)}


def _disturbances(
    told: Mapping[str, Any], environment: Mapping[str, Any], *, heat: bool = True
) -> tuple[str, ...]:
    """What disturbed that which ran between two moments of its own."""
    window = {"before": told["before"], "after": told["after"], "during": ()}
    return tuple(environments.disturbances({**environment, **window}, heat=heat))


def _verdict(reasons: Sequence[str]) -> str:
    return "INVALID" if reasons else "VALID"


def _single_stream(told: Mapping[str, Any]) -> dict[str, Any]:
    shares = {f"p{share}_ms": told[f"p{share}_ns"] / 1e6 for share in (50, 90, 99)}
    return {"runs": told["runs"], "seconds": told["seconds"], **shares}


def _offline(told: Mapping[str, Any]) -> dict[str, Any]:
    figures = {name: told[name] for name in ("runs", "seconds", "streams")}
    return {**figures, "runs_per_s": told["runs"] / told["seconds"]}


def _energy(told: Mapping[str, Any]) -> dict[str, Any]:
    """Joules are those between two readings, which lie a little before and after the runs."""
    figures = ("meter", "joules", "metered_s", "runs", "seconds", "idle_w")
    above_idle = told["joules"] - told["idle_w"] * told["metered_s"]
    return {
        **{name: told[name] for name in figures},
        "mj_per_run": 1e3 * told["joules"] / told["runs"],
        "mj_per_run_above_idle": 1e3 * above_idle / told["runs"],
    }
