"""What ``edgecut bench`` found out on one machine, as a report tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgecut.measure.environment import remarks
from edgecut.measure.measurement import SCENARIOS
from edgecut.records import Record

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Bench:
    """A record of ``edgecut bench``: what one machine took."""

    record: Record
    place: str
    """The machine as part of an identifier."""

    @property
    def where(self) -> str:
        """The machine: the device's name, or else the processor's."""
        return place_of(self.record.device, self.environment)

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
        """Why rows are INVALID: a reason of each kind, and how many rows have one.

        What a row's scenarios have against them is among them, under the scenario's name.
        Reasons of one kind differ in their numbers alone.
        """
        told = dict(enumerate(map(_all_reasons, self.rows)))
        return tuple(
            f"{len(places)} of {len(self.rows)}{', for example' if several else ''}: {first}"
            for places, first, several in _by_kind(told)
        )

    @cached_property
    def roof_reasons(self) -> tuple[str, ...]:
        """Why peaks may be too low: a reason of each kind."""
        roofs = [row["roofline"]["reasons"] if row["roofline"] else [] for row in self.rows]
        return tuple(
            f"{'for example: ' if several else ''}{first}"
            for _, first, several in _by_kind(dict(enumerate(roofs)))
        )

    @property
    def best(self) -> Row | None:
        """The cut artifact that is the fastest at its median, of those that are VALID if any is."""
        cuts = [row for row in self.rows if row["network"] == "cut"]
        valid = [row for row in cuts if row["verdict"] == "VALID"]
        return min(valid or cuts, key=lambda row: float(row["median_ms"]), default=None)

    @property
    def measured(self) -> tuple[str, str] | None:
        """When the first measurement began and the last one ended, by the machine's clock."""
        times = [
            str(row["state"][moment]["time"])
            for row in self.rows
            for moment in ("before", "after")
            if row["state"][moment].get("time")
        ]
        return (min(times), max(times)) if times else None

    @property
    def remarks(self) -> list[str]:
        """What a reader should know of the machine."""
        return list(remarks({**self.environment, **self.rows[0]["state"]})) if self.rows else []


def place_of(device: str, environment: Row) -> str:
    """A machine's name: what the user calls it, or else its processor's."""
    return device or str(environment.get("cpu") or "a machine without a name")


def _all_reasons(row: Row) -> Iterator[str]:
    """What speaks against a row, and against its scenarios where the record tells that apart."""
    told = {"sustained": row.get("sustained_reasons", ())}
    told |= {name: (row[name] or {}).get("reasons", ()) for name in SCENARIOS}
    yield from row["reasons"]
    for name, reasons in told.items():
        yield from (f"{name.replace('_', ' ')}: {reason}" for reason in reasons)


def _by_kind(told: Mapping[int, Iterable[str]]) -> Iterator[tuple[set[int], str, bool]]:
    """Reasons that differ in their numbers alone: all places, the first, whether others differ.

    Which of them is the worst their numbers do not say: few samples are worse than many, and much
    load is worse than little.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for place, reasons in told.items():
        for reason in reasons:
            kind = re.sub(r"\b\d[\w.]*", "", reason)
            found.setdefault(kind, []).append((place, reason))
    for same in found.values():
        several = len({reason for _, reason in same}) > 1
        yield {place for place, _ in same}, same[0][1], several
