"""Latency of artifacts that run in turn on one machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from edgecut.device import SINGLE_STREAM_RUNS
from edgecut.errors import EdgecutError
from edgecut.measure.asking import ask
from edgecut.measure.contender import Contender
from edgecut.measure.measurement import Measurement, read_report

BURST_S = 0.1
PAUSE_S = 0.02
STARTS = 3
"""How often fresh processes begin anew, since one alone does not tell how they differ."""
SLOWEST_S = 2.0
"""A run that takes longer may end a single stream by its time limit."""
_SCENARIOS = ("single_stream_s", "offline_s", "energy_s")


def measure(
    contenders: Sequence[Contender],
    *,
    threads: int = 1,
    duration_s: float = 5.0,
    warm_up_s: float = 0.5,
    starts: int = STARTS,
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
        warm_up_s: seconds of running before that, at each start; no more than ``duration_s``.
        starts: how often all of them begin anew, in fresh processes that share ``duration_s``.
        precision: end each start as soon as every median in it, and its ratio to the first
            contender's, is known to this share (half a 95 % interval).
        pin: the only cores that may be used.
        sustain_s: seconds to run the last contender for afterwards, without a pause.
        scenarios: ``single_stream_s``, ``offline_s`` and ``energy_s``, seconds that each contender
            then runs alone, and ``meter``, see ``device.py``; by default none.
        timeout_s: seconds after which all is given up; by default ample for slow compilation.

    Returns:
        One measurement for each contender, in order.

    Raises:
        EdgecutError: ``bad-measurement`` (no contenders, equal names, no time, no such core),
            ``missing-package``, ``unknown-format``, ``artifact-not-found``, ``runtime-failed``.
    """
    spec = spec_of(
        contenders,
        threads=threads,
        duration_s=duration_s,
        warm_up_s=warm_up_s,
        starts=starts,
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
    starts: int = STARTS,
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
    _check(contenders, threads, duration_s, warm_up_s, starts)
    if precision is not None and not precision > 0:
        raise EdgecutError(f"cannot measure to a precision of {precision}", code="bad-measurement")
    return {
        "artifacts": [contender.entry(threads) for contender in contenders],
        "duration_s": duration_s,
        "warm_up_s": min(warm_up_s, duration_s),
        "starts": starts,
        "burst_s": min(BURST_S, duration_s / 10),
        "pause_s": PAUSE_S,
        "precision": precision,
        "pin": None if pin is None else list(pin),
        "sustain_s": sustain_s,
        **(scenarios or {}),
    }


def limit_s(spec: Mapping[str, Any]) -> float:
    """Seconds that a measurement may take: ample for slow compilation."""
    each_s = spec["starts"] * (180.0 + 3 * spec["warm_up_s"]) + 10 * spec["duration_s"]
    each_s += 10 * sum(spec.get(name) or 0 for name in _SCENARIOS)
    if spec.get("single_stream_s"):
        each_s += SLOWEST_S * SINGLE_STREAM_RUNS
    return float(spec["sustain_s"] + len(spec["artifacts"]) * each_s)


def _check(
    contenders: Sequence[Contender],
    threads: int,
    duration_s: float,
    warm_up_s: float,
    starts: int,
) -> None:
    names = [c.name for c in contenders]
    if not names or len(set(names)) < len(names):
        raise EdgecutError(
            f"a measurement needs artifacts with different names, not {names}",
            code="bad-measurement",
        )
    if min(threads, starts) < 1 or not duration_s > 0 or not warm_up_s >= 0:
        raise EdgecutError(
            f"cannot measure {duration_s} s after {warm_up_s} s with {threads} threads and "
            f"{starts} starts",
            code="bad-measurement",
            hint="the duration must be positive, and there must be a thread and a start",
        )


def _check_cores(pin: Sequence[int] | None) -> None:
    there = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if pin is not None and (not pin or not set(pin) <= there):
        raise EdgecutError(
            f"cannot pin to the cores {', '.join(map(str, pin)) or 'none'}",
            code="bad-measurement",
            hint=f"this process may use {', '.join(map(str, sorted(there))) or 'any'}",
        )
