"""Latency of YOLOX-nano with all 80 categories, and cut to two, on LiteRT: ours and the peer's.

All files of a scheme run interleaved, one thread; only the ratios mean anything on a machine that
other work shares.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import files
from benchmarks.machine import taken_on
from benchmarks.models import yolox_nano
from edgecut import cutout
from edgecut.measure.latency import measure
from edgecut.measure.ratio import ratio


def run(*, keep: Sequence[str], schemes: Sequence[str], seconds: float) -> dict[str, Any]:
    """Rows ``{scheme, file, median_ms, ..., ratio_to}``; each file is timed for some seconds."""
    subject = yolox_nano()
    full = subject.network()
    small, _ = cutout.cut(full, keep)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = files.peer_files(subject, folder / "peer")
        for scheme in schemes:
            running = [
                files.contender(
                    label, folder / f"{scheme}-{i}.tflite", files.ours(network, subject, scheme)
                )
                for i, (label, network) in enumerate(
                    {"edgecut": full, "edgecut, cut": small}.items()
                )
            ]
            if peer:
                running.append(files.contender("onnx2tf", peer[scheme]))
            rows += _rows(scheme, running, seconds)
    about = {"schema": "edgecut.latency/1", "model": "yolox_nano", "threads": 1}
    return {**about, **taken_on(), "rows": rows}


def _rows(scheme: str, running: list[files.Contender], seconds: float) -> list[dict[str, Any]]:
    measured = measure(running, threads=1, duration_s=seconds)
    by_name = {one.name: one for one in measured}
    rows = []
    for contender in running:
        one = by_name[contender.name]
        operators = files.operators(contender.path)
        rows.append(
            {
                "scheme": scheme,
                "file": contender.name,
                "median_ms": one.median_ms,
                "p90_ms": one.p90_ms,
                "bytes": contender.path.stat().st_size,
                "transposes": operators.get("TRANSPOSE", 0),
                "operators": operators,
                "verdict": "INVALID" if one.reasons else "VALID",
                "reasons": list(one.reasons),
                "ratio_to": {
                    other: _ratio(one, by_name[other]) for other in by_name if other != one.name
                },
            }
        )
    return rows


def _ratio(of: Any, to: Any) -> dict[str, float]:
    found = ratio(of, to)
    return {"ratio": found.ratio, "low": found.low, "high": found.high}
