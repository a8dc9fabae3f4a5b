"""How fast a runtime multiplies at best on this machine, from probes that it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError
from edgecut.measure.contender import Contender
from edgecut.measure.measurement import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An artifact whose time is products of matrices, and how many multiply-accumulates it has."""

    contender: Contender
    scheme: str
    macs: int

    @property
    def name(self) -> str:
        """The contender's."""
        return self.contender.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The best sustained rate in one scheme, and the probe that reached it.

    ``reasons`` say why its measurement may not be believed: a disturbed peak is a lower bound only.
    """

    scheme: str
    gmacs_per_s: float
    probe: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPeak:
    """The peak rates of one runtime with ``threads`` threads, one for each scheme.

    A rate is the *best* burst of the *best* probe: its MACs over the burst's median time.
    The best, not the mean, since a peak bounds from above: all that disturbs a burst makes it
    slower, and against a mean a good network could reach more than all of it. A burst's median,
    not the fastest run, since one run can be faster than what the chip sustains, or than its clock
    tells. Several probes, since which size suits the caches and the number of cores depends on
    the chip.
    """

    format: str
    runtime: str
    version: str
    device: str
    threads: int
    rates: tuple[Rate, ...]
    environment: Mapping[str, Any]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why any of the rates may not be believed."""
        return tuple(f"{rate.scheme}: {reason}" for rate in self.rates for reason in rate.reasons)


def peak_of(probes: Sequence[Probe], measurements: Sequence[Measurement]) -> MeasuredPeak:
    """The peak that measured probes show; they are of one format and device, matched by name.

    Raises:
        EdgecutError: ``bad-measurement`` where there is no probe, one was not measured, or the
            measurements are not of one run.
    """
    by_name = {one.name: one for one in measurements}
    if not probes or any(probe.name not in by_name for probe in probes):
        raise EdgecutError("a peak needs a measurement of every probe", code="bad-measurement")
    chosen = [by_name[probe.name] for probe in probes]
    kinds = {(p.contender.format, p.contender.device) for p in probes}
    if len(kinds) > 1 or len({(m.runtime, m.version, m.threads) for m in chosen}) > 1:
        raise EdgecutError(
            "the probes were not measured on one runtime, in one way", code="bad-measurement"
        )
    first = chosen[0]
    return MeasuredPeak(
        format=probes[0].contender.format,
        runtime=first.runtime,
        version=first.version,
        device=probes[0].contender.device,
        threads=first.threads,
        rates=tuple(
            _best([_rate(p, by_name[p.name]) for p in probes if p.scheme == scheme])
            for scheme in dict.fromkeys(probe.scheme for probe in probes)
        ),
        environment=first.environment,
    )


def _rate(probe: Probe, measured: Measurement) -> Rate:
    bursts_ms = [float(np.median(burst)) for burst in measured.bursts_ms]
    return Rate(
        scheme=probe.scheme,
        gmacs_per_s=probe.macs / min(bursts_ms) / 1e6,
        probe=probe.name,
        reasons=measured.reasons,
    )


def _best(rates: Sequence[Rate]) -> Rate:
    return max(rates, key=lambda rate: rate.gmacs_per_s)
