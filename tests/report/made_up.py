"""A bundle's papers and its records, without artifacts: a report needs no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import records

MOMENT = {
    "time": "2026-01-01T00:00:00Z",
    "load_average": 0.1,
    "frequency_mhz": 1500.0,
    "temperature_c": 40.0,
}
STATE = {"before": MOMENT, "during": [], "after": MOMENT}
ENVIRONMENT = {"cpu": "Cortex-A72", "cores": 4, "governor": "powersave", "container": None}


def bundle(
    folder: Path,
    name: str = "toy",
    keep: tuple[str, ...] = ("person", "car"),
    uncounted: Sequence[str] = (),
) -> Path:
    """A folder with a manifest and a report."""
    cost: dict[str, Any] = {"parameters": 4000, "macs": 8_000_000, "weight_bytes": 16_000}
    cost |= {"uncounted": list(uncounted)}
    half = {key: value // 2 if isinstance(value, int) else value for key, value in cost.items()}
    verification = {"metric": "sqnr-db", "worst": 31.5, "passed": True}
    report = {
        "schema": "edgecut.report/1",
        "keep": list(keep),
        "cost": {"full": cost, "cut": half},
        "refusals": [{"node": "gather", "op_type": "Gather", "reason": "its indices vary"}],
        "artifacts": [
            {
                "path": f"{name}.{scheme}.tflite",
                "target": "raspberry-pi-4",
                "scheme": scheme,
                "bytes": 20_000,
                "verification": verification,
            }
            for scheme in ("float32", "int8")
        ],
    }
    manifest = {"schema": "edgecut.manifest/1", "name": name, "source_sha256": "ab" * 32}
    manifest |= {"categories": {"names": keep}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def row(artifact: str, network: str, ms: float, **other: Any) -> dict[str, Any]:
    """A row of a benchmark."""
    random = np.random.default_rng(int(ms * 100))
    bursts = (ms * random.normal(1, 0.02, size=(12, 20))).tolist()
    macs = 8e-3 if network == "full" else 4e-3
    return {
        "artifact": artifact,
        "network": network,
        "threads": 1,
        "runtime": "ai-edge-litert 2.3.0",
        "version": "2.3.0",
        "verdict": "INVALID" if other.get("reasons") else "VALID",
        "reasons": [],
        "median_ms": ms,
        "low_ms": 0.99 * ms,
        "high_ms": 1.01 * ms,
        "p90_ms": 1.03 * ms,
        "p99_ms": 1.05 * ms,
        "count": 240,
        "effective": 200.0,
        "outliers": 0,
        **dict.fromkeys(("import_ms", "load_ms", "compile_ms", "first_ms"), 5.0),
        **dict.fromkeys(("cached_compile_ms", "memory_bytes", "realisation")),
        **dict.fromkeys(("peak_memory_bytes", "memory_before_load_bytes")),
        **dict.fromkeys(("single_stream", "offline", "energy")),
        "gmacs": macs,
        "achieved_gmacs_per_s": macs / ms * 1e3,
        "share_of_peak": 0.5,
        "roofline": {
            "intensity_macs_per_byte": 20.0,
            "achieved_gmacs_per_s": macs / ms * 1e3,
            "peak_gmacs_per_s": 2 * macs / ms * 1e3,
            "bandwidth_gb_per_s": 4.0,
            "attainable_gmacs_per_s": 2 * macs / ms * 1e3,
            "ceiling_gmacs_per_s": 2 * macs / ms * 1e3,
            "share_of_peak": 0.5,
            "share_of_attainable": 0.5,
            "datasheet": None,
            "bound": "arithmetic",
            "bytes_moved": 1000,
            "least_bytes": 500,
            "reasons": [],
        },
        "bursts_ms": bursts,
        "sustained": [],
        "state": STATE,
        **other,
    }


def bench(*rows: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A record of ``edgecut bench``; without rows, of the bundle's two artifacts."""
    if not rows:
        rows = tuple(
            row(f"toy.{scheme}.tflite", network, ms)
            for scheme, times in (("float32", (4.0, 2.5)), ("int8", (2.0, 1.25)))
            for network, ms in zip(("full", "cut"), times, strict=True)
        )
    ratio = {"of": "full", "to": "cut", "ratio": 1.6, "low": 1.55, "high": 1.65}
    more = {"threads": 1, "macs_ratio": 2.0, "realisation": 0.8}
    more |= {"confidence": 0.95, "pairs": 12, "reasons": []}
    return {
        "schema": "edgecut.bench/1",
        "device": "",
        "verdict": "INVALID" if any(one["reasons"] for one in rows) else "VALID",
        "environment": ENVIRONMENT,
        "rows": list(rows),
        "ratios": [{"artifact": rows[0]["artifact"], **ratio, **more}],
        "camera_loop": [
            {
                "artifact": "toy.int8.tflite",
                "network": network,
                "threads": 1,
                "verdict": "VALID",
                "reasons": [],
                "frames": 8,
                "frame_ms": ms,
                "stages_ms": dict.fromkeys(("decode", "prepare", "infer", "finish"), ms / 4),
                "speed_up": {"ratio": 1.25, "low": 1.2, "high": 1.3} if network == "cut" else None,
                "bursts_ms": [[[ms / 4] * 4]],
            }
            for network, ms in (("full", 10.0), ("cut", 8.0))
        ],
        **other,
    }


