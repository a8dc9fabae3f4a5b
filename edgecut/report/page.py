"""The report as one HTML page: no script, nothing from the network, light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from edgecut.measure import wording
from edgecut.report import conditions, figures, latencies
from edgecut.report.bench import Bench
from edgecut.report.findings import Findings
from edgecut.report.markup import few, figure, given, moment, number, reasons, table, verdict_of

Row = Mapping[str, Any]
UNSEEN = ("emulator", "virtual_machine", "container", "quota_cores")
"""Facts that are null where there is nothing of the kind to see."""
MEASURES = {"ap": "{:.4g}", "ap50": "{:.4g}", "top1": "{:.4g}", "samples": "{:d}"}
DATA = "edgecut-report"
"""The id of the element that holds the numbers as JSON."""


def page(findings: Findings) -> str:
    """The page; the same findings give the same text."""
    sections = [*_sections(findings)]
    links = "".join(
        f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in sections
    )
    parts = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(title)}</h2>{content}</section>\n'
        for name, title, content in sections
    )
    style = files("edgecut.report").joinpath("page.css").read_text(encoding="utf-8")
    title = f"{findings.name}, cut to {few(findings.keep)}"
    # A text may hold "</script>": no tag begins inside of JSON without its "<".
    data = json.dumps(findings.to_json(), ensure_ascii=False, allow_nan=False).replace(
        "<", "\\u003c"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}: edgecut report</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the findings</a>\n'
        f"<header><h1>{escape(title)}</h1>{_summary(findings)}"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        f'<main id="main" tabindex="-1">\n{parts}</main>\n'
        f"<footer>edgecut {escape(findings.version)}. {escape(findings.provenance)}</footer>\n"
        f'<script type="application/json" id="{DATA}">{data}</script>\n</body>\n</html>\n'
    )


def _sections(findings: Findings) -> Iterator[tuple[str, str, str]]:
    yield "build", "What was built", _build(findings)
    for bench in findings.benches:
        yield f"latency-{bench.place}", f"Latency on {bench.where}", latencies.section(bench)
        yield f"machine-{bench.place}", f"The machine: {bench.where}", _machine(bench)
    if findings.profiles:
        yield "operators", "Where the time goes", "".join(_profiles(findings))
    if findings.accuracies:
        yield "accuracy", "Accuracy", _accuracy(findings)
    if findings.missing:
        items = "".join(f"<li>{escape(text)}</li>" for text in findings.missing)
        yield "missing", "Still to measure", f"<ul>{items}</ul>"


def _summary(findings: Findings) -> str:
    full, cut = findings.cost["full"], findings.cost["cut"]
    facts = [
        (
            "Multiply-accumulates",
            number(cut["macs"]),
            f"of {number(full['macs'])}{_uncounted(findings)}",
        ),
        ("Parameters", number(cut["parameters"]), f"of {number(full['parameters'])}"),
    ]
    for bench in findings.benches:
        if not bench.stale and (best := bench.best):
            facts += [
                (
                    f"Fastest on {bench.where}",
                    f"{best['median_ms']:#.3g} ms",
                    f"{best['artifact']}, threads: {best['threads']}, {best['verdict']}",
                )
            ]
    told = "".join(
        f"<div><dt>{escape(a)}</dt><dd>{escape(b)}<small>{escape(c)}</small></dd></div>"
        for a, b, c in facts
    )
    return f'<dl class="facts">{told}</dl>'


def _uncounted(findings: Findings) -> str:
    """Which nodes may multiply, and are in neither count."""
    nodes = dict.fromkeys(node for side in findings.cost.values() for node in side["uncounted"])
    return f"; not all counted: {few([*nodes], most=3)}" if nodes else ""


def _build(findings: Findings) -> str:
    rows = [
        (
            one["path"],
            one["target"],
            one["scheme"],
            f"{one['bytes'] / 1e6:.3f}",
            _verified(one["verification"]),
            "ok" if one["verification"]["passed"] else "FAILED",
        )
        for one in findings.artifacts
    ]
    columns = ("artifact", "target", "scheme", ">MB", ">against the cut network", "verdict")
    refusals = "".join(
        f"<li>{escape(str(one['node']))}: {escape(str(one['reason']))}</li>"
        for one in findings.refusals
    )
    kept = f"<p>Kept: {escape(', '.join(findings.keep))}.</p>"
    stopped = f"<p>Kept whole, and why:</p><ul>{refusals}</ul>" if refusals else ""
    return kept + table("Each artifact was run on its own runtime", columns, rows) + stopped


def _machine(bench: Bench) -> str:
    facts = [(key.replace("_", " "), _fact(key, value)) for key, value in bench.environment.items()]
    runtimes = sorted({_runtime(row) for row in bench.rows})
    told_of = [*facts, ("runtimes", ", ".join(runtimes))]
    shown = table("", ("what", "value"), told_of, label=f"Facts about {bench.where}")
    told = ", ".join(bench.remarks)
    return (
        (f"<p>To know: {escape(told)}.</p>" if told else "") + shown + conditions.states(bench.rows)
    )


def _runtime(row: Row) -> str:
    delegate = row.get("delegate")
    return f"{row['runtime']} ({delegate})" if delegate else str(row["runtime"])


def _profiles(findings: Findings) -> Iterator[str]:
    for place, profile in enumerate(findings.profiles):
        yield f"<h3>{escape(profile['artifact'])}</h3>"
        time = profile["state"]["before"].get("time")
        yield (
            f"<p>On {escape(findings.where(profile))}, "
            f"{escape(profile['runtime'])} {escape(profile['version'])}, threads: "
            f"{profile['threads']}{f', {escape(moment(time))}' if time else ''}. "
            f"Verdict: {verdict_of(profile['verdict'])}</p>"
        )
        if apart := findings.elsewhere(profile):
            yield reasons((f"not where the latencies above were measured: {apart}",))
        yield reasons((*profile["reasons"], *profile["notes"]))
        delegated = (
            ""
            if profile["runtime"] == "openvino"  # it has no delegates
            else f", {profile['not_delegated_share']:.1%} were not delegated"
        )
        yield figure(
            figures.layers(f"p{place}", profile["operators"]),
            f"The slowest operators of {profile['artifact']}",
            f"{profile['explained']:.0%} of the latency, {profile['latency_ms']:#.4g} ms, is "
            f"explained by its operators; {profile['layout_conversions_share']:.1%} of their time "
            f"are layout conversions{delegated}.",
        )
        rows = [
            (
                wording.type_of(one["type"]),
                wording.nodes_of(one["nodes"], added=one["added"]),
                wording.categories_of(one["categories"], profile["categories"]),
                f"{one['median_ms']:.4f}",
                f"{one['share']:.1%}",
            )
            for one in profile["operators"]
        ]
        columns = ("operator", "nodes", "serves", ">ms", ">share")
        shown = table("", columns, rows, label=f"All operators of {profile['artifact']}")
        yield f"<details><summary>All {len(rows)} operators, as they ran</summary>{shown}</details>"


def _accuracy(findings: Findings) -> str:
    judged_by = {name for row in findings.accuracies for name in row}
    measures = [name for name in MEASURES if name in judged_by]
    rows = [
        (row["what"], row["category"], *(given(row.get(m), MEASURES[m]) for m in measures))
        for row in findings.accuracies
    ]
    columns = ("what", "category", *(f">{m}" for m in measures))
    judged = "".join(f"<p>Judged on {escape(text)}.</p>" for text in findings.judged_on)
    shown = judged + table("", columns, rows, label="Accuracy by category")
    bench, points = findings.accuracy_bench, findings.accuracy_points()
    if bench is None or not points:
        return shown
    measure = findings.accuracy_measure
    caption = (
        f"Mean {measure} of the kept categories, over the median latency on {bench.where}, "
        f"threads: {points[0].threads}. Squares are the full network, dots the cut one; what is "
        "hollow is INVALID."
    )
    drawn = figures.accuracy("a", points, measure)
    return figure(drawn, "Accuracy against latency", caption) + shown


def _verified(verification: Mapping[str, Any]) -> str:
    worst = verification["worst"]
    if worst is None:
        return "-"
    if verification["metric"] == "agreement":
        return f"{worst:.2%} of clear values"
    unit = " dB SNR" if verification["metric"] == "sqnr-db" else " relative"
    return (f"{worst:.1f}" if unit.startswith(" dB") else f"{worst:.1e}") + unit


def _fact(name: str, value: Any) -> str:
    if value is None:
        return "none shows" if name in UNSEEN else "not known"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
