"""The report as one HTML page: no script, nothing from the network, light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from edgecut.measure.environment import remarks
from edgecut.report import figures
from edgecut.report.findings import Bench, Findings

Row = Mapping[str, Any]
UNSEEN = ("emulator", "virtual_machine", "container", "quota_cores")
"""Facts that are null where there is nothing of the kind to see."""
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
    title = f"{findings.name}, cut to {_few(findings.keep)}"
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
        yield f"latency-{bench.place}", f"Latency on {bench.where}", _bench(bench)
        yield f"machine-{bench.place}", f"The machine: {bench.where}", _machine(bench)
    if findings.profiles:
        yield "operators", "Where the time goes", "".join(_profiles(findings))
    if findings.accuracies:
        yield "accuracy", "Accuracy", _accuracy(findings)
    if findings.missing:
        items = "".join(f"<li>{escape(text)}</li>" for text in findings.missing)
        yield "missing", "Not measured", f"<ul>{items}</ul>"


def _summary(findings: Findings) -> str:
    full, cut = findings.cost["full"], findings.cost["cut"]
    facts = [
        ("Multiply-accumulates", _number(cut["macs"]), f"of {_number(full['macs'])}"),
        ("Parameters", _number(cut["parameters"]), f"of {_number(full['parameters'])}"),
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
    return kept + _table("Each artifact was run on its own runtime", columns, rows) + stopped


def _bench(bench: Bench) -> str:
    rows, name = bench.rows, bench.place
    parts = [_verdict(bench), _latencies(bench), _ratios(bench)]
    if any(row["gmacs"] for row in rows):
        parts.append(
            _figure(
                figures.latency(f"l-{name}", rows),
                "Median latency against multiply-accumulates",
                "Each line leads from the full network (square) to the cut one (dot). The dotted "
                "line is where the cut would stand if latency fell as MACs do: below it is better.",
            )
        )
    if under := [row for row in rows if row["roofline"]]:
        parts += [
            _figure(
                figures.roofline(f"r-{name}", under),
                "Roofline",
                "What was reached, under what the machine allows: arithmetic, as probes on the "
                "same runtime measured it, and memory, as copies of large arrays did. The line "
                "takes it that every activation goes through memory; the bar at a point is the "
                "roof where none has to.",
            ),
            _reasons(bench.roof_reasons),
        ]
    parts += [
        _figure(
            figures.spread(f"s-{name}", rows),
            "Distribution of all samples",
            "The share of runs that took no longer than that. A steep line is a steady latency.",
        ),
        _figure(
            figures.drift(f"d-{name}", rows),
            "Drift",
            "The median of each burst over the median of all, in the order of measuring; both "
            "networks ran in turn, so what slowed the machine down shows in both.",
        ),
    ]
    if held := [row for row in rows if row.get("sustained")]:
        parts.append(
            _figure(
                figures.sustained(f"u-{name}", held),
                "Sustained run",
                "Each second's median of a run without a pause: heat shows here.",
            )
        )
    return "".join(parts)


def _latencies(bench: Bench) -> str:
    several = len({row["threads"] for row in bench.rows}) > 1
    rows = [
        (
            row["artifact"],
            _named(row["network"]),
            str(row["threads"]),
            f"{row['median_ms']:#.4g}",
            f"{row['low_ms']:#.4g} to {row['high_ms']:#.4g}",
            f"{row['p90_ms']:#.4g}",
            f"{row['p99_ms']:#.4g}",
            _given(row.get("gmacs"), "{:.4f}"),
            _given(row.get("achieved_gmacs_per_s"), "{:.1f}"),
            _given(row.get("share_of_peak"), "{:.0%}"),
            _verdict_of(row["verdict"]),
        )
        for row in bench.rows
    ]
    columns = (
        *("artifact", "network", ">threads", ">median ms", ">95 % interval", ">p90", ">p99"),
        *(">GMACs", ">GMAC/s", ">of peak", "verdict"),
    )
    dropped = (2,) if not several else ()
    return _table("Latency of the runtime's own invocation", columns, rows, dropped)


def _ratios(bench: Bench) -> str:
    rows = [
        (
            one["artifact"],
            str(one["threads"]),
            f"{one['of']} / {one['to']}",
            f"{one['ratio']:.2f}",
            f"{one['low']:.2f} to {one['high']:.2f}",
            _given(one.get("macs_ratio"), "{:.2f}"),
            _given(one.get("realisation"), "{:.2f}"),
            _verdict_of("INVALID" if one["reasons"] else "VALID"),
        )
        for one in bench.ratios
    ]
    columns = ("artifact", ">threads", "ratio of", ">speed-up", ">95 % interval")
    return _table(
        "Speed-up, burst by burst in turn; realised is how much of the MACs' promise came true",
        (*columns, ">MACs promise", ">realised", "verdict"),
        rows,
    )


def _verdict(bench: Bench) -> str:
    stale = (
        "<p>The bundle was built anew after this measurement: it tells of other artifacts.</p>"
        if bench.stale
        else ""
    )
    return f"<p>Verdict: {_verdict_of(bench.verdict)}</p>{_reasons(bench.reasons)}{stale}"


def _reasons(texts: Iterable[str]) -> str:
    """A list of what speaks against numbers; nothing where nothing does."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<ul class="reasons">{items}</ul>' if items else ""


