"""The paper's figures, what was asked of ours, and what was reached, computed from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.paper.comparisons import Row, by_subject
from benchmarks.paper.costs import ALL, BY_KIND, most
from benchmarks.paper.deployed import KINDS
from benchmarks.paper.signals import OURS

PARAMETERS, MACS = 0.90, 0.85
AVERAGE_PARAMETERS, AVERAGE_MACS = 0.55, 0.25
POINTS = -0.005
"""By as much may accuracy be lower than the dense baseline's."""
EXACT = 1e-5
SAME = 0.99
REALISED = 0.8
DEFAULT_TOP1, DEFAULT_MACS = 0.88, 60e6
UNKNOWN = "not measured"


def figures(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``figure``, ``paper``, ``asked``, ``reached`` (by subject), ``met`` by all, ``met_by`` whom.

    A subject of which nothing is known does not meet a figure.

    Args:
        results: what ``paper.json`` holds beside this; parts may be empty.
    """
    parts = ("rows", "full", "int8", "attention_best", "latency")
    subjects = dict.fromkeys(_name(row) for part in parts for row in results[part])
    found = [
        _most_excluded(results["rows"]),
        _average(results["averages"]),
        _full(results["full"]),
        _exact(results["rows"], results["int8"]),
        _attention(results["attention_best"], results["attention_checks"]),
        _realisation(results["latency"]),
    ]
    found = [_of_all(subjects, figure) for figure in found]
    return [figure for figure in (*found, _default(results.get("default"))) if figure["reached"]]


def _of_all(subjects: Iterable[str], figure: dict[str, Any]) -> dict[str, Any]:
    """The figure, with the subjects that were not measured."""
    reached = {name: figure["reached"].get(name, UNKNOWN) for name in subjects}
    met = figure["met"] and UNKNOWN not in reached.values()
    return {**figure, "reached": reached, "met": met}


def _figure(
    name: str, paper: str, asked: str, reached: Mapping[str, str], met: Iterable[tuple[str, bool]]
) -> dict[str, Any]:
    """``met`` has the name of a subject and whether it meets one of the things that are asked."""
    missed = {subject for subject, one in met if not one}
    return {
        "figure": name,
        "paper": paper,
        "asked": asked,
        "reached": dict(reached),
        "met": not missed,
        "met_by": [subject for subject in reached if subject not in missed],
    }


def _name(row: Row) -> str:
    return f"{row['data']}-{row['base']}"


def _named(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    for own in by_subject(rows).values():
        yield _name(own[0]), own


def reaches(row: Row) -> bool:
    """Whether a case excludes as much as was asked of one."""
    return bool(row["parameters_excluded"] >= PARAMETERS and row["macs_excluded"] >= MACS)


def _most_excluded(rows: Sequence[Row]) -> dict[str, Any]:
    reached, met = {}, []
    for name, own in _named(rows):
        best = most(own, PARAMETERS, MACS)
        reached[name] = (
            f"{_percent(best['parameters_excluded'])} and {_percent(best['macs_excluded'])} "
            f"({best['case']}); {sum(map(reaches, own))} of {len(own)} cases reach both"
        )
        met.append((name, reaches(best)))
    return _figure(
        "most parameters and most GMACs excluded, in one and the same case",
        "88.7 % and 73.4 %, or 73.5 % and 84.4 %",
        "90 % and 85 %",
        reached,
        met,
    )


def _average(rows: Sequence[Row]) -> dict[str, Any]:
    """Over all cases, over the kinds alike, and how much accuracy that costs."""
    reached, met = {}, []
    for name, own in _named(rows):
        over = {row["over"]: row for row in own}
        plain, alike = over[ALL], over[BY_KIND]
        reached[name] = (
            f"{_percent(plain['parameters_vs_dense'])} and {_percent(plain['macs_vs_dense'])} "
            f"(kinds alike: {_percent(alike['parameters_vs_dense'])} and "
            f"{_percent(alike['macs_vs_dense'])}); accuracy {_accuracies(over)}"
        )
        points = plain["points_vs_dense"]
        met += [
            (name, plain["parameters_vs_dense"] >= AVERAGE_PARAMETERS),
            (name, plain["macs_vs_dense"] >= AVERAGE_MACS),
            (name, points is not None and points >= POINTS),
        ]
    return _figure(
        "average over the cases against dense baselines, parameters and GMACs, at no more than "
        "0.5 points lower accuracy (top-1 of lists, AUROC of leaves and parents)",
        "47.6 % and 5.8 %, or 40 % and 8 %",
        "55 % and 25 %",
        reached,
        met,
    )


def _accuracies(over: Mapping[str, Row]) -> str:
    """Against the dense baseline: over all cases, and by kind."""
    told = {kind: row["points_vs_dense"] for kind, row in over.items() if kind != BY_KIND}
    if told[ALL] is None:
        return UNKNOWN
    kinds = (f"{k} {_points(v)}" for k, v in told.items() if k != ALL and v is not None)
    return f"{_points(told[ALL])} ({', '.join(kinds)})"


def _full(rows: Sequence[Row]) -> dict[str, Any]:
    known = {_name(row): row for row in rows if row["top1_full"] is not None}
    return _figure(
        "top-1 of the full nested network against the dense baseline of equal GMACs, its teacher",
        "not given",
        "not more than 0.5 points below",
        {
            name: f"{_percent(row['top1_full'])} against {_percent(row['top1_dense'])}, "
            f"{_points(row['top1_full'] - row['top1_dense'])}"
            for name, row in known.items()
        },
        ((name, row["top1_full"] - row["top1_dense"] >= POINTS) for name, row in known.items()),
    )


def _exact(rows: Sequence[Row], int8: Sequence[Row]) -> dict[str, Any]:
    reached, met = {}, []
    for name, own in _named(rows):
        error = max(row["error"] for row in own)
        reached[name] = f"{error:.1e} in ONNX; int8: {UNKNOWN}"
        met += [(name, error <= EXACT), (name, any(_name(row) == name for row in int8))]
    for name, own in _named(row for row in int8 if row["scheme"] == "int8"):
        told = (
            _agreement(runtime, [row for row in own if row["runtime"] == runtime])
            for runtime in dict.fromkeys(row["runtime"] for row in own)
        )
        exact = reached.get(name, "").removesuffix(UNKNOWN)
        reached[name] = f"{exact}{'; '.join(told)}"
        met += [(name, row["same_as_float"] >= SAME) for row in own]
    return _figure(
        "cut against full, kept scores",
        "by construction",
        "within 1e-5 in ONNX; int8: same top-1 as float on 99 % of the test images that show a "
        "kept category",
        reached,
        met,
    )


def _agreement(runtime: str, rows: Sequence[Row]) -> str:
    """The least of the full network and its cuts."""
    same, everywhere, as_full = (
        min(row[column] for row in rows)
        for column in ("same_as_float", "same_as_float_everywhere", "same_as_full")
    )
    change = min(row["top1"] - row["top1_float"] for row in rows)
    return (
        f"{runtime} {100 * same:.2f} % at least ({100 * everywhere:.2f} % on all test images; "
        f"cut as full, both int8, {100 * as_full:.2f} %; top-1 {_points(change)} at worst)"
    )


def _attention(best: Sequence[Row], checks: Sequence[Row]) -> dict[str, Any]:
    own = [row for row in best if row["signal"] == OURS and row["kind"] == "leaf"]
    errors = {_name(row): row for row in checks}
    reached = {}
    for row in own:
        name, change = _name(row), row["recall_change"]
        reached[name] = (
            f"gain {row['gain']:g}: recall {_points(change['mean'])} "
            f"({_points(change['low'])} to {_points(change['high'])}), accuracy "
            f"{_points(row['accuracy_change']['mean'])}; "
            f"neutral gain: {errors[name]['neutral_error']:.1e}"
        )
    return _figure(
        "attention, correct target, best fixed gain",
        "“enhanced predictions across all models”",
        "recall up on every network, interval clear of zero; neutral gain changes nothing",
        reached,
        [
            *((_name(row), row["recall_change"]["low"] > 0) for row in own),
            # What was judged must be what edgecut does, and a neutral gain must do nothing.
            *(
                (name, row[error] <= EXACT)
                for name, row in errors.items()
                for error in ("neutral_error", "signal_error")
            ),
        ],
    )


def _realisation(rows: Sequence[Row]) -> dict[str, Any]:
    """The median over the cases, for each runtime and scheme, of valid measurements alone."""
    reached, met = {}, []
    for name, own in _named(rows):
        told = []
        for runtime, scheme in KINDS:
            these = [row for row in own if (row["runtime"], row["scheme"]) == (runtime, scheme)]
            valid = [row["realisation"] for row in these if row["verdict"] == "VALID"]
            told.append(f"{runtime} {scheme} {_realised(valid, len(these))}")
            met.append((name, bool(valid) and median(valid) >= REALISED))
        reached[name] = "; ".join(told)
    return _figure(
        "realisation, batch 1, one thread, median over the cases, of valid measurements",
        "not measured",
        "0.8",
        reached,
        met,
    )


def _realised(valid: Sequence[float], of: int) -> str:
    if not valid:
        return f"{UNKNOWN} (0 of {of} valid)"
    return f"{median(valid):.2f} (least {min(valid):.2f}; {len(valid)} of {of} valid)"


def _default(data: Row | None) -> dict[str, Any]:
    reached, met = {}, []
    if data is not None:
        top1, macs = data["cifar10_test"]["top1_of_ten"], data["macs"]
        name = "everyday"
        reached[name] = f"{_percent(top1)} at {macs / 1e6:.1f} MMACs"
        met = [(name, top1 >= DEFAULT_TOP1), (name, macs <= DEFAULT_MACS)]
    return _figure(
        "embedded default, official CIFAR-10 test images, 10 categories (lossy JPEGs)",
        "",
        "88 %, aim at 91 %, top-1 at no more than 60 MMACs",
        reached,
        met,
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points"
