"""What the tests of remote benchmarks measure, and how they ask for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from edgecut.errors import EdgecutError
from edgecut.remote.benchmark import Job, bench_on, pack
from edgecut.remote.ssh import Remote
from tests import tiny_artifacts as tiny


def remote(host: str = "device", **changes: Any) -> Remote:
    """The device of the tests, whose Python is this one."""
    return Remote(**{"destination": host, "python": sys.executable, **changes})


def spec(folder: Path, *, seconds: float = 0.3, **changes: Any) -> dict[str, Any]:
    """A spec of ``device.py bench`` for the tiny TFLite artifact, with its path here."""
    pytest.importorskip("ai_edge_litert", reason="needs edgecut[tflite]")
    inputs, outputs = tiny.nhwc_ports()
    path = str(tiny.write_tflite(folder))
    entry = {
        "name": "tiny",
        "path": path,
        "files": [path],
        "format": "tflite",
        "threads": 1,
        "device": "CPU",
        "inputs": [p.to_json() for p in inputs],
        "outputs": [p.to_json() for p in outputs],
    }
    return {
        "artifacts": [{**entry, **changes}],
        "duration_s": seconds,
        "warm_up_s": 0.05,
        "burst_s": 0.05,
        "pause_s": 0.01,
    }


def job(folder: Path, on: Remote | None = None, *, times: int = 1, **changes: Any) -> Job:
    """The job of measuring the tiny artifact on a device, once or several times."""
    return pack(on or remote(), [spec(folder, **changes)] * times)


def bench(
    folder: Path, on: Remote | None = None, *, seconds: float = 0.3, **how: Any
) -> dict[str, Any]:
    """Measure the tiny artifact on a device."""
    (report,) = bench_on(job(folder, on, seconds=seconds), **{"timeout_s": 60.0, **how})
    return report


def refused(code: str, folder: Path, on: Remote | None = None, **how: Any) -> EdgecutError:
    """Measure the tiny artifact, which must fail with this error."""
    with pytest.raises(EdgecutError) as caught:
        bench(folder, on, **how)
    assert caught.value.code == code, caught.value.message
    return caught.value
