"""Latency of artifacts that run in turn on one machine, and what may be concluded from it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.artifact import Port
from edgecut.errors import EdgecutError
from edgecut.runtimes import (
    device_command,
    device_environment,
    entry_of,
    require_runtime,
    stderr_tail,
)

MIN_SAMPLES = 30
MAX_SPREAD = 0.5
MAX_DRIFT = 0.15
BURST_S = 0.1
PAUSE_S = 0.02
CONFIDENCE = 0.95
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An artifact that takes part in a measurement, under a name of its own."""

    name: str
    path: Path
    format: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    device: str = "CPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one contender took. ``bursts_ms`` holds every raw sample, burst by burst, in order.

    ``load_ms`` is creating the runtime's model (compilation included), without importing the
    runtime; ``first_ms`` the first invocation. Memory is resident memory of a process that holds
    only this artifact, Python and the runtime; None where the system does not tell.
    """

    name: str
    runtime: str
    version: str
    threads: int
    bursts_ms: tuple[tuple[float, ...], ...]
    import_ms: float
    load_ms: float
    first_ms: float
    peak_memory_bytes: int | None
    memory_before_load_bytes: int | None
    environment: Mapping[str, Any]
    reasons: tuple[str, ...]

    @property
    def samples_ms(self) -> tuple[float, ...]:
        """All samples in the order in which they were taken."""
        return tuple(sample for burst in self.bursts_ms for sample in burst)

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
    def verdict(self) -> str:
        """``VALID``, or ``INVALID`` where ``reasons`` says why."""
        return "INVALID" if self.reasons else "VALID"

    def to_json(self) -> dict[str, Any]:
        """Plain values, raw samples included."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "median_ms": self.median_ms,
            "p90_ms": self.p90_ms,
            "p99_ms": self.p99_ms,
            "import_ms": self.import_ms,
            "load_ms": self.load_ms,
            "first_ms": self.first_ms,
            "peak_memory_bytes": self.peak_memory_bytes,
            "memory_before_load_bytes": self.memory_before_load_bytes,
            "runtime": self.runtime,
            "version": self.version,
            "threads": self.threads,
            "environment": dict(self.environment),
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
    timeout_s: float | None = None,
) -> list[Measurement]:
    """Time the contenders in turn, each in a fresh process, through ``device.py bench``.

    Args:
        contenders: artifacts with different names.
        threads: CPU threads of the runtimes.
        duration_s: seconds of measuring for each contender.
        warm_up_s: seconds of running before that.
        timeout_s: seconds after which all is given up; by default ample for slow compilation.

    Returns:
        One measurement for each contender, in order.

    Raises:
        EdgecutError: ``bad-measurement`` (no contenders, equal names, no duration),
            ``missing-package``, ``unknown-format``, ``artifact-not-found``, ``runtime-failed``.
    """
    _check(contenders, threads, duration_s, warm_up_s)
    entries = [
        {
            "name": c.name,
            **entry_of(c.path, c.format, c.inputs, c.outputs, threads=threads, device=c.device),
        }
        for c in contenders
    ]
    spec = {
        "artifacts": entries,
        "duration_s": duration_s,
        "warm_up_s": warm_up_s,
        "burst_s": min(BURST_S, duration_s / 10),
        "pause_s": PAUSE_S,
    }
    limit_s = timeout_s or len(contenders) * (180.0 + 3 * warm_up_s + 10 * duration_s)
    return read_report(_bench(spec, limit_s), threads=threads)


def read_report(report: Mapping[str, Any], *, threads: int) -> list[Measurement]:
    """The measurements in a report of ``device.py bench``, here or on a device."""
    environment = report["environment"]
    return [_measurement(a, environment, threads) for a in report["artifacts"]]


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
    rounds = _burst_medians(of.bursts_ms) / _burst_medians(to.bursts_ms)
    picks = np.random.default_rng(0).integers(0, len(rounds), size=(_RESAMPLES, len(rounds)))
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(np.median(rounds[picks], axis=1), [tail, 100 - tail])
    return Ratio(
        of=of.name,
        to=to.name,
        ratio=float(np.median(rounds)),
        low=float(low),
        high=float(high),
        confidence=CONFIDENCE,
        pairs=len(rounds),
        reasons=tuple(f"{m.name}: {reason}" for m in (of, to) for reason in m.reasons),
    )


