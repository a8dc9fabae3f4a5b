"""What is known of a bundle: how it was built, and the records that were kept of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import __version__, bundle
from edgecut.measure.recorded import bad
from edgecut.records import Record, kept

Row = Mapping[str, Any]
NETWORKS = ("full", "cut", "against")
MEASURES = ("ap50", "top1")
_NUMBERS = ("median_ms", "low_ms", "high_ms", "p90_ms", "p99_ms")
_ROOFLINE = (
    *("intensity_macs_per_byte", "achieved_gmacs_per_s"),
    *("peak_gmacs_per_s", "bandwidth_gb_per_s"),
)
_MISSING = {
    "bench": "latency: edgecut bench FOLDER",
    "profile": "where the time goes: edgecut profile FOLDER",
    "evaluate": "accuracy: edgecut evaluate FOLDER --samples or --coco",
}


@dataclass(frozen=True)
class Bench:
    """A record of ``edgecut bench``: what one machine took."""

    record: Record

    @property
    def where(self) -> str:
        """The machine: the device's name, or else the processor's."""
        return self.record.device or str(self.environment.get("cpu") or "this machine")

    @property
    def place(self) -> str:
        """The machine as part of an identifier."""
        return re.sub(r"[^a-z0-9]+", "-", self.record.device.lower()).strip("-") or "here"

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
    def environment(self) -> Mapping[str, Any]:
        """The machine's facts."""
        environment: Mapping[str, Any] = self.record.data["environment"]
        return environment

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why rows are INVALID: one reason of each kind, and how many rows it holds for.

        Reasons of one kind differ in their numbers alone.
        """
        found: dict[str, list[str]] = {}
        for row in self.rows:
            for reason in map(str, row["reasons"]):
                found.setdefault(re.split(r"[\d:]", reason)[0], []).append(reason)
        return tuple(f"{len(alike)} of {len(self.rows)}: {alike[0]}" for alike in found.values())

    @property
    def best(self) -> Row | None:
        """The cut artifact that is the fastest at its median."""
        cuts = [row for row in self.rows if row["network"] == "cut"]
        return min(cuts, key=lambda row: float(row["median_ms"]), default=None)

    def remarks(self, tell: Callable[[Mapping[str, Any]], Iterator[str]]) -> list[str]:
        """What a reader should know of the machine."""
        return list(tell({**self.environment, **self.rows[0]["state"]})) if self.rows else []


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
    missing: tuple[str, ...]

    @property
    def provenance(self) -> str:
        """Which model it all came from."""
        return f"Source model: SHA-256 {self.source_sha256}."

    @property
    def accuracy_measure(self) -> str:
        """The measure that is drawn."""
        return next((m for m in MEASURES if self.accuracies and m in self.accuracies[0]), "")

    def accuracy_points(self) -> list[tuple[str, str, float, float]]:
        """(artifact, network, median ms, mean accuracy) of what was both timed and judged."""
        measure, judged = self.accuracy_measure, dict[str, list[float]]()
        for row in self.accuracies:
            value = row.get(measure)
            if value is not None and row["category"] != "overall":
                judged.setdefault(str(row["what"]), []).append(float(value))
        benches = [bench for bench in self.benches if not bench.stale]
        return [
            (str(row["artifact"]), "cut", row["median_ms"], float(np.mean(judged[row["artifact"]])))
            for bench in benches[:1]
            for row in bench.rows
            if row["network"] == "cut" and row["artifact"] in judged
        ]

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
                }
                for bench in self.benches
            ],
            "accuracies": list(self.accuracies),
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
    for record in records:
        _check(record)
    by_command = {command: [r for r in records if r.command == command] for command in _MISSING}
    fresh = {name: [r for r in found if not r.stale] for name, found in by_command.items()}
    try:
        return Findings(
            name=str(manifest["name"]),
            version=__version__,
            keep=tuple(map(str, report["keep"])),
            cost={side: report["cost"][side] for side in ("full", "cut")},
            artifacts=tuple(report["artifacts"]),
            refusals=tuple(report["refusals"]),
            source_sha256=str(manifest["source_sha256"]),
            benches=tuple(Bench(record) for record in by_command["bench"]),
            profiles=tuple(p for r in fresh["profile"] for p in r.data["profiles"]),
            accuracies=tuple(row for r in fresh["evaluate"][:1] for row in r.data["rows"]),
            missing=tuple(
                text.replace("FOLDER", str(folder))
                for command, text in _MISSING.items()
                if not fresh[command]
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise bad(path, error) from error


def _check(record: Record) -> None:
    """Raise ``bad-record`` unless everything that is drawn of it is there, and of its kind."""
    try:
        _CHECKS[record.command](record.data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad(record.path, error) from error


def _check_bench(data: Mapping[str, Any]) -> None:
    _ = (data["verdict"], dict(data["environment"]))
    for row in data["rows"]:
        if row["network"] not in NETWORKS:
            raise ValueError(f"the network '{row['network']}' is none of {', '.join(NETWORKS)}")
        _ = (str(row["artifact"]), int(row["threads"]), row["verdict"], list(row["reasons"]))
        samples = [float(sample) for burst in row["bursts_ms"] for sample in burst]
        told = [float(row[name]) for name in _NUMBERS] + samples
        if not samples or not all(np.isfinite(told)) or min(told) <= 0:
            raise ValueError("a latency is not a positive number")
        _ = row["state"]["before"]
        if row.get("roofline") is not None and not all(
            float(row["roofline"][name]) > 0 for name in _ROOFLINE
        ):
            raise ValueError("a roofline is not positive")
    for ratio in data["ratios"]:
        _ = [float(ratio[name]) for name in ("ratio", "low", "high")]
        _ = [str(ratio[name]) for name in ("artifact", "threads", "of", "to")]


def _check_profile(data: Mapping[str, Any]) -> None:
    for profile in data["profiles"]:
        _ = str(profile["artifact"])
        shares = ("explained", "latency_ms", "layout_conversions_share", "not_delegated_share")
        _ = [float(profile[name]) for name in shares]
        for one in profile["operators"]:
            _ = (str(one["type"]), float(one["share"]), float(one["median_ms"]))


def _check_evaluate(data: Mapping[str, Any]) -> None:
    for row in data["rows"]:
        _ = (str(row["what"]), str(row["category"]))


_CHECKS = {"bench": _check_bench, "profile": _check_profile, "evaluate": _check_evaluate}


def _without_samples(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("bursts_ms", "sustained")}
