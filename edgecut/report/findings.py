"""What is known of a bundle: how it was built, and the records that were kept of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import __version__, bundle
from edgecut.measure.recorded import bad
from edgecut.records import Record, kept

Row = Mapping[str, Any]
MEASURES = ("ap50", "top1")
SAMPLES = ("bursts_ms", "profiled_ms", "samples_ms", "sustained")
_MISSING = {
    "bench": "latency: edgecut bench FOLDER",
    "profile": "where the time goes: edgecut profile FOLDER",
    "evaluate": "accuracy: edgecut evaluate FOLDER --samples or --coco",
}


@dataclass(frozen=True)
class Bench:
    """A record of ``edgecut bench``: what one machine took."""

    record: Record
    place: str
    """The machine as part of an identifier."""

    @property
    def where(self) -> str:
        """The machine: the device's name, or else the processor's."""
        return self.record.device or str(self.environment.get("cpu") or "this machine")

    @property
    def stale(self) -> bool:
        """Whether the bundle was built anew since."""
        return self.record.stale

    @property
    def verdict(self) -> str:
        """``VALID`` or ``INVALID``."""
        return "VALID" if self.record.data["verdict"] == "VALID" else "INVALID"

    @property
    def rows(self) -> Sequence[Row]:
        """What was measured: a row for each artifact, network and number of threads."""
        rows: Sequence[Row] = self.record.data["rows"]
        return rows

    @property
    def ratios(self) -> Sequence[Row]:
        """Each ratio to the cut's latency."""
        ratios: Sequence[Row] = self.record.data["ratios"]
        return ratios

    @property
    def frames(self) -> Sequence[Row]:
        """Whole frames of a camera loop; none where none ran."""
        frames: Sequence[Row] = self.record.data["camera_loop"]
        return frames

    @property
    def environment(self) -> Mapping[str, Any]:
        """The machine's facts."""
        environment: Mapping[str, Any] = self.record.data["environment"]
        return environment

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why rows are INVALID: the worst reason of each kind, and how many rows have one.

        Reasons of one kind differ in their numbers alone.
        """
        told = (reason for row in self.rows for reason in row["reasons"])
        return tuple(
            f"{len(kind)} of {len(self.rows)}{', at worst' if len(set(kind)) > 1 else ''}: "
            f"{max(kind, key=_numbers)}"
            for kind in _by_kind(told)
        )

    @cached_property
    def roof_reasons(self) -> tuple[str, ...]:
        """Why peaks may be too low: the worst reason of each kind."""
        roofs = (row["roofline"] for row in self.rows if row["roofline"])
        told = (reason for roof in roofs for reason in roof["reasons"])
        return tuple(max(kind, key=_numbers) for kind in _by_kind(told))

    @property
    def best(self) -> Row | None:
        """The cut artifact that is the fastest at its median, of those that are VALID if any is."""
        cuts = [row for row in self.rows if row["network"] == "cut"]
        valid = [row for row in cuts if row["verdict"] == "VALID"]
        return min(valid or cuts, key=lambda row: float(row["median_ms"]), default=None)

    def remarks(self, tell: Callable[[Mapping[str, Any]], Iterator[str]]) -> list[str]:
        """What a reader should know of the machine."""
        return list(tell({**self.environment, **self.rows[0]["state"]})) if self.rows else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was both timed and judged: an artifact of the full network or the cut one."""

    artifact: str
    network: str
    threads: int
    median_ms: float
    accuracy: float
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that a report tells."""

    name: str
    version: str
    keep: tuple[str, ...]
    cost: Mapping[str, Mapping[str, Any]]
    artifacts: tuple[Row, ...]
    refusals: tuple[Row, ...]
    source_sha256: str
    benches: tuple[Bench, ...]
    profiles: tuple[Row, ...]
    accuracies: tuple[Row, ...]
    judged_on: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def provenance(self) -> str:
        """Which model it all came from."""
        return f"Source model: SHA-256 {self.source_sha256}."

    @property
    def accuracy_measure(self) -> str:
        """The measure that is drawn."""
        return next((m for m in MEASURES if self.accuracies and m in self.accuracies[0]), "")

    @property
    def accuracy_bench(self) -> Bench | None:
        """The machine whose latencies stand beside the accuracies."""
        return next((bench for bench in self.benches if not bench.stale), None)

    def accuracy_points(self) -> list[Point]:
        """What was both timed and judged, with its mean accuracy and the fewest threads.

        The full network is judged in float32, and so only its float32 artifacts have a point.
        """
        measure, judged = self.accuracy_measure, dict[str, list[float]]()
        for row in self.accuracies:
            value = row.get(measure)
            if value is not None and row["category"] != "overall":
                judged.setdefault(str(row["what"]), []).append(float(value))
        schemes = {one["path"]: one["scheme"] for one in self.artifacts}
        rows = self.accuracy_bench.rows if self.accuracy_bench else ()
        fewest = min((row["threads"] for row in rows), default=1)
        points = []
        for row in rows:
            whole = row["network"] == "full" and schemes.get(row["artifact"]) == "float32"
            what = "full" if whole else row["artifact"] if row["network"] == "cut" else ""
            if row["threads"] == fewest and what in judged:
                points.append(
                    Point(
                        artifact=str(row["artifact"]),
                        network=str(row["network"]),
                        threads=fewest,
                        median_ms=float(row["median_ms"]),
                        accuracy=float(np.mean(judged[what])),
                        valid=row["verdict"] == "VALID",
                    )
                )
        return points

    def to_json(self) -> dict[str, Any]:
        """The numbers without raw samples, as ``edgecut.page/1``."""
        return {
            "schema": "edgecut.page/1",
            "name": self.name,
            "keep": list(self.keep),
            "cost": dict(self.cost),
            "artifacts": list(self.artifacts),
            "benches": [
                {
                    "device": bench.record.device,
                    "verdict": bench.verdict,
                    "stale": bench.stale,
                    "environment": dict(bench.environment),
                    "rows": [_without_samples(row) for row in bench.rows],
                    "ratios": list(bench.ratios),
                    "camera_loop": [_without_samples(row) for row in bench.frames],
                }
                for bench in self.benches
            ],
            "profiles": [
                {
                    **_without_samples(profile),
                    "operators": [_without_samples(one) for one in profile["operators"]],
                }
                for profile in self.profiles
            ],
            "accuracies": list(self.accuracies),
            "judged_on": list(self.judged_on),
            "refusals": list(self.refusals),
            "missing": list(self.missing),
        }


def gather(folder: Path) -> Findings:
    """What is known of a bundle.

    Raises:
        EdgecutError: ``not-a-bundle``, ``other-schema``, ``bad-record``.
    """
    manifest = bundle.read_json(folder / bundle.MANIFEST, bundle.MANIFEST_SCHEMA)
    path = folder / bundle.REPORT
    report = bundle.read_json(path, bundle.REPORT_SCHEMA)
    records = kept(folder)
    by_command = {command: [r for r in records if r.command == command] for command in _MISSING}
    fresh = {name: [r for r in found if not r.stale] for name, found in by_command.items()}
    try:
        return Findings(
            name=str(manifest["name"]),
            version=__version__,
            keep=tuple(map(str, report["keep"])),
            cost={
                side: {name: float(report["cost"][side][name]) for name in ("macs", "parameters")}
                for side in ("full", "cut")
            },
            artifacts=tuple(map(_artifact, report["artifacts"])),
            refusals=tuple(
                {"node": str(one["node"]), "reason": str(one["reason"])}
                for one in report["refusals"]
            ),
            source_sha256=str(manifest["source_sha256"]),
            benches=tuple(
                Bench(record, str(place)) for place, record in enumerate(by_command["bench"])
            ),
            profiles=tuple(p for r in fresh["profile"] for p in r.data["profiles"]),
            accuracies=tuple(row for r in fresh["evaluate"][:1] for row in r.data["rows"]),
            judged_on=tuple(_told(r.data["judged_on"]) for r in fresh["evaluate"][:1]),
            missing=tuple(
                text.replace("FOLDER", str(folder))
                for command, text in _MISSING.items()
                if not fresh[command]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad(path, error) from error


def _artifact(one: Row) -> Row:
    """What is told of an artifact, and no more."""
    verification = one["verification"]
    worst = verification["worst"]
    return {
        **{name: str(one[name]) for name in ("path", "target", "scheme")},
        "bytes": int(one["bytes"]),
        "verification": {
            "metric": str(verification["metric"]),
            "worst": None if worst is None else float(worst),
            "passed": bool(verification["passed"]),
        },
    }


def _told(judged_on: Row) -> str:
    """What images accuracy was judged on, in a few words."""
    split = f", split {judged_on['split']}" if judged_on["split"] else ""
    return (
        f"{judged_on['images']} images of {judged_on['samples']}{split}, prepared as "
        f"{judged_on['recipe'] or 'the network says'}"
    )


def _by_kind(reasons: Iterable[str]) -> Iterable[list[str]]:
    """Those that differ in their numbers alone, together."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        found.setdefault(re.sub(r"\b\d[\w.]*", "", reason), []).append(reason)
    return found.values()


def _numbers(reason: str) -> list[float]:
    """The numbers in a reason, to find the worst of its kind."""
    return [float(number) for number in re.findall(r"\b\d+(?:\.\d+)?", reason)]


def _without_samples(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in SAMPLES}
