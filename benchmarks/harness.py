"""The harness measured: its own cost, its agreement with the runtimes' tools, how well it repeats.

Wants an idle machine; on a busy one it says so itself, and that is the last part: what spoils a
measurement is done to it on purpose, and the reasons that it gives are written down.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.machine import taken_on
from edgecut import device
from edgecut.cutout import cut
from edgecut.measure import asking
from edgecut.measure.contender import Contender
from edgecut.measure.latency import measure
from edgecut.measure.measurement import Measurement
from edgecut.measure.ratio import ratio
from edgecut.network import Network, digest_of
from edgecut.passes.tidy import tidy
from edgecut.produce import produce
from edgecut.runtimes import device_command
from edgecut.shipped import NETWORK
from edgecut.source import Source, load
from edgecut.target import read_target

CALLS = 200_000
TARGETS = {"tflite": "generic-arm64", "openvino": "intel-cpu"}


class _Nothing:
    """A runtime whose invocation does nothing: what is timed of it is the harness alone."""

    def invoke(self) -> None:
        """Return at once."""


def run(*, keep: Sequence[str], seconds: float, rounds: int, runs: int) -> dict[str, Any]:
    """Rows of each part; times are of this machine, ratios and reasons are what counts.

    Args:
        keep: what the built-in network is cut to.
        seconds: how long each file is timed in each measurement.
        rounds: how often each of the runtimes' tools takes its turn.
        runs: how often the same measurement is repeated.
    """
    full = load(Source(model=NETWORK))
    small, _ = cut(full, keep)
    networks = {"full": tidy(full), "cut": tidy(small)}
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
        found = {
            format_: {
                side: _written(Path(name) / f"{side}-{format_}", network, target)
                for side, network in networks.items()
            }
            for format_, target in TARGETS.items()
        }
        return {
            "schema": "edgecut.harness/1",
            **taken_on(),
            "own_ns": _own_ns(),
            "tools": [
                _beside(found["tflite"]["full"], _litert_benchmark, seconds, rounds),
                _beside(found["openvino"]["full"], _benchmark_app, seconds, rounds),
            ],
            "repeatability": [_repeated(sides, seconds, runs) for sides in found.values()],
            "refusals": list(_refusals(found["tflite"]["cut"], seconds)),
        }


def _own_ns() -> float:
    """What the harness adds to one invocation: the median over an empty one."""
    device.timed(_Nothing(), CALLS)
    return float(np.median(device.timed(_Nothing(), CALLS)))


def _written(stem: Path, network: Network, target: str) -> Contender:
    emitted = produce(network, read_target(target), "float32", None)
    files = [stem.with_name(stem.name + suffix) for suffix in emitted.files]
    for path, content in zip(files, emitted.files.values(), strict=True):
        path.write_bytes(content)
    return Contender(
        name=stem.name.partition("-")[0],
        path=files[0],
        format=emitted.format,
        inputs=emitted.inputs,
        outputs=emitted.outputs,
        files=tuple(files),
        digest=digest_of(b"".join(emitted.files.values())),
    )


def _beside(one: Contender, tool: Any, seconds: float, rounds: int) -> dict[str, Any]:
    """Medians of ours and of the runtime's own tool in turn, on the same file."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours += measure([one], duration_s=seconds)
        theirs.append(tool(one.path, seconds))
    ratios = np.array([measured.median_ms for measured in ours]) / np.array(theirs)
    return {
        "tool": tool.__name__.removeprefix("_"),
        "ours_ms": float(np.median([measured.median_ms for measured in ours])),
        "theirs_ms": float(np.median(theirs)),
        "rounds": [
            {**_interval(measured), "theirs_ms": other}
            for measured, other in zip(ours, theirs, strict=True)
        ],
        "ratio": float(np.median(ratios)),
        "lowest": float(ratios.min()),
        "highest": float(ratios.max()),
        "reasons": sorted({reason for measured in ours for reason in measured.reasons}),
    }


def _litert_benchmark(path: Path, seconds: float) -> float:
    """The median in ms of LiteRT's own tool, one thread; it counts runs, not seconds."""
    result = path.with_name("litert.json")
    command = [*_tool("litert-benchmark"), "--model", str(path), "--result_json", str(result)]
    command += ["--num_runs", "1000", "--warmup_runs", "200", "--num_threads", "1"]
    subprocess.run(command, check=True, capture_output=True)
    return float(json.loads(result.read_text())["latency"]["median_ms"])


