"""What each operator of an artifact takes on its own runtime, told by the runtime's profiler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError
from edgecut.measure.asking import ask
from edgecut.measure.contender import Contender
from edgecut.measure.environment import disturbances
from edgecut.measure.judging import crowding, doubts
from edgecut.measure.xnnpack import kind_of

RUNS = 50
FORMATS = ("tflite", "openvino")
# Outside of these shares of the whole, the profile does not say where the time goes.
MIN_EXPLAINED, MAX_EXPLAINED = 0.8, 1.1
LAYOUT = ("Reorder", "Transpose", "TRANSPOSE")
_REFUSAL = "NotImplementedError: "  # how device.py begins the line on what it cannot do


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What the runtime ran as one, in the order in which it ran, with what it took.

    ``type`` and ``kernel`` are the runtime's words, ``index`` is its number there; ``delegate`` is
    the delegate that ran it, if any. ``nodes`` are the network's nodes that it computes; where it
    was ``added``, it computes none, and only moves or converts what they give (none of them: what
    comes in, or whatever the runtime saw fit). ``macs`` are those of its nodes, by the rule of
    ``edgecut.cost``. ``categories`` are those that it serves. All of these are None where nothing
    says so for certain.
    """

    index: int
    name: str
    type: str
    kernel: str | None
    delegate: str | None
    samples_ms: tuple[float, ...]
    nodes: tuple[str, ...] | None = None
    added: bool = False
    macs: int | None = None
    categories: tuple[str, ...] | None = None

    @property
    def median_ms(self) -> float:
        """The median of all samples."""
        return float(np.median(self.samples_ms))

    @property
    def gmacs_per_s(self) -> float | None:
        """The rate at which it multiplies; None where it does not, or is too fast to tell."""
        return self.macs / self.median_ms / 1e6 if self.macs and self.median_ms else None

    @property
    def moves_layout(self) -> bool:
        """Whether it only puts data into another order."""
        return kind_of(self.type) in LAYOUT

    def to_json(self) -> dict[str, Any]:
        """Plain values, raw samples included."""
        return {
            "index": self.index,
            "name": self.name,
            "type": self.type,
            "kernel": self.kernel,
            "delegate": self.delegate,
            "moves_layout": self.moves_layout,
            "nodes": None if self.nodes is None else list(self.nodes),
            "added": self.added,
            "categories": None if self.categories is None else list(self.categories),
            "macs": self.macs,
            "gmacs_per_s": self.gmacs_per_s,
            "median_ms": self.median_ms,
            "samples_ms": list(self.samples_ms),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The operators of one artifact, beside its whole latency.

    ``bursts_ms`` are plain runs, burst by burst, in turn with the profiled ones. Each entry of
    ``profiled_ms`` holds the whole runs that one sample of the operators is the mean of: LiteRT
    tells of every run, OpenVINO of many together. ``doubts`` are what else than the times speaks
    against them, ``categories`` the network's.
    """

    artifact: str
    format: str
    runtime: str
    version: str
    threads: int
    resolution_ms: float
    bursts_ms: tuple[tuple[float, ...], ...]
    profiled_ms: tuple[tuple[float, ...], ...]
    operators: tuple[Operator, ...]
    environment: Mapping[str, Any]
    doubts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """Runs under the profiler; there are as many plain ones."""
        return sum(map(len, self.profiled_ms))

    @property
    def latency_ms(self) -> float:
        """The median latency without the profiler."""
        return float(np.median(np.concatenate(self.bursts_ms)))

    @property
    def profiled_latency_ms(self) -> float:
        """The median latency under the profiler."""
        return float(np.median(np.concatenate(self.profiled_ms)))

    @property
    def operators_ms(self) -> float:
        """The sum of the operators' medians."""
        return together_ms(self.operators)

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
        wholes = [np.mean(runs_ms) for runs_ms in self.profiled_ms]
        return float(np.median(sums / wholes))

    @property
    def unexplained_ms(self) -> float:
        """What the operators leave of the median latency; negative where they take more."""
        return self.latency_ms - self.operators_ms

    def share(self, operators: Iterable[Operator]) -> float:
        """The part of all operators' time that some of them take."""
        return together_ms(operators) / max(self.operators_ms, 1e-9)

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
        ordered = sorted(groups.items(), key=lambda item: -together_ms(item[1]))
        return [(key, tuple(operators)) for key, operators in ordered]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the profile should not be believed; empty where nothing speaks against it."""
        whole = MIN_EXPLAINED <= self.explained <= MAX_EXPLAINED
        unexplained = () if whole else (self._unexplained(),)
        return (*self.doubts, *doubts(self.bursts_ms), *unexplained)

    def _unexplained(self) -> str:
        told = f"the operators' sum is {self.explained:.0%} of the latency"
        if MIN_EXPLAINED <= self.explained_under_profiler <= MAX_EXPLAINED:
            within = f"{self.explained_under_profiler:.0%} of their own runs"
            return (
                f"{told}, but {within}: the machine was busy, and halted runs more than operators"
            )
        lost_ms = self.resolution_ms * len(self.operators)
        if 0 < self.unexplained_ms < lost_ms:
            return (
                f"{told}: the profiler drops parts of microseconds, up to {lost_ms:.3f} ms in all"
            )
        return f"{told}: the rest lies outside of them, or the machine was busy"

    @property
    def verdict(self) -> str:
        """``VALID``, or ``INVALID`` where ``reasons`` says why."""
        return "INVALID" if self.reasons else "VALID"

    def to_json(self) -> dict[str, Any]:
        """Plain values, raw samples included, without the environment."""
        places = {id(operator): place for place, operator in enumerate(self.operators)}

        def group(operators: Iterable[Operator]) -> dict[str, Any]:
            return {
                "median_ms": together_ms(operators),
                "share": self.share(operators),
                "operators": [places[id(operator)] for operator in operators],
            }

        return {
            "artifact": self.artifact,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "runtime": self.runtime,
            "version": self.version,
            "threads": self.threads,
            "runs": self.runs,
            "categories": list(self.categories),
            "resolution_ms": self.resolution_ms,
            "latency_ms": self.latency_ms,
            "profiled_latency_ms": self.profiled_latency_ms,
            "operators_ms": self.operators_ms,
            "unexplained_ms": self.unexplained_ms,
            "explained": self.explained,
            "explained_under_profiler": self.explained_under_profiler,
            "not_delegated_share": self.share(self.not_delegated),
            "layout_conversions_share": self.share(self.layout_conversions),
            "unmapped_share": self.share(self.unmapped),
            "by_type": [{"type": kind, **group(found)} for kind, found in self.by_type()],
            "by_category": [
                {"categories": None if names is None else list(names), **group(found)}
                for names, found in self.by_category()
            ],
            "operators": [
                {**operator.to_json(), "share": self.share([operator])}
                for operator in self.operators
            ],
            "bursts_ms": [list(burst) for burst in self.bursts_ms],
            "profiled_ms": [list(runs_ms) for runs_ms in self.profiled_ms],
        }


def together_ms(operators: Iterable[Operator]) -> float:
    """The sum of some operators' medians."""
    return sum(operator.median_ms for operator in operators)


def profile(
    contender: Contender, *, threads: int = 1, runs: int = RUNS, timeout_s: float = 600.0
) -> tuple[Profile, list[dict[str, Any]]]:
    """Profile an artifact in a fresh process, through ``device.py profile``.

    Args:
        contender: a ``tflite`` or ``openvino`` artifact.
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
    if contender.format not in FORMATS:
        raise EdgecutError(
            f"there is no profiler for artifacts of the format '{contender.format}'",
            code="no-profiler",
            hint=f"formats with one: {', '.join(FORMATS)}",
        )
    if threads < 1 or runs < 1:
        raise EdgecutError(
            f"cannot profile {runs} runs with {threads} threads", code="bad-measurement"
        )
    contender.check()
    spec, what = {**contender.entry(threads), "runs": runs}, f"profiling {contender.name}"
    try:
        report = ask("profile", spec, limit_s=timeout_s, what=what)
    except EdgecutError as error:
        raise _no_profiler(contender.name, error) or error from error.__cause__
    return read_report(report, contender), report["graph"]


def read_report(report: Mapping[str, Any], contender: Contender) -> Profile:
    """The profile in a report of ``device.py profile``, here or on a device."""
    environment = report["environment"]
    return Profile(
        artifact=contender.name,
        format=contender.format,
        runtime=report["runtime"],
        version=report["version"],
        threads=report["threads"],
        resolution_ms=report["resolution_ns"] / 1e6,
        bursts_ms=tuple(map(_milliseconds, report["bursts_ns"])),
        profiled_ms=tuple(map(_milliseconds, report["profiled_ns"])),
        operators=tuple(map(_operator, report["operators"])),
        environment=environment,
        doubts=(
            *contender.doubts(report),
            *disturbances(environment),
            *crowding(report["threads"], environment["cores"]),
        ),
    )


def _operator(told: Mapping[str, Any]) -> Operator:
    return Operator(
        index=told["index"],
        name=told["name"],
        type=told["type"],
        kernel=told["kernel"],
        delegate=told["delegate"],
        samples_ms=_milliseconds(told["samples_ns"]),
    )


def _milliseconds(times_ns: Iterable[float]) -> tuple[float, ...]:
    return tuple(ns / 1e6 for ns in times_ns)


def _no_profiler(name: str, error: EdgecutError) -> EdgecutError | None:
    """The error, if the runtime was asked for its profiler and has none that we know."""
    told = [line for line in error.message.splitlines() if line.startswith(_REFUSAL)]
    if not told:
        return None
    return EdgecutError(
        f"{name} cannot be profiled: {told[-1].removeprefix(_REFUSAL)}",
        code="no-profiler",
        hint="`edgecut bench` times it; ai-edge-litert 2.3 and OpenVINO's CPU tell of operators",
    )
