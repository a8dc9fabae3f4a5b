"""What each operator of an artifact takes on its own runtime, told by the runtime's profiler."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.artifact import Port
from edgecut.errors import EdgecutError
from edgecut.runtimes import (
    device_command,
    device_environment,
    entry_of,
    require_runtime,
    stderr_tail,
)

RUNS = 50
FORMATS = ("tflite", "openvino")
# Outside of these shares of the whole, the profile does not say where the time goes.
MIN_EXPLAINED, MAX_EXPLAINED = 0.8, 1.1
MAX_SPREAD = 0.5
LAYOUT = ("Reorder", "Transpose", "TRANSPOSE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What the runtime ran as one, in the order in which it ran, with what it took.

    ``type`` and ``kernel`` are the runtime's words, ``index`` is its number there; ``delegate`` is
    the delegate that ran it, if any. ``nodes`` are the network's nodes that it computes; where it
    was ``added``, it computes none, and only moves or converts what they give (none of them: what
    comes in, or whatever the runtime saw fit). ``categories`` are those that it serves. Both are
    None where nothing says so for certain.
    """

    index: int
    name: str
    type: str
    kernel: str | None
    delegate: str | None
    samples_ms: tuple[float, ...]
    total_ms: float
    nodes: tuple[str, ...] | None = None
    added: bool = False
    categories: tuple[str, ...] | None = None

    @property
    def median_ms(self) -> float:
        """The median of all samples."""
        return float(np.median(self.samples_ms))

    @property
    def moves_layout(self) -> bool:
        """Whether it only puts data into another order."""
        return self.type.split(" (", 1)[0] in LAYOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The operators of one artifact, beside its whole latency.

    ``whole_ms`` are plain runs in turn with the profiled ones, ``profiled_ms`` the latter as a
    whole. OpenVINO gives means over ``runs_per_sample`` runs. ``categories`` are the network's.
    """

    artifact: str
    format: str
    runtime: str
    version: str
    threads: int
    runs: int
    runs_per_sample: int
    resolution_ms: float
    whole_ms: tuple[float, ...]
    profiled_ms: tuple[float, ...]
    operators: tuple[Operator, ...]
    environment: Mapping[str, Any]
    categories: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def latency_ms(self) -> float:
        """The median latency without the profiler."""
        return float(np.median(self.whole_ms))

    @property
    def profiled_latency_ms(self) -> float:
        """The median latency under the profiler."""
        return float(np.median(self.profiled_ms))

    @property
    def operators_ms(self) -> float:
        """The sum of the operators' medians."""
        return sum(operator.median_ms for operator in self.operators)

    @property
    def explained(self) -> float:
        """The sum of the operators' medians over the median latency without the profiler."""
        return self.operators_ms / self.latency_ms

    @property
    def explained_under_profiler(self) -> float:
        """How much of a profiled run its own operators make up: the median over the samples.

        Both sides are of the same run, so that what disturbs the machine disturbs both; but the
        profiler's own work is in the run and in no operator.
        """
        sums = np.sum([operator.samples_ms for operator in self.operators], axis=0)
        wholes = np.reshape(self.profiled_ms, (len(sums), -1)).mean(axis=1)
        return float(np.median(sums / wholes))

    def share(self, operators: Iterable[Operator]) -> float:
        """The part of all operators' time that some of them take."""
        return sum(operator.median_ms for operator in operators) / max(self.operators_ms, 1e-9)

    def worst(self, count: int = 10) -> tuple[Operator, ...]:
        """The operators that take longest, the worst first."""
        return tuple(sorted(self.operators, key=lambda o: -o.median_ms)[:count])

    @property
    def not_delegated(self) -> tuple[Operator, ...]:
        """On LiteRT: what XNNPACK did not take. OpenVINO has no delegate."""
        return tuple(o for o in self.operators if self.format == "tflite" and not o.delegate)

    @property
    def layout_conversions(self) -> tuple[Operator, ...]:
        """What only puts data into another order."""
        return tuple(o for o in self.operators if o.moves_layout)

    @property
    def unmapped(self) -> tuple[Operator, ...]:
        """Operators of which nothing says for certain what of the network they compute."""
        return tuple(o for o in self.operators if o.nodes is None)

    def by_type(self) -> list[tuple[str, tuple[Operator, ...]]]:
        """Operators by the runtime's type, the longest first."""
        return self._grouped((o.type, o) for o in self.operators)

    def by_category(self) -> list[tuple[tuple[str, ...] | None, tuple[Operator, ...]]]:
        """Operators by the categories that they serve, the longest first; None: nobody knows."""
        return self._grouped((o.categories, o) for o in self.operators)

    @staticmethod
    def _grouped(pairs: Iterable[tuple[Any, Operator]]) -> list[tuple[Any, tuple[Operator, ...]]]:
        groups: dict[Any, list[Operator]] = {}
        for key, operator in pairs:
            groups.setdefault(key, []).append(operator)
        ordered = sorted(groups.items(), key=lambda item: -sum(o.median_ms for o in item[1]))
        return [(key, tuple(operators)) for key, operators in ordered]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the profile should not be believed; empty where nothing speaks against it."""
        found = []
        low, middle, high = np.percentile(self.whole_ms, [10, 50, 90])
        if (spread := (high - low) / middle) > MAX_SPREAD:
            found.append(f"the runs spread too far: (p90 - p10) / median = {spread:.0%}")
        if not _near_whole(self.explained):
            found.append(self._unexplained())
        return tuple(found)

    def _unexplained(self) -> str:
        told = f"the operators' sum is {self.explained:.0%} of the latency"
        if _near_whole(self.explained_under_profiler):
            within = f"{self.explained_under_profiler:.0%} of their own runs"
            return f"{told}, but {within}: the machine was busy, and long operators suffer most"
        lost_ms = self.resolution_ms * len(self.operators)
        if 0 < self.latency_ms - self.operators_ms < lost_ms:
            return (
                f"{told}: the profiler drops parts of microseconds, up to {lost_ms:.3f} ms in all"
            )
        return f"{told}: the rest lies outside of them, or the machine was busy"

    @property
    def verdict(self) -> str:
        """``VALID``, or ``INVALID`` where ``reasons`` says why."""
        return "INVALID" if self.reasons else "VALID"


def _near_whole(share: float) -> bool:
    return MIN_EXPLAINED <= share <= MAX_EXPLAINED


def profile(
    path: Path,
    format: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    *,
    threads: int = 1,
    runs: int = RUNS,
    timeout_s: float = 600.0,
) -> tuple[Profile, list[dict[str, Any]]]:
    """Profile an artifact in a fresh process, through ``device.py profile``.

    Args:
        path: the ``.tflite`` or ``.xml`` file.
        format: ``tflite`` or ``openvino``.
        inputs: ports of all inputs.
        outputs: ports of all outputs.
        threads: CPU threads of the runtime.
        runs: runs under the profiler; as many again without it.
        timeout_s: seconds after which it is given up.

    Returns:
        The profile, and the runtime's own graph where it tells of one: for each of its nodes the
        ``name``, the file's nodes that it ``stands_for``, and those that it ``reads``.

    Raises:
        EdgecutError: ``no-profiler`` for other formats or a runtime without one,
            ``bad-measurement``, ``missing-package``, ``artifact-not-found``, ``runtime-failed``.
    """
    if format not in FORMATS:
        raise EdgecutError(
            f"there is no profiler for artifacts of the format '{format}'",
            code="no-profiler",
            hint=f"formats with one: {', '.join(FORMATS)}",
        )
    if threads < 1 or runs < 1:
        raise EdgecutError(
            f"cannot profile {runs} runs with {threads} threads", code="bad-measurement"
        )
    require_runtime(format)
    if not path.is_file():
        raise EdgecutError(f"{path} is not a file", code="artifact-not-found")
    entry = entry_of(path, format, inputs, outputs, threads=threads, device="CPU")
    report = _ask({**entry, "runs": runs}, path.name, timeout_s)
    return read_report(report, artifact=path.name, format=format, threads=threads), report["graph"]


def read_report(report: Mapping[str, Any], *, artifact: str, format: str, threads: int) -> Profile:
    """The profile in a report of ``device.py profile``, here or on a device."""
    return Profile(
        artifact=artifact,
        format=format,
        runtime=report["runtime"],
        version=report["version"],
        threads=threads,
        runs=report["runs"],
        runs_per_sample=report["runs_per_sample"],
        resolution_ms=report["resolution_ns"] / 1e6,
        whole_ms=tuple(ns / 1e6 for ns in report["whole_ns"]),
        profiled_ms=tuple(ns / 1e6 for ns in report["profiled_ns"]),
        operators=tuple(map(_operator, report["operators"])),
        environment=report["environment"],
    )


def _operator(told: Mapping[str, Any]) -> Operator:
    return Operator(
        index=told["index"],
        name=told["name"],
        type=told["type"],
        kernel=told["kernel"],
        delegate=told["delegate"],
        samples_ms=tuple(ns / 1e6 for ns in told["samples_ns"]),
        total_ms=told["total_ns"] / 1e6,
    )


def _ask(spec: Mapping[str, Any], name: str, limit_s: float) -> dict[str, Any]:
    """The report of ``device.py profile``; its process is gone afterwards, whatever happens."""
    with (
        tempfile.TemporaryDirectory(prefix="edgecut-") as folder,
        tempfile.TemporaryFile() as stderr,
    ):
        spec_path = Path(folder) / "spec.json"
        spec_path.write_text(json.dumps(spec), encoding="utf-8")
        process = subprocess.Popen(
            device_command("profile", str(spec_path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=device_environment(),
            start_new_session=True,
        )
        try:
            stdout, _ = process.communicate(timeout=limit_s)
            if process.returncode != 0:
                raise ValueError(f"ended with exit code {process.returncode}")
            report: dict[str, Any] = json.loads(stdout)
            return report
        except (subprocess.TimeoutExpired, ValueError) as error:
            late = isinstance(error, subprocess.TimeoutExpired)
            what = f"did not end within {limit_s:g} s" if late else str(error)
            raise _failure(name, what, stderr_tail(stderr)) from error
        finally:
            _end(process)


def _failure(name: str, what: str, tail: str) -> EdgecutError:
    marks = [line for line in tail.splitlines() if line.startswith("NotImplementedError: ")]
    if marks:  # the runtime was asked for its profiler, and has none that we know
        reason = marks[-1].partition(": ")[2]
        return EdgecutError(
            f"{name} cannot be profiled: {reason}",
            code="no-profiler",
            hint="pip install 'edgecut[tflite]' brings a runtime that can; `bench` works on any",
        )
    return EdgecutError(
        f"profiling {name} {what}" + (f"; it said:\n{tail}" if tail else ""),
        code="runtime-failed",
        hint="`edgecut verify` shows whether the artifact runs at all",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