def _benchmark_app(path: Path, seconds: float) -> float:
    """The median in ms of OpenVINO's own tool, one thread, one synchronous request."""
    command = [*_tool("benchmark_app"), "-m", str(path), "-d", "CPU", "-api", "sync"]
    command += [
        "-hint",
        "none",
        "-nstreams",
        "1",
        "-nthreads",
        "1",
        "-infer_precision",
        "f32",
        "-t",
        str(max(1, round(seconds))),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"Median:\s+([\d.]+) (us|ms)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1]) / (1e3 if found[2] == "us" else 1)


def _tool(name: str) -> list[str]:
    return [str(Path(sys.executable).with_name(name))]


def _repeated(sides: dict[str, Contender], seconds: float, runs: int) -> dict[str, Any]:
    """The ratio of full to cut, measured anew so many times."""
    found = [measure([sides["full"], sides["cut"]], duration_s=seconds) for _ in range(runs)]
    gains = [ratio(full, small) for full, small in found]
    ratios = np.array([gain.ratio for gain in gains])
    full_ms, cut_ms = (np.array([pair[side].median_ms for pair in found]) for side in (0, 1))
    return {
        "format": sides["full"].format,
        "runs": runs,
        "ratio": float(np.median(ratios)),
        "ratio_spread": _spread(ratios),
        "full_ms": float(np.median(full_ms)),
        "full_ms_spread": _spread(full_ms),
        "cut_ms": float(np.median(cut_ms)),
        "cut_ms_spread": _spread(cut_ms),
        "repeats": [
            {
                "ratio": {"ratio": gain.ratio, "low": gain.low, "high": gain.high},
                "full": _interval(full),
                "cut": _interval(small),
            }
            for gain, (full, small) in zip(gains, found, strict=True)
        ],
        "reasons": sorted({r for pair in found for one in pair for r in one.reasons}),
    }


def _interval(measured: Measurement) -> dict[str, float]:
    summary = measured.summary
    return {name: getattr(summary, name) for name in ("median_ms", "low_ms", "high_ms")}


def _spread(values: Any) -> float:
    """The largest less the smallest, over the median."""
    return float((values.max() - values.min()) / np.median(values))


def _refusals(one: Contender, seconds: float) -> Iterator[dict[str, Any]]:
    """What is done to a measurement, and what it says of it."""
    with _hogs():
        yield _refused("load on every core", measure([one], duration_s=seconds))
    with _limiter():
        yield _refused("stopped half of the time", measure([one], duration_s=seconds))
    with _limiter():
        both = measure([one], threads=2, duration_s=seconds)
        yield _refused("stopped half of the time, two threads", both)
    if (emulator := _emulator()) is not None:
        with _emulated(emulator) as python:
            emulated = lambda *a: [python, *device_command(*a)[1:]]  # noqa: E731
            with patch.object(asking, "device_command", emulated):
                yield _refused("under QEMU", measure([one], duration_s=seconds, starts=1))
    swapped = replace(one, digest="0" * 64)
    yield _refused("another file than was built", measure([swapped], duration_s=seconds))
    other = replace(one, verified_on={"ai-edge-litert": "1.0", "tflite-runtime": "1.0"})
    yield _refused("another runtime version", measure([other], duration_s=seconds))
    yield _refused("more threads than cores", measure([one], threads=64, duration_s=seconds))


def _emulator() -> str | None:
    """QEMU for this processor in user mode, where Debian's ``qemu-user-static`` is installed."""
    return shutil.which(f"qemu-{platform.machine()}-static")


@contextlib.contextmanager
def _emulated(emulator: str) -> Iterator[str]:
    """A Python that runs under an emulator, and whose children do, too.

    QEMU leaves it to the kernel how children run. They run ``sys.executable``, though, and that is
    a script here, which stands where a virtual environment like this one has its Python.
    """
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
        folder = Path(name)
        python = folder / "bin" / "python"
        python.parent.mkdir()
        (folder / "lib").symlink_to(Path(sys.prefix) / "lib")
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder)
        command = shlex.join([emulator, "-0", str(python), os.path.realpath(sys.executable)])
        python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        python.chmod(0o755)
        yield str(python)


def _refused(what: str, measured: Sequence[Measurement]) -> dict[str, Any]:
    (one,) = measured
    return {"what": what, "verdict": one.verdict, "reasons": list(one.reasons)}


@contextlib.contextmanager
def _hogs() -> Iterator[None]:
    cores = len(os.sched_getaffinity(0))
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@contextlib.contextmanager
def _limiter() -> Iterator[None]:
    """As cpulimit does it: the processes of a measurement are stopped half of the time."""
    done = threading.Event()
    limiter = threading.Thread(target=_limit, args=(os.getpid(), done))
    limiter.start()
    try:
        yield
    finally:
        done.set()
        limiter.join()


def _limit(parent: int, done: threading.Event) -> None:
    while not done.wait(0.01):
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                ours = (path / "stat").read_text().rpartition(")")[2].split()[1] == str(parent)
                if b"bench" in words and ours:
                    os.killpg(int(path.name), signal.SIGSTOP)
                    time.sleep(0.01)
                    os.killpg(int(path.name), signal.SIGCONT)