def _machine(bench: Bench) -> str:
    facts = [(key.replace("_", " "), _fact(key, value)) for key, value in bench.environment.items()]
    runtimes = sorted({str(row["runtime"]) for row in bench.rows})
    table = _table("", ("what", "value"), [*facts, ("runtimes", ", ".join(runtimes))])
    told = ", ".join(bench.remarks(remarks))
    return (f"<p>To know: {escape(told)}.</p>" if told else "") + table


def _profiles(findings: Findings) -> Iterator[str]:
    for place, profile in enumerate(findings.profiles):
        yield f"<h3>{escape(profile['artifact'])}</h3>"
        yield (
            f"<p>On {escape(profile['runtime'])} {escape(profile['version'])}, threads: "
            f"{profile['threads']}. Verdict: {_verdict_of(profile['verdict'])}</p>"
        )
        yield _reasons((*profile["reasons"], *profile["notes"]))
        delegated = (
            ""
            if profile["runtime"] == "openvino"  # it has no delegates
            else f", {profile['not_delegated_share']:.1%} were not delegated"
        )
        yield _figure(
            figures.layers(f"p{place}", profile["operators"]),
            f"The slowest operators of {profile['artifact']}",
            f"{profile['explained']:.0%} of the latency, {profile['latency_ms']:#.4g} ms, is "
            f"explained by its operators; {profile['layout_conversions_share']:.1%} of their time "
            f"are layout conversions{delegated}.",
        )
        rows = [
            (
                one["type"],
                _nodes(one),
                _categories(one["categories"], profile["categories"]),
                f"{one['median_ms']:.4f}",
                f"{one['share']:.1%}",
            )
            for one in profile["operators"]
        ]
        table = _table("", ("operator", "nodes", "serves", ">ms", ">share"), rows)
        yield f"<details><summary>All {len(rows)} operators, as they ran</summary>{table}</details>"


def _nodes(operator: Row) -> str:
    if operator["nodes"] is None:
        return "unmapped"
    return ("added at " if operator["added"] else "") + _few(operator["nodes"])


def _categories(names: Sequence[str] | None, everyone: Sequence[str]) -> str:
    if names is None:
        return "unknown"
    return "all" if len(names) == len(everyone) > 1 else _few(names) or "none"


def _accuracy(findings: Findings) -> str:
    measures = [m for m in ("ap", "ap50", "top1", "samples") if m in findings.accuracies[0]]
    rows = [
        (row["what"], row["category"], *(_given(row[m], "{:.4g}") for m in measures))
        for row in findings.accuracies
    ]
    table = _table("", ("what", "category", *(f">{m}" for m in measures)), rows)
    points = findings.accuracy_points()
    if not points:
        return table
    drawn = figures.accuracy("a", points, findings.accuracy_measure)
    return (
        _figure(drawn, "Accuracy against latency", f"Mean {findings.accuracy_measure} of the kept.")
        + table
    )


def _figure(svg: str, title: str, caption: str) -> str:
    named = svg.replace('role="img"', f'role="img" aria-label="{escape(title)}"', 1)
    return (
        f'<figure tabindex="0" aria-label="{escape(title)}">{named}'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    dropped: Sequence[int] = (),
) -> str:
    """A table; a column whose name starts with ``>`` is set to the right. Cells are text, but for
    those that ``_named`` and ``_verdict_of`` made.
    """
    shown = [place for place in range(len(columns)) if place not in dropped]
    kinds = [' class="n"' if columns[place].startswith(">") else "" for place in shown]
    head = "".join(
        f'<th scope="col"{kind}>{escape(columns[place].lstrip(">"))}</th>'
        for place, kind in zip(shown, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{row[place] if isinstance(row[place], _Html) else escape(row[place])}</td>"
            for place, kind in zip(shown, kinds, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    label = escape(title or "table")
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{label}"><table>{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class _Html(str):
    """Text that is HTML already."""


def _named(network: str) -> _Html:
    return _Html(f'<span class="key" style="background: var(--{network})"></span>{network}')


def _verdict_of(word: str) -> _Html:
    kind = "valid" if word == "VALID" else "invalid"
    return _Html(f'<span class="verdict {kind}">{kind.upper()}</span>')


def _verified(verification: Mapping[str, Any]) -> str:
    worst = verification["worst"]
    if worst is None:
        return "-"
    unit = " dB SNR" if verification["metric"] == "sqnr-db" else " relative"
    return (f"{worst:.1f}" if unit.startswith(" dB") else f"{worst:.1e}") + unit


def _given(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _fact(name: str, value: Any) -> str:
    if value is None:
        return "none shows" if name in UNSEEN else "not known"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _number(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:g}"


def _few(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
