"""Latency of artifacts that run in turn on one machine, and what may be concluded from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.device import SINGLE_STREAM_RUNS
from edgecut.errors import EdgecutError
from edgecut.measure import environment as environments
from edgecut.measure import statistics
from edgecut.measure.asking import ask
from edgecut.measure.contender import Contender
from edgecut.measure.statistics import CONFIDENCE, Summary, burst_medians, interval

MIN_SAMPLES = 30
MAX_SPREAD = 0.5
MAX_DRIFT = 0.15
BURST_S = 0.1
PAUSE_S = 0.02
MAX_CHANCE = 0.01
"""A trend that chance alone gives more often than that is none."""
MAX_WAITED = 0.02
"""The share of its time that a process may be ready to run and have no core."""
MAX_STOPPED = 0.05
"""The share of its time that a process may neither run nor wait for a core."""
HANDOVER_MS = {"openvino": 0.1}
"""What a run may take beside the processor: OpenVINO wakes a thread of its own and waits for it."""


SCENARIOS = ("single_stream_s", "offline_s", "energy_s")
SLOWEST_S = 2.0
"""A run that takes longer may end a single stream by its time limit."""

# What a measurement holds just as the device says it.
_AS_TOLD = (
    *("name", "runtime", "version", "threads", "import_ms", "load_ms", "compile_ms"),
    *("cached_compile_ms", "first_ms", "peak_memory_bytes", "memory_before_load_bytes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one contender took. ``bursts_ms`` holds every raw sample, burst by burst, in order.

    ``import_ms`` is loading the runtime itself; ``load_ms`` reading the artifact, which lies in the
    system's cache already; ``compile_ms`` preparing it to run, ``cached_compile_ms`` the same
    where the runtime kept what it had prepared (None where it cannot); ``first_ms`` the first run.
    Memory is resident memory of a process that holds only this artifact, Python and the runtime;
    None where the system does not tell. ``sustained`` has an entry for each second of a sustained
    run; the scenarios after it are as the device tells of them, None where they were not run.
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
    sustained: tuple[Mapping[str, Any], ...] = ()
    single_stream: Mapping[str, Any] | None = None
    offline: Mapping[str, Any] | None = None
    energy: Mapping[str, Any] | None = None

    @property
    def samples_ms(self) -> tuple[float, ...]:
        """All samples in the order in which they were taken."""
        return tuple(sample for burst in self.bursts_ms for sample in burst)

    @property
    def summary(self) -> Summary:
        """The statistics of all samples."""
        return statistics.summary(self.bursts_ms)

    @property
    def median_ms(self) -> float:
        """The median of all samples."""
        return float(np.median(self.samples_ms))

    @property
    def p90_ms(self) -> float:
        """The 90th percentile of all samples."""
        return float(np.percentile(self.samples_ms, 90))

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of all samples."""
        return float(np.percentile(self.samples_ms, 99))

    @property
    def memory_bytes(self) -> int | None:
        """Peak memory above that of a process with the runtime and no artifact."""
        if self.peak_memory_bytes is None or self.memory_before_load_bytes is None:
            return None
        return self.peak_memory_bytes - self.memory_before_load_bytes

    @property
    def verdict(self) -> str:
        """``VALID``, or ``INVALID`` where ``reasons`` says why."""
        return "INVALID" if self.reasons else "VALID"

    @property
    def scenarios(self) -> dict[str, Any]:
        """What became of single stream, offline and energy; None for what was not measured."""
        single, offline, energy = self.single_stream, self.offline, self.energy
        return {
            "single_stream": single
            and {
                "runs": single["runs"],
                "seconds": single["seconds"],
                **{f"p{share}_ms": single[f"p{share}_ns"] / 1e6 for share in (50, 90, 99)},
            },
            "offline": offline and {**offline, "runs_per_s": offline["runs"] / offline["seconds"]},
            "energy": energy
            and {
                **energy,
                "mj_per_run": 1e3 * energy["joules"] / energy["runs"],
                "mj_per_run_above_idle": 1e3
                * (energy["joules"] - energy["idle_w"] * energy["seconds"])
                / energy["runs"],
            },
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
            "threads": self.threads,
            "sustained": [dict(second) for second in self.sustained],
            **self.scenarios,
            "bursts_ms": [list(burst) for burst in self.bursts_ms],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as long one contender takes as another, with a confidence interval."""

    of: str
    to: str
    ratio: float
    low: float
    high: float
    confidence: float
    pairs: int
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``VALID`` where both measurements are."""
        return "INVALID" if self.reasons else "VALID"


def measure(
    contenders: Sequence[Contender],
    *,
    threads: int = 1,
    duration_s: float = 5.0,
    warm_up_s: float = 0.5,
    precision: float | None = None,
    pin: Sequence[int] | None = None,
    sustain_s: float = 0.0,
    scenarios: Mapping[str, Any] | None = None,
    timeout_s: float | None = None,
) -> list[Measurement]:
    """Time the contenders in turn, each in a fresh process, through ``device.py bench``.

    Args:
        contenders: artifacts with different names.
        threads: CPU threads of the runtimes.
        duration_s: seconds of measuring for each contender.
        warm_up_s: seconds of running before that.
        precision: end as soon as every median, and its ratio to the first contender's, is known
            to this share (half a 95 % interval).
        pin: the only cores that may be used.
        sustain_s: seconds to run the last contender for afterwards, without a pause.
        scenarios: ``single_stream_s``, ``offline_s`` and ``energy_s``, seconds that each contender
            then runs alone, and ``meter``, see ``device.py``; by default none.
        timeout_s: seconds after which all is given up; by default ample for slow compilation.

    Returns:
        One measurement for each contender, in order.

    Raises:
        EdgecutError: ``bad-measurement`` (no contenders, equal names, no duration, no such core),
            ``missing-package``, ``unknown-format``, ``artifact-not-found``, ``runtime-failed``.
    """
    spec = spec_of(
        contenders,
        threads=threads,
        duration_s=duration_s,
        warm_up_s=warm_up_s,
        precision=precision,
        pin=pin,
        sustain_s=sustain_s,
        scenarios=scenarios,
    )
    for contender in contenders:
        contender.check()
    _check_cores(pin)
    report = ask("bench", spec, limit_s=timeout_s or limit_s(spec), what="the measurement")
    return read_report(report, contenders)


def spec_of(
    contenders: Sequence[Contender],
    *,
    threads: int = 1,
    duration_s: float = 5.0,
    warm_up_s: float = 0.5,
    precision: float | None = None,
    pin: Sequence[int] | None = None,
    sustain_s: float = 0.0,
    scenarios: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What ``device.py bench`` is told to measure, here or elsewhere; the paths are files here.

    The arguments are those of ``measure``.

    Raises:
        EdgecutError: ``bad-measurement``.
    """
    _check(contenders, threads, duration_s, warm_up_s)
    if precision is not None and not precision > 0:
        raise EdgecutError(f"cannot measure to a precision of {precision}", code="bad-measurement")
    return {
        "artifacts": [contender.entry(threads) for contender in contenders],
        "duration_s": duration_s,
        "warm_up_s": warm_up_s,
        "burst_s": min(BURST_S, duration_s / 10),
        "pause_s": PAUSE_S,
        "precision": precision,
        "pin": None if pin is None else list(pin),
        "sustain_s": sustain_s,
        **(scenarios or {}),
    }


def limit_s(spec: Mapping[str, Any]) -> float:
    """Seconds that a measurement may take: ample for slow compilation."""
    each_s = 180.0 + 3 * spec["warm_up_s"] + 10 * spec["duration_s"]
    each_s += 10 * sum(spec.get(name) or 0 for name in SCENARIOS)
    if spec.get("single_stream_s"):
        each_s += SLOWEST_S * SINGLE_STREAM_RUNS
    return float(spec["sustain_s"] + len(spec["artifacts"]) * each_s)


def read_report(report: Mapping[str, Any], contenders: Sequence[Contender]) -> list[Measurement]:
    """The measurements of these contenders in a report of ``device.py bench``, here or elsewhere.

    Raises:
        EdgecutError: ``bad-report`` unless it tells of these contenders.
    """
    names = [artifact["name"] for artifact in report["artifacts"]]
    if names != [contender.name for contender in contenders]:
        raise EdgecutError(f"the report tells of {names}, not of what was asked", code="bad-report")
    found = [
        _measurement(artifact, contender, report["environment"])
        for artifact, contender in zip(report["artifacts"], contenders, strict=True)
    ]
    if report.get("sustained"):
        found[-1] = replace(found[-1], sustained=tuple(report["sustained"]))
    return found


def ratio(of: Measurement, to: Measurement) -> Ratio:
    """The median over all rounds of (median of ``of``'s burst) / (median of ``to``'s burst).

    Both bursts of a round lie next to each other in time, so what slows the machine down slows
    both. The interval is a percentile bootstrap over the rounds, seeded: the same measurements
    give the same interval.

    Raises:
        EdgecutError: ``not-interleaved`` unless both come from the same call of ``measure``.
    """
    if of.environment != to.environment or len(of.bursts_ms) != len(to.bursts_ms):
        raise EdgecutError(
            f"'{of.name}' and '{to.name}' were not measured in turn, so they do not compare",
            code="not-interleaved",
            hint="measure both in one call",
        )
    rounds = burst_medians(of.bursts_ms) / burst_medians(to.bursts_ms)
    reasons = tuple(f"{m.name}: {reason}" for m in (of, to) for reason in m.reasons)
    return ratio_of(of.name, to.name, rounds, reasons)


def ratio_of(of: str, to: str, rounds: NDArray[np.float64], reasons: tuple[str, ...]) -> Ratio:
    """The median ratio of all rounds, with its interval."""
    low, high = interval(rounds)
    return Ratio(
        of=of,
        to=to,
        ratio=float(np.median(rounds)),
        low=low,
        high=high,
        confidence=CONFIDENCE,
        pairs=len(rounds),
        reasons=reasons,
    )


def _measurement(
    artifact: Mapping[str, Any], contender: Contender, environment: Mapping[str, Any]
) -> Measurement:
    bursts_ms = tuple(tuple(ns / 1e6 for ns in burst["ns"]) for burst in artifact["bursts"])
    return Measurement(
        **{name: artifact[name] for name in _AS_TOLD},
        bursts_ms=bursts_ms,
        environment=environment,
        single_stream=artifact["single_stream"],
        offline=artifact["offline"],
        energy=artifact["energy"],
        reasons=(
            *contender.doubts(artifact),
            *environments.disturbances(environment),
            *_interruptions(artifact, contender, environment["cores"]),
            *doubts(bursts_ms),
        ),
    )


def doubts(bursts_ms: statistics.Bursts) -> Iterator[str]:
    """What speaks against the samples themselves."""
    samples = np.concatenate([np.asarray(burst, dtype=np.float64) for burst in bursts_ms])
    if len(samples) < MIN_SAMPLES:
        yield f"only {len(samples)} samples, {MIN_SAMPLES} are needed: measure longer"
    low, middle, high = np.percentile(samples, [10, 50, 90])
    if (spread := (high - low) / middle) > MAX_SPREAD:
        yield f"the samples spread too far: (p90 - p10) / median = {spread:.0%}"
    moved, chance = statistics.drift(bursts_ms)
    if abs(moved) > MAX_DRIFT and chance < MAX_CHANCE:
        yield f"the latency drifted by {moved:+.0%} from the first third to the last"


def _interruptions(
    artifact: Mapping[str, Any], contender: Contender, cores: int | None
) -> Iterator[str]:
    """Whether the process could run when it wanted to."""
    bursts, threads = artifact["bursts"], artifact["threads"]
    if cores and threads > cores:
        yield f"{threads} threads on {cores} cores"
    wall = sum(burst["wall_ns"] for burst in bursts)
    waited = sum(burst["waited_ns"] or 0 for burst in bursts) / threads
    if waited > MAX_WAITED * wall:
        # More threads than were asked for may have waited.
        share = min(waited / wall, 1.0)
        yield f"it waited for a core for {share:.0%} of its time: other programs run"
    runs = sum(len(burst["ns"]) for burst in bursts)
    handover = runs * HANDOVER_MS.get(artifact["runtime"], 0.0) * 1e6
    stopped = wall - sum(burst["on_cores_ns"] for burst in bursts) - waited - handover
    if contender.device == "CPU" and stopped > MAX_STOPPED * wall:
        yield f"it was stopped for {stopped / wall:.0%} of its time: something throttles it"


def _check(
    contenders: Sequence[Contender],
    threads: int,
    duration_s: float,
    warm_up_s: float,
) -> None:
    names = [c.name for c in contenders]
    if not names or len(set(names)) < len(names):
        raise EdgecutError(
            f"a measurement needs artifacts with different names, not {names}",
            code="bad-measurement",
        )
    if threads < 1 or not duration_s > 0 or not warm_up_s >= 0:
        raise EdgecutError(
            f"cannot measure {duration_s} s after {warm_up_s} s with {threads} threads",
            code="bad-measurement",
            hint="the duration must be positive, and there must be a thread",
        )


def _check_cores(pin: Sequence[int] | None) -> None:
    there = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if pin is not None and (not pin or not set(pin) <= there):
        raise EdgecutError(
            f"cannot pin to the cores {', '.join(map(str, pin)) or 'none'}",
            code="bad-measurement",
            hint=f"this process may use {', '.join(map(str, sorted(there))) or 'any'}",
        )
