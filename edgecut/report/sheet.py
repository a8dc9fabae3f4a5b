"""The latencies as comma-separated values: a line for each artifact, network and machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from edgecut.report.bench import Bench

COLUMNS = (
    *("device", "stale", "artifact", "network", "threads", "runtime", "verdict", "reasons"),
    *("count", "median_ms", "low_ms", "high_ms", "p90_ms", "p99_ms", "gmacs"),
    *("achieved_gmacs_per_s", "share_of_peak", "realisation", "import_ms", "load_ms"),
    *("compile_ms", "cached_compile_ms", "first_ms", "memory_bytes"),
)


def sheet(benches: Sequence[Bench]) -> str:
    """A header and a line for each row of each record; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for bench in benches:
        for row in bench.rows:
            where = {"device": bench.record.device, "stale": str(bench.stale).lower()}
            told = {**row, **where, "reasons": "; ".join(row["reasons"])}
            writer.writerow(_cell(told.get(name)) for name in COLUMNS)
    return text.getvalue()


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets a quote before it."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value
