"""What edgecut itself costs: seconds and memory of the build, seconds of `edgecut --help`.

The build is that of the README: YOLOX-nano to person and car, 128 samples, two targets.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import taken_on
from benchmarks.models import yolox_nano


def run(*, help_runs: int) -> dict[str, Any]:
    """``{help_s, build_s, build_peak_bytes}``; the peak is that of the largest process."""
    start = [sys.executable, "-m", "edgecut"]
    helps = [_seconds([*start, "--help"]) for _ in range(help_runs)]
    subject = yolox_nano()
    where = subject.calibration
    with tempfile.TemporaryDirectory() as folder:
        command = [*start, "build", subject.source.model, "--labels", "coco80"]
        command += ["--keep", "person,car", "--recipe", where.recipe, "--samples", where.path]
        command += ["--split", str(where.split), "--target", "raspberry-pi-4"]
        command += ["--target", "intel-cpu", "--out", str(Path(folder) / "dist")]
        build_s = _seconds(command)
    return {
        "schema": "edgecut.build-cost/1",
        **taken_on(),
        "help_s": {"median": statistics.median(helps), "max": max(helps), "runs": help_runs},
        "build_s": build_s,
        "build_samples": where.limit,
        "build_peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start
