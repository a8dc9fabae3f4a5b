"""The study as a page of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.paper.cases import KINDS
from benchmarks.paper.comparisons import Row, beside_dense, by_subject
from benchmarks.paper.summary import reaches

HEAD = """# Networks made to be cut: results

Written by `python -m benchmarks.paper`; do not edit. All rows, and what their columns mean, are in
`paper.json`."""
CAVEAT = (
    "The nested networks learnt from their dense baselines as teachers; the baselines and the "
    "specialists had no teacher. One seed each."
)


def page(results: Mapping[str, Any], plots: Mapping[str, str]) -> str:
    """All tables that there are rows for, and the plots."""
    parts = [
        HEAD,
        CAVEAT,
        *(show(results[part]) for part, show in TABLES if results[part]),
        *(f"**{title}**\n\n![{title}]({file})" for title, file in plots.items()),
    ]
    return "\n\n".join(parts) + "\n"


def headline(results: Mapping[str, Any]) -> str:
    """The figures alone, for the page of all benchmarks."""
    return f"{_summary(results['summary'])}\n\n{CAVEAT}" if results["summary"] else ""


def _summary(rows: Sequence[Row]) -> str:
    def told(row: Row) -> str:
        return "<br>".join(f"{name}: {text}" for name, text in row["reached"].items())

    def met(row: Row) -> str:
        return "yes" if row["met"] else f"by {len(row['met_by'])} of {len(row['reached'])}"

    lines = [[row["figure"], row["paper"], row["asked"], told(row), met(row)] for row in rows]
    columns = ["figure", "paper", "asked", "reached", "met"]
    return _table("The paper's figures and ours", columns, lines)


def _full(rows: Sequence[Row]) -> str:
    lines = [
        [
            row["data"],
            row["base"],
            *(f"{row[f'macs_{m}'] / 1e6:.1f}" for m in ("nested", "dense")),
            *(f"{row[f'parameters_{m}'] / 1e3:.0f}" for m in ("nested", "dense")),
            *(_percent(row[f"top1_{w}"]) for w in ("full", "dense")),
        ]
        for row in rows
    ]
    columns = ["data", "base", "MMACs", "dense", "k parameters", "dense", "top-1", "dense"]
    return _table("The full networks, and the dense baselines", columns, lines)


def _averages(rows: Sequence[Row]) -> str:
    columns = (
        *("parameters_excluded", "macs_excluded", "parameters_vs_dense", "macs_vs_dense"),
        *("top1_full", "top1_dense", "auroc_full", "auroc_dense"),
        *("fpr_full", "fpr_dense", "fpr_vs_dense"),
    )
    lines = [
        [row["data"], row["base"], row["over"], *(_percent(row[c]) for c in columns)]
        for row in rows
    ]
    heads = [
        *("data", "base", "cases", "parameters excluded", "MACs excluded"),
        *("parameters vs dense", "MACs vs dense", "top-1", "dense"),
        *("AUROC", "dense", "FPR", "dense", "points more than dense"),
    ]
    return _table("Averages over the cases (%)", heads, lines)


def _cases(rows: Sequence[Row]) -> str:
    lines = []
    for (data, base), every in by_subject(rows).items():
        for kind in KINDS:
            own = [beside_dense(row) for row in every if row["kind"] == kind]
            fpr = [row["fpr_vs_dense"] for row in own if row["fpr_vs_dense"] is not None]
            there = [row["case"] for row in own if reaches(row)]
            worse = sum(row["parameters_vs_dense"] < 0 for row in own)
            lines.append(
                [
                    *(data, base, kind, str(len(own)), str(len(there)), ", ".join(there)),
                    *(str(worse), f"{sum(one > 0 for one in fpr)} of {len(fpr)}"),
                ]
            )
    heads = [
        *("data", "base", "cases", "number", "exclude 90 % and 85 %", "which"),
        *("more parameters than dense", "higher FPR than dense"),
    ]
    return _table(
        "Cases: what was asked of one, and where the dense baseline is better", heads, lines
    )


def _specialists(rows: Sequence[Row]) -> str:
    columns = ("top1_full", "top1_specialist", "points_vs_specialist", "least", "most")
    lines = [
        [
            *(row["data"], row["base"], str(row["lists"])),
            *(_percent(row[c]) for c in (*columns, "fpr_full", "fpr_specialist")),
        ]
        for row in rows
    ]
    heads = [
        *("data", "base", "lists", "top-1, cut", "specialist", "points more", "least", "most"),
        *("FPR, cut", "specialist"),
    ]
    return _table("Cut and specialist on the same keep-lists (%)", heads, lines)


def _int8(rows: Sequence[Row]) -> str:
    lines = []
    for (data, base), own in by_subject(rows).items():
        for kind in dict.fromkeys((row["runtime"], row["scheme"]) for row in own):
            these = [row for row in own if (row["runtime"], row["scheme"]) == kind]
            full, *cuts = these
            lines.append(
                [
                    *(data, base, *kind),
                    *(_percent(full[c]) for c in ("top1", "top1_float", "same_as_float")),
                    *(
                        _percent(pick(row[c] for row in cuts))
                        for c in ("same_as_float", "same_as_float_everywhere", "same_as_full")
                        for pick in (min, median)
                    ),
                ]
            )
    columns = [
        *("data", "base", "runtime", "scheme", "full: top-1", "float", "same"),
        *("cut: same as float, least", "median", "on all test images, least", "median"),
        *("same as full, least", "median"),
    ]
    title = "Artifacts against the float network, on images that show a kept category: top-1 (%)"
    return _table(title, columns, lines)


def _latency(rows: Sequence[Row]) -> str:
    lines = []
    for (data, base), own in by_subject(rows).items():
        for kind in dict.fromkeys((r["runtime"], r["scheme"], r["kind"]) for r in own):
            these = [r for r in own if (r["runtime"], r["scheme"], r["kind"]) == kind]
            valid = [row for row in these if row["verdict"] == "VALID"]
            lines.append([data, base, *kind, f"{len(valid)} of {len(these)}", *_timed(valid)])
    columns = [
        *("data", "base", "runtime", "scheme", "cases", "valid", "full ms", "cut ms"),
        *("speed-up", "of MACs", "realisation", "least", "of the fastest"),
    ]
    title = "Latency, one thread, interleaved: medians over the cases whose measurement is valid"
    return _table(title, columns, lines)


def _timed(rows: Sequence[Row]) -> list[str]:
    def told(column: str, of: Callable[[Iterable[float]], float] = median) -> str:
        return f"{of(row[column] for row in rows):.2f}" if rows else ""

    return [
        *(told(c) for c in ("full_ms", "cut_ms", "speedup", "speedup_macs", "realisation")),
        told("realisation", min),
        told("realisation_fastest"),
    ]


def _attention(rows: Sequence[Row]) -> str:
    lines = [
        [
            *(row["data"], row["base"], row["kind"], row["signal"], f"{row['gain']:g}"),
            _percent(row["recall_plain"]),
            *(_interval(row[c]) for c in ("recall_change", "accuracy_change", "control_change")),
        ]
        for row in rows
    ]
    columns = [
        *("data", "base", "target", "signal", "best gain", "recall (%)"),
        *("change of recall", "of accuracy", "of recall, another enhanced"),
    ]
    title = "Attention: the best gain of each signal, chosen on val, on test images (points)"
    return _table(title, columns, lines)


def _interval(value: Mapping[str, float] | None) -> str:
    if value is None:
        return ""
    mean, low, high = (100 * value[key] for key in ("mean", "low", "high"))
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"**{title}**", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


TABLES = (
    ("summary", _summary),
    ("full", _full),
    ("averages", _averages),
    ("rows", _cases),
    ("specialists", _specialists),
    ("int8", _int8),
    ("latency", _latency),
    ("attention_best", _attention),
)