def profile(**other: Any) -> dict[str, Any]:
    """A record of ``edgecut profile``."""
    operators = [
        {
            "index": place,
            "type": "CONV_2D",
            "kernel": None,
            "delegate": "XNNPACK",
            "moves_layout": False,
            "name": f"conv_{place}",
            "nodes": [f"conv_{place}"],
            "added": False,
            "categories": ["car"],
            "macs": 1000,
            "gmacs_per_s": 1.0,
            "median_ms": 1 / place,
            "samples_ms": [1 / place],
            "share": 0.3 / place,
        }
        for place in range(1, 20)
    ]
    told = {
        "artifact": "toy.int8.tflite",
        "verdict": "VALID",
        "reasons": [],
        "notes": [],
        "runtime": "ai-edge-litert",
        "version": "2.3.0",
        "threads": 1,
        "runs": 1,
        "categories": ["person", "car"],
        "latency_ms": 3.5,
        "explained": 0.97,
        "layout_conversions_share": 0.01,
        "not_delegated_share": 0.02,
        **dict.fromkeys(("resolution_ms", "profiled_latency_ms", "operators_ms"), 3.4),
        **dict.fromkeys(("explained_under_profiler", "unmapped_share", "unexplained_ms"), 0.1),
        "operators": operators,
        "by_type": [],
        "by_category": [],
        "bursts_ms": [[3.5]],
        "profiled_ms": [[3.6]],
        "state": STATE,
        **other,
    }
    return {
        "schema": "edgecut.profile/1",
        "verdict": told["verdict"],
        "environment": ENVIRONMENT,
        "profiles": [told],
    }


def evaluation() -> dict[str, Any]:
    """A record of ``edgecut evaluate``, of a detector."""
    rows = [
        {"what": what, "category": category, "ap": value / 2, "ap50": value}
        for what, value in (("full", 0.6), ("toy.float32.tflite", 0.6), ("toy.int8.tflite", 0.5))
        for category in ("person", "car")
    ]
    judged_on = {"samples": "val", "split": None, "recipe": "yolox", "limit": None, "images": 252}
    return {"schema": "edgecut.evaluate/1", "judged_on": judged_on, "rows": rows}


def everything(folder: Path) -> Path:
    """A bundle with all of its records, and those of a second device."""
    bundle(folder)
    records.keep(folder, "bench", bench())
    records.keep(folder, "bench", bench(), device="pi@kitchen")
    records.keep(folder, "profile", profile())
    records.keep(folder, "evaluate", evaluation())
    return folder
