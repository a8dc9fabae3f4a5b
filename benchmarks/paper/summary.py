"""The paper's figures, what was asked of ours, and what was reached, computed from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.paper.costs import ALL, BY_KIND, averages, most
from benchmarks.paper.signals import OURS

PARAMETERS, MACS = 0.90, 0.85
AVERAGE_PARAMETERS, AVERAGE_MACS = 0.55, 0.25
POINTS = -0.005
"""By as much may accuracy be lower than the dense baseline's."""
EXACT = 1e-5
SAME = 0.99
REALISED = 0.8
DEFAULT_TOP1, DEFAULT_MACS = 0.88, 60e6
COLUMNS = (
    *("parameters_excluded", "macs_excluded", "parameters_vs_dense", "macs_vs_dense"),
    *("points_vs_dense", "top1_full", "top1_dense", "top1_specialist"),
    *("auroc_full", "auroc_dense", "fpr_full", "fpr_dense", "fpr_specialist"),
)

Row = Mapping[str, Any]


def means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each subject and kind of case the means of the columns."""
    return [
        {"base": base, "data": data, "over": over, **found}
        for (data, base), own in by_subject(rows).items()
        for over, found in averages([_with_points(row) for row in own], COLUMNS).items()
    ]


def figures(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``figure``, ``paper``, ``asked``, ``reached`` (by subject), ``met`` by all, ``met_by`` whom.

    Args:
        results: what ``paper.json`` holds beside this; parts may be missing or empty.
    """
    found = [
        _most_excluded(results["rows"]),
        _average(results["averages"]),
        _full(results["full"]),
        _exact(results["rows"], results["int8"]),
        _attention(results["attention_best"], results["attention_checks"]),
        _realisation(results["latency"]),
        _default(results.get("default")),
    ]
    return [figure for figure in found if figure["reached"]]


def by_subject(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """(data, base) -> its rows."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["data"], row["base"]), []).append(row)
    return found


def _with_points(row: Row) -> dict[str, Any]:
    """The row with its accuracy beside the dense baseline's: top-1, or AUROC of one category."""
    measure = "auroc" if len(row["keep"]) == 1 else "top1"
    ours, dense = row[f"{measure}_full"], row[f"{measure}_dense"]
    known = ours is not None and dense is not None
    return {**row, "points_vs_dense": ours - dense if known else None}


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


def _most_excluded(rows: Sequence[Row]) -> dict[str, Any]:
    best = {name: most(own, PARAMETERS, MACS) for name, own in _named(rows)}
    return _figure(
        "most parameters and most GMACs excluded, in one and the same case",
        "88.7 % and 73.4 %, or 73.5 % and 84.4 %",
        "90 % and 85 %",
        {
            name: f"{_percent(row['parameters_excluded'])} and {_percent(row['macs_excluded'])} "
            f"({row['case']})"
            for name, row in best.items()
        },
        (
            (name, row["parameters_excluded"] >= PARAMETERS and row["macs_excluded"] >= MACS)
            for name, row in best.items()
        ),
    )


def _average(rows: Sequence[Row]) -> dict[str, Any]:
    """Over all cases, over the kinds alike, and how much accuracy that costs."""
    reached, met = {}, []
    for name, own in _named(rows):
        over = {row["over"]: row for row in own}
        plain, alike, lists = over[ALL], over[BY_KIND], over.get("list")
        reached[name] = (
            f"{_percent(plain['parameters_vs_dense'])} and {_percent(plain['macs_vs_dense'])} "
            f"(kinds alike: {_percent(alike['parameters_vs_dense'])} and "
            f"{_percent(alike['macs_vs_dense'])})"
        )
        met += [
            (name, plain["parameters_vs_dense"] >= AVERAGE_PARAMETERS),
            (name, plain["macs_vs_dense"] >= AVERAGE_MACS),
        ]
        if lists is not None and lists["points_vs_dense"] is not None:
            reached[name] += f", top-1 of lists {_points(lists['points_vs_dense'])}"
            met.append((name, lists["points_vs_dense"] >= POINTS))
    return _figure(
        "average over the cases against dense baselines, parameters and GMACs, at no more than "
        "0.5 points lower accuracy",
        "47.6 % and 5.8 %, or 40 % and 8 %",
        "55 % and 25 %",
        reached,
        met,
    )


def _full(rows: Sequence[Row]) -> dict[str, Any]:
    known = {_name(row): row for row in rows if row["top1_full"] is not None}
    return _figure(
        "top-1 of the full nested network against the dense baseline of equal GMACs",
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
    errors = {name: max(row["error"] for row in own) for name, own in _named(rows)}
    same: dict[str, list[Row]] = {
        name: [row for row in own if row["scheme"] == "int8"] for name, own in _named(int8)
    }
    reached = {name: f"{error:.1e} in ONNX" for name, error in errors.items()}
    for name, own in same.items():
        told = (
            _agreement(runtime, [row for row in own if row["runtime"] == runtime])
            for runtime in dict.fromkeys(row["runtime"] for row in own)
        )
        reached[name] = f"{reached.get(name, '')}; int8: {', '.join(told)}"
    return _figure(
        "cut against full, kept scores",
        "by construction",
        "within 1e-5 in ONNX; int8: same top-1 on 99 % of the test images",
        reached,
        [
            *((name, error <= EXACT) for name, error in errors.items()),
            *((name, row["same_as_float"] >= SAME) for name, own in same.items() for row in own),
        ],
    )


def _agreement(runtime: str, rows: Sequence[Row]) -> str:
    same = min(row["same_as_float"] for row in rows)
    change = min(row["top1"] - row["top1_float"] for row in rows)
    return f"{runtime} {_percent(same)} (top-1 {_points(change)} at worst)"


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
    """The median over the cases, for each runtime and scheme."""
    reached, met = {}, []
    for name, own in _named(rows):
        told = []
        for kind in dict.fromkeys((row["runtime"], row["scheme"]) for row in own):
            values = [r["realisation"] for r in own if (r["runtime"], r["scheme"]) == kind]
            told.append(f"{kind[0]} {kind[1]} {median(values):.2f}")
            met.append((name, median(values) >= REALISED))
        valid = sum(row["verdict"] == "VALID" for row in own)
        reached[name] = f"{', '.join(told)} ({valid} of {len(own)} measurements valid)"
    return _figure(
        "realisation, batch 1, one thread, median over the cases",
        "not measured",
        "0.8",
        reached,
        met,
    )


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
