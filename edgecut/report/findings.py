"""What is known of a bundle: how it was built, and the records that were kept of it."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import __version__, bundle
from edgecut.measure.comparison import differences, machine_of
from edgecut.measure.recorded import bad
from edgecut.records import kept
from edgecut.report.bench import Bench, place_of

Row = Mapping[str, Any]
MEASURES = ("ap50", "top1")
SAMPLES = ("bursts_ms", "profiled_ms", "samples_ms", "sustained")
_COMMANDS = {
    "bench": ("latency", "edgecut bench FOLDER"),
    "profile": ("where the time goes", "edgecut profile FOLDER"),
    "evaluate": ("accuracy", "edgecut evaluate FOLDER --samples or --coco"),
}


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
        return next((m for m in MEASURES if any(m in row for row in self.accuracies)), "")

    @property
    def accuracy_bench(self) -> Bench | None:
        """The machine whose latencies stand beside the accuracies."""
        return next((bench for bench in self.benches if not bench.stale), None)

    @property
    def mean_accuracies(self) -> dict[str, float]:
        """The mean over the kept categories, by what was judged."""
        judged = dict[str, list[float]]()
        for row in self.accuracies:
            value = row.get(self.accuracy_measure)
            if value is not None and row["category"] != "overall":
                judged.setdefault(str(row["what"]), []).append(float(value))
        return {what: float(np.mean(values)) for what, values in judged.items()}

    @staticmethod
    def where(profile: Row) -> str:
        """The machine of a profile, as ``Bench.where`` has it."""
        return place_of(profile["device"], profile["environment"])

    def elsewhere(self, profile: Row) -> str:
        """How the machine of a profile differs from that of the latencies most like it.

        Empty where some were measured on the very same, or none at all.
        """
        here = machine_of(profile)
        apart = [differences(here, machine_of(bench.record.data)) for bench in self.benches]
        return "; ".join(sorted(apart, key=len)[0]) if apart else ""

    def accuracy_points(self) -> list[Point]:
        """What was both timed and judged, with its mean accuracy and the fewest threads.

        The full network is judged in float32, and so only its float32 artifacts have a point.
        """
        judged = self.mean_accuracies
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
                        accuracy=judged[what],
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
                    "measured": bench.measured and list(bench.measured),
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
    records = kept(folder)
    by_command = {command: [r for r in records if r.command == command] for command in _COMMANDS}
    fresh = {name: [r for r in found if not r.stale] for name, found in by_command.items()}
    return Findings(
        **_identity(folder / bundle.MANIFEST),
        **_build(folder / bundle.REPORT),
        version=__version__,
        benches=tuple(
            Bench(record, str(place)) for place, record in enumerate(by_command["bench"])
        ),
        profiles=tuple(
            {"device": record.device, "environment": record.data["environment"], **profile}
            for record in fresh["profile"]
            for profile in record.data["profiles"]
        ),
        accuracies=tuple(row for r in fresh["evaluate"][:1] for row in r.data["rows"]),
        judged_on=tuple(_told(r.data["judged_on"]) for r in fresh["evaluate"][:1]),
        missing=tuple(
            _missing(name, folder, stale=bool(by_command[name]))
            for name, found in fresh.items()
            if not found
        ),
    )


def _missing(name: str, folder: Path, *, stale: bool) -> str:
    """What a command would tell of this build."""
    what, command = _COMMANDS[name]
    why = "measured, but before the last build" if stale else "not measured"
    return f"{what}: {why}: {command.replace('FOLDER', str(folder))}"


def _identity(path: Path) -> dict[str, Any]:
    """What a report tells of the manifest."""
    manifest = bundle.read_json(path, bundle.MANIFEST_SCHEMA)
    with _as_ours(path, "manifest of a build"):
        return {"name": str(manifest["name"]), "source_sha256": str(manifest["source_sha256"])}


def _build(path: Path) -> dict[str, Any]:
    """What a report tells of the build."""
    report = bundle.read_json(path, bundle.REPORT_SCHEMA)
    with _as_ours(path, "report of a build"):
        return {
            "keep": tuple(map(str, report["keep"])),
            "cost": {side: _cost(report["cost"][side]) for side in ("full", "cut")},
            "artifacts": tuple(map(_artifact, report["artifacts"])),
            "refusals": tuple(
                {"node": str(one["node"]), "reason": str(one["reason"])}
                for one in report["refusals"]
            ),
        }


@contextmanager
def _as_ours(path: Path, what: str) -> Iterator[None]:
    """Raise ``bad-record`` where a file of ours does not hold what we write."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad(path, error, no=what, hint="build again") from error


def _cost(told: Row) -> Row:
    counts = {name: operator.index(told[name]) for name in ("macs", "parameters")}
    return {**counts, "uncounted": [str(node) for node in told["uncounted"]]}


def _artifact(one: Row) -> Row:
    """What is told of an artifact, and no more."""
    verification = one["verification"]
    worst = verification["worst"]
    return {
        **{name: str(one[name]) for name in ("path", "target", "scheme")},
        "bytes": operator.index(one["bytes"]),
        "verification": {
            "metric": str(verification["metric"]),
            "worst": None if worst is None else _finite(worst),
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


def _finite(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"{value} is no finite number")
    return found


def _without_samples(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in SAMPLES}
