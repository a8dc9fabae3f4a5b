"""Two records of ``edgecut bench --json``: what became slower, if the two may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError
from edgecut.measure import recorded
from edgecut.measure.statistics import burst_medians, middle, resampled

SCHEMA = "edgecut.bench/1"
MIN_BURSTS = 5
"""Fewer bursts do not tell how far their medians scatter."""

Row = Mapping[str, Any]
Key = tuple[str, str, int]
"""Artifact, network, threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One artifact's latency in two records: the median of its bursts' medians.

    ``low`` to ``high`` is the interval of ``ratio``, which is the new one over the old.
    ``faults`` says why it cannot be judged, ``notes`` what else changed.
    """

    artifact: str
    network: str
    threads: int
    old_ms: float
    new_ms: float
    ratio: float
    low: float
    high: float
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    def verdict(self, tolerance: float) -> str:
        """What the interval shows, where longer by at most that share is still as fast.

        ``slower``, ``faster`` or ``as fast``; ``unclear`` where the interval is too wide to tell,
        ``not judged`` where there are faults.
        """
        if self.faults:
            return "not judged"
        if self.low > 1 + tolerance:
            return "slower"
        if self.high < 1 / (1 + tolerance):
            return "faster"
        return "as fast" if self.high <= 1 + tolerance else "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two records have in common, and what only one of them holds."""

    changes: tuple[Change, ...]
    only_old: tuple[Key, ...]
    only_new: tuple[Key, ...]


def compare(old: Path, new: Path) -> Comparison:
    """The latencies of two records, row by row.

    The interval of a ratio draws the starts and bursts of each record by themselves: the two were
    not taken in turn, so what changed on the machine between them is in the ratio, too.

    Raises:
        EdgecutError: ``bad-record`` for a file that is no such record, ``other-environment`` where
            the machines or their settings differ, ``nothing-in-common``.
    """
    records = read(old), read(new)
    first, second = (
        _by_key(record, path) for record, path in zip(records, (old, new), strict=True)
    )
    if apart := differences(*map(machine_of, records)):
        raise EdgecutError(
            f"{old} and {new} were measured in different environments: {'; '.join(apart)}",
            code="other-environment",
            hint="measure both on the same machine, set up alike",
        )
    common = [key for key in first if key in second]
    if not common:
        raise EdgecutError(
            f"{old} and {new} have no artifact in common",
            code="nothing-in-common",
            hint="they must be measured at the same numbers of threads, too",
        )
    faults, notes = _harnesses(*records)
    changes = (_change(key, first[key], second[key]) for key in common)
    return Comparison(
        changes=tuple(
            replace(one, faults=(*faults, *one.faults), notes=(*notes, *one.notes))
            for one in changes
        ),
        only_old=tuple(key for key in first if key not in second),
        only_new=tuple(key for key in second if key not in first),
    )


def read(path: Path) -> dict[str, Any]:
    """A record of a benchmark, with what a comparison needs of it.

    Raises:
        EdgecutError: ``bad-record``.
    """
    return recorded.read(path, SCHEMA)


def machine_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for two records to compare; no device is the machine at hand."""
    return {"device": record.get("device") or "this machine", **record["environment"]}


def _by_key(record: Mapping[str, Any], path: Path) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for row in record["rows"]:
        key = (row["artifact"], row["network"], row["threads"])
        if key in found:
            raise recorded.bad(path, ValueError(f"{key} is there twice"))
        if sum(_rounds(row)) != len(row["bursts_ms"]):
            raise recorded.bad(path, ValueError(f"the starts of {key} have other bursts"))
        found[key] = row
    return found


def _rounds(row: Row) -> list[int]:
    """How many bursts each start has; older records are of one start."""
    return [start["bursts"] for start in row.get("starts") or ()] or [len(row["bursts_ms"])]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Where two machines are not the same, by the names of the facts."""
    return [
        f"{name} {old.get(name)} and {new.get(name)}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _harnesses(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Faults and notes of all rows: what ran the artifacts may be what became slower.

    A record that does not tell is of an edgecut that did not yet, and so of another script.
    """
    before, after = (record.get("harness", {}) for record in (old, new))
    if before.get("device_sha256") != after.get("device_sha256"):
        return ("measured by another version of the harness: what ran it may be what changed",), ()
    versions = [one.get("edgecut") for one in (before, after)]
    return (), () if versions[0] == versions[1] else (f"edgecut {versions[0]}, then {versions[1]}",)


def _change(key: Key, old: Row, new: Row) -> Change:
    medians = burst_medians(old["bursts_ms"]), burst_medians(new["bursts_ms"])
    low, high = _interval(old, new)
    faults = [
        f"{which}: {reason}"
        for which, row in (("old", old), ("new", new))
        for reason in row["reasons"]
    ]
    if old["runtime"] != new["runtime"]:
        faults.append(f"measured on {old['runtime']}, then on {new['runtime']}")
    if (fewest := min(map(len, medians))) < MIN_BURSTS:
        faults.append(f"only {fewest} bursts, {MIN_BURSTS} are needed: measure longer")
    counts = [row.get("gmacs") for row in (old, new)]
    notes = [] if counts[0] == counts[1] else [f"{counts[0]} GMACs, then {counts[1]}"]
    return Change(
        artifact=key[0],
        network=key[1],
        threads=key[2],
        old_ms=float(np.median(medians[0])),
        new_ms=float(np.median(medians[1])),
        ratio=float(np.median(medians[1]) / np.median(medians[0])),
        low=low,
        high=high,
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _interval(old: Row, new: Row) -> tuple[float, float]:
    """The interval of the ratio of the medians of bursts, by the bootstrap."""
    random = np.random.default_rng(0)
    above, below = (
        resampled(burst_medians(row["bursts_ms"]), _rounds(row), random) for row in (new, old)
    )
    return middle(above / below)
