"""The section of a report about one machine's latencies."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from edgecut.measure.measurement import SCENARIOS
from edgecut.report import conditions, figures
from edgecut.report.bench import Bench
from edgecut.report.conditions import WHO, who
from edgecut.report.markup import figure, given, moment, reasons, table, verdict_of

Row = Mapping[str, Any]
PLACE = ("intensity_macs_per_byte", "achieved_gmacs_per_s", "ceiling_gmacs_per_s")
"""What a network without MACs has none of: it has no place in a figure of logarithms."""
STAGES = ("decode", "prepare", "infer", "finish")


def section(bench: Bench) -> str:
    """Everything that was timed there, as HTML."""
    rows, name = bench.rows, bench.place
    parts = [_verdict(bench), _latencies(bench), _ratios(bench), _beside(bench)]
    if figures.pairs(rows):
        parts.append(
            figure(
                figures.latency(f"l-{name}", rows),
                "Median latency against multiply-accumulates",
                "Each line leads from the full network (square) to the cut one (dot). The dotted "
                "line is where the cut would stand if latency fell as MACs do: below it is better.",
            )
        )
    if under := [row for row in rows if row["roofline"] and all(map(row["roofline"].get, PLACE))]:
        parts += [
            figure(
                figures.roofline(f"r-{name}", under),
                "Roofline",
                "What was reached, under what the machine allows: arithmetic, as probes on the "
                "same runtime measured it, and memory, as copies of large arrays did. The line "
                "takes it that every activation goes through memory; the bar at a point is the "
                "roof where none has to.",
            ),
        ]
    parts += [
        conditions.peaks(rows),
        reasons(bench.roof_reasons),
        figure(
            figures.spread(f"s-{name}", rows),
            "Distribution of all samples",
            "The share of runs that took no longer than that. A steep line is a steady latency.",
        ),
        figure(
            figures.drift(f"d-{name}", rows),
            "Drift",
            "The median of each burst over the median of all, in the order of measuring; both "
            "networks ran in turn, so what slowed the machine down shows in both. A vertical "
            "line is where all began anew, in fresh processes.",
        ),
    ]
    if held := [row for row in rows if row.get("sustained")]:
        parts += [
            figure(
                figures.sustained(f"u-{name}", held),
                "Sustained run",
                "Each second's median of a run without a pause: heat shows here.",
            ),
            conditions.sustained(held),
        ]
    return "".join(parts)


def _latencies(bench: Bench) -> str:
    several = len({row["threads"] for row in bench.rows}) > 1
    rows = [
        (
            *who(row),
            verdict_of(row["verdict"]),
            f"{row['median_ms']:#.4g}",
            f"{row['low_ms']:#.4g} to {row['high_ms']:#.4g}",
            f"{row['p90_ms']:#.4g}",
            given(row["p99_ms"], "{:#.4g}"),
            given(row.get("gmacs"), "{:.4f}"),
            given(row.get("achieved_gmacs_per_s"), "{:.1f}"),
            given(row.get("share_of_peak"), "{:.0%}"),
        )
        for row in bench.rows
    ]
    columns = (
        *(*WHO, "verdict", ">median ms", ">95 % interval"),
        *(">p90", ">p99", ">GMACs", ">GMAC/s", ">of peak"),
    )
    dropped = (2,) if not several else ()
    return table("Latency of the runtime's own invocation", columns, rows, dropped=dropped)


def _ratios(bench: Bench) -> str:
    rows = [
        (
            one["artifact"],
            str(one["threads"]),
            f"{one['of']} / {one['to']}",
            f"{one['ratio']:.2f}",
            f"{one['low']:.2f} to {one['high']:.2f}",
            given(one.get("macs_ratio"), "{:.2f}"),
            given(one.get("realisation"), "{:.2f}"),
            verdict_of("INVALID" if one["reasons"] else "VALID"),
        )
        for one in bench.ratios
    ]
    columns = ("artifact", ">threads", "ratio of", ">speed-up", ">95 % interval")
    return table(
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
    times = " to ".join(map(moment, bench.measured or ()))
    when = f", measured from {escape(times)}" if times else ""
    return f"<p>Verdict: {verdict_of(bench.verdict)}{when}</p>{reasons(bench.reasons)}{stale}"


def _beside(bench: Bench) -> str:
    """What the steady state leaves out: the way to it, memory, scenarios, whole frames."""
    start = [
        (
            *who(row),
            f"{row['load_ms']:#.3g}",
            f"{row['compile_ms']:#.3g}",
            given(row["cached_compile_ms"], "{:#.3g}"),
            f"{row['first_ms']:#.3g}",
            _megabytes(row["memory_bytes"]),
            _megabytes(row["peak_memory_bytes"]),
        )
        for row in bench.rows
    ]
    tables = [
        table(
            "Before the steady state; memory is that of a process with this artifact alone",
            (
                *(*WHO, ">load ms", ">compile", ">from cache", ">first run"),
                *(">MB more than empty", ">peak MB"),
            ),
            start,
        )
    ]
    if any(row[name] for row in bench.rows for name in SCENARIOS):
        tables.append(
            table(
                "Each alone, after MLPerf Inference's scenarios; these are no MLPerf results",
                (
                    *(*WHO, ">single stream p90 ms", ">offline runs/s"),
                    *(">mJ a run", ">mJ above idle", "verdict"),
                ),
                [_scenarios(row) for row in bench.rows],
            )
        )
    faults = dict.fromkeys(fault for row in bench.rows if (fault := row.get("energy_fault")))
    tables.append(reasons(f"energy was not measured: {fault}" for fault in faults))
    if bench.frames:
        tables.append(_frames(bench))
    inner = "".join(tables)
    return f"<details><summary>Start, memory, whole frames and energy</summary>{inner}</details>"


def _scenarios(row: Row) -> tuple[str, ...]:
    single, offline, energy = (row[name] or {} for name in SCENARIOS)
    verdicts = [found["verdict"] for found in (single, offline, energy) if "verdict" in found]
    return (
        *who(row),
        given(single.get("p90_ms"), "{:#.4g}"),
        given(offline.get("runs_per_s"), "{:.1f}"),
        given(energy.get("mj_per_run"), "{:#.3g}"),
        given(energy.get("mj_per_run_above_idle"), "{:#.3g}"),
        verdict_of("VALID" if set(verdicts) == {"VALID"} else "INVALID") if verdicts else "-",
    )


def _frames(bench: Bench) -> str:
    rows = [
        (
            *who(one),
            verdict_of(one["verdict"]),
            *(f"{one['stages_ms'][stage]:#.3g}" for stage in STAGES),
            f"{one['frame_ms']:#.4g}",
            f"{1e3 / one['frame_ms']:.1f}",
            f"{one['speed_up']['ratio']:.2f}" if one["speed_up"] else "",
        )
        for one in bench.frames
    ]
    columns = (*WHO, "verdict", *(f">{stage} ms" for stage in STAGES))
    told = table(
        "Camera loop: from an encoded image to an answer, full and cut in turn",
        (*columns, ">frame ms", ">frames/s", ">full / cut"),
        rows,
    )
    return told + reasons(dict.fromkeys(text for one in bench.frames for text in one["reasons"]))


def _megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.1f}"