def doubts(
    bursts_ms: Sequence[Sequence[float]], environment: Mapping[str, Any], threads: int
) -> tuple[str, ...]:
    """Why a measurement should not be believed; empty where nothing speaks against it."""
    samples = np.concatenate([np.asarray(burst, dtype=np.float64) for burst in bursts_ms])
    load, cores = environment["before"]["load_average"], environment["cores"]
    found = []
    if len(samples) < MIN_SAMPLES:
        found.append(f"only {len(samples)} samples, {MIN_SAMPLES} are needed: measure longer")
    if load is not None and cores and load > cores:
        found.append(f"the load average was {load:.1f} on {cores} cores before the run")
    if cores and threads > cores:
        found.append(f"{threads} threads on {cores} cores")
    low, middle, high = np.percentile(samples, [10, 50, 90])
    if (spread := (high - low) / middle) > MAX_SPREAD:
        found.append(f"the samples spread too far: (p90 - p10) / median = {spread:.0%}")
    if (drift := _drift(_burst_medians(bursts_ms))) > MAX_DRIFT:
        found.append(f"the latency drifted by {drift:.0%} from the first third to the last")
    return tuple(found)


def _drift(medians: NDArray[np.float64]) -> float:
    third = max(1, len(medians) // 3)
    first, last = np.median(medians[:third]), np.median(medians[-third:])
    return float(abs(last / first - 1))


def _burst_medians(bursts_ms: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return np.array([np.median(burst) for burst in bursts_ms])


def _measurement(
    artifact: Mapping[str, Any], environment: Mapping[str, Any], threads: int
) -> Measurement:
    bursts_ms = tuple(tuple(ns / 1e6 for ns in burst) for burst in artifact["bursts_ns"])
    return Measurement(
        name=artifact["name"],
        runtime=artifact["runtime"],
        version=artifact["version"],
        threads=threads,
        bursts_ms=bursts_ms,
        import_ms=artifact["import_ms"],
        load_ms=artifact["load_ms"],
        first_ms=artifact["first_ms"],
        peak_memory_bytes=artifact["peak_memory_bytes"],
        memory_before_load_bytes=artifact["memory_before_load_bytes"],
        environment=environment,
        reasons=doubts(bursts_ms, environment, threads),
    )


def _check(
    contenders: Sequence[Contender], threads: int, duration_s: float, warm_up_s: float
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
    for contender in contenders:
        require_runtime(contender.format)
        if not contender.path.is_file():
            raise EdgecutError(f"{contender.path} is not a file", code="artifact-not-found")


def _bench(spec: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
    """The report of ``device.py bench``; every process is gone afterwards, whatever happens."""
    with (
        tempfile.TemporaryDirectory(prefix="edgecut-") as folder,
        tempfile.TemporaryFile() as stderr,
    ):
        spec_path = Path(folder) / "spec.json"
        spec_path.write_text(json.dumps(spec), encoding="utf-8")
        process = subprocess.Popen(
            device_command("bench", str(spec_path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=device_environment(),
            start_new_session=True,  # so that its children can be ended with it
        )
        try:
            stdout, _ = process.communicate(timeout=limit_s)
            if process.returncode != 0:
                raise ValueError(f"ended with exit code {process.returncode}")
            report: dict[str, Any] = json.loads(stdout)
            return report
        except (subprocess.TimeoutExpired, ValueError) as error:
            late = isinstance(error, subprocess.TimeoutExpired)
            what = f"did not end within {limit_s:g} s" if late else str(error)
            tail = stderr_tail(stderr)
            raise EdgecutError(
                f"the measurement {what}" + (f"; it said:\n{tail}" if tail else ""),
                code="runtime-failed",
                hint="`edgecut verify` shows whether each artifact runs at all",
            ) from error
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        # The group may outlive its leader: a hung child of a bench that failed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
