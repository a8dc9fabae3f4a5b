"""What a report draws: latency against MACs, spread, drift, layers, accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import numpy as np

from edgecut.measure import wording
from edgecut.measure.statistics import burst_medians
from edgecut.report.drawing import COLOURS, CUT, INK, MUTED, draw
from edgecut.report.findings import Point

Row = Mapping[str, Any]
WIDTH = 7.6
"""Inches; the page scales it."""
BARS = 15
MARKS = {"full": "s", "cut": "o", "against": "D"}
LINES = {"full": "--", "cut": "-", "against": ":"}


def latency(name: str, rows: Sequence[Row]) -> str:
    """Median latency over GMACs, full to cut, beside what the MACs alone promise.

    There must be ``pairs``.
    """

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        found = pairs(rows)
        tops = [log10(full["median_ms"]) for full, _ in found]
        all_ = [*tops, *(log10(cut["median_ms"]) for _, cut in found)]
        heights = _apart(tops, least=(max(all_) - min(all_)) / 18)
        for place, (full, cut) in enumerate(found):
            x, y = (np.array([one[key] for one in (full, cut)]) for key in ("gmacs", "median_ms"))
            axes.plot(x * 1e3, y, color=MUTED, linewidth=1, zorder=2)
            promised = [y[0] * x[1] / x[0], y[0]]
            label = "what the MACs promise" if not place else None
            axes.plot(x[::-1] * 1e3, promised, ":", color=MUTED, linewidth=1, label=label)
            for one in (full, cut):
                _point(axes, one, one["gmacs"] * 1e3, label=None if place else one["network"])
            axes.annotate(
                f"{cut['artifact']}{_threads(rows, cut)}",
                (x[0] * 1e3, 10 ** heights[place]),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set(xlabel="million multiply-accumulates", ylabel="median latency (ms)")
        axes.set_yscale("log")
        _plain(axes.yaxis)
        axes.margins(x=0.28)
        axes.set_xlim(left=0)
        axes.legend(loc="upper left")

    return draw(name, (WIDTH, 4.6), paint)


def spread(name: str, rows: Sequence[Row]) -> str:
    """The distribution of every sample: how large a share took no longer than that."""

    def paint_one(axes: Any, group: Sequence[Row]) -> None:
        for row in group:
            samples = np.sort(np.concatenate([np.asarray(burst) for burst in row["bursts_ms"]]))
            shown = np.unique(np.linspace(0, len(samples) - 1, 400).astype(int))
            share = 100 * (shown + 1) / len(samples)
            axes.step(samples[shown], share, where="post", **_line(row))
        axes.set_xscale("log")
        _plain(axes.xaxis, most=2)

    return _small(name, rows, paint_one, ("latency (ms)", "% of the runs"))


def drift(name: str, rows: Sequence[Row]) -> str:
    """The median of each burst, in the order in which they were measured, over that of all."""

    def paint_one(axes: Any, group: Sequence[Row]) -> None:
        for row in group:
            medians = burst_medians(row["bursts_ms"])
            axes.plot(medians / np.median(medians), linewidth=1, **_line(row))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.axhline(1, color=MUTED, linewidth=0.8)
        starts = [start["bursts"] for start in group[0].get("starts", ())]
        for bursts in itertools.accumulate(starts[:-1]):
            axes.axvline(bursts - 0.5, color=MUTED, linewidth=0.8, linestyle=":")

    return _small(name, rows, paint_one, ("burst", "of the median"))


def sustained(name: str, rows: Sequence[Row]) -> str:
    """Each second's median latency of a run without a pause."""

    def paint_one(axes: Any, group: Sequence[Row]) -> None:
        for row in group:
            seconds = [second["s"] for second in row["sustained"]]
            medians = [second["median_ns"] / 1e6 for second in row["sustained"]]
            axes.plot(seconds, medians, linewidth=1, **_line(row))
        slowest = max(second["median_ns"] for row in group for second in row["sustained"])
        axes.set_ylim(0, 1.15 * slowest / 1e6)

    return _small(name, rows, paint_one, ("seconds", "median latency (ms)"))


def layers(name: str, operators: Sequence[Mapping[str, Any]]) -> str:
    """The operators that take most of the time, the worst on top."""
    worst = sorted(operators, key=lambda one: -one["share"])[:BARS]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(worst))
        axes.barh(places, [100 * one["share"] for one in worst], color=CUT, height=0.7)
        axes.set_yticks(places, [_operator(one) for one in worst], fontsize=9)
        for place, one in zip(places, worst, strict=True):
            axes.annotate(
                f"{one['median_ms']:.3f} ms",
                (100 * one["share"], place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.15)
        axes.set_xlabel("% of the operators' time")

    return draw(name, (WIDTH, 0.8 + 0.28 * len(worst)), paint)


def accuracy(name: str, points: Sequence[Point], measure: str) -> str:
    """Accuracy over median latency."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for one in points:
            axes.plot(
                one.median_ms,
                one.accuracy,
                MARKS[one.network],
                color=COLOURS[one.network],
                fillstyle="full" if one.valid else "none",
            )
            axes.annotate(
                one.artifact,
                (one.median_ms, one.accuracy),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set_xlim(left=0)
        axes.margins(x=0.3, y=0.2)
        axes.set(xlabel="median latency (ms)", ylabel=measure)

    return draw(name, (WIDTH, 3.6), paint)


def roofline(name: str, rows: Sequence[Row]) -> str:
    """What each artifact reached, under what arithmetic and memory allow; see ``roofline.py``."""

    def paint_one(axes: Any, group: Sequence[Row]) -> None:
        points = [(row, row["roofline"]) for row in group]
        reach = [point["intensity_macs_per_byte"] for _, point in points]
        _, roof = points[0]  # one runtime and scheme: one roof
        peak = roof["peak_gmacs_per_s"]
        ridge = peak / roof["bandwidth_gb_per_s"]
        x = np.geomspace(min(ridge, *reach) / 3, max(ridge, *reach) * 3, 100)
        axes.plot(x, np.minimum(peak, roof["bandwidth_gb_per_s"] * x), color=MUTED, linewidth=1)
        axes.annotate(f"{peak:.3g}", (x[-1], peak), fontsize=9, ha="right", va="bottom")
        for row, point in points:
            place, colour = point["intensity_macs_per_byte"], COLOURS[row["network"]]
            axes.plot(place, point["achieved_gmacs_per_s"], MARKS[row["network"]], color=colour)
            axes.plot(place, point["ceiling_gmacs_per_s"], "_", color=colour, markersize=12)
        axes.set(xscale="log", yscale="log")
        axes.margins(y=0.15)
        _plain(axes.xaxis, most=1)
        _plain(axes.yaxis, most=1)

    return _small(name, rows, paint_one, ("multiply-accumulates a byte moved", "GMAC/s"), MARKS)


def _small(
    name: str,
    rows: Sequence[Row],
    paint_one: Any,
    labels: tuple[str, str],
    marks: Mapping[str, str] | None = None,
) -> str:
    """A plot for each artifact and number of threads, in two columns; networks are told apart by
    their lines, or by marks.
    """
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["artifact"], row["threads"]), []).append(row)
    lines = -(-len(groups) // 2)

    def paint(figure: Any) -> None:
        grid = figure.subplots(lines, 2, squeeze=False).ravel()
        for axes, ((artifact, _), group) in zip(grid, groups.items(), strict=False):
            paint_one(axes, group)
            axes.set_title(f"{artifact}{_threads(rows, group[0])}", fontsize=10, color=INK)
        for axes in grid[len(groups) :]:
            axes.set_visible(False)
        figure.supxlabel(labels[0], fontsize=11)
        figure.supylabel(labels[1], fontsize=11)
        networks = [network for network in COLOURS if any(r["network"] == network for r in rows)]
        figure.legend(
            handles=[_key(network, marks) for network in networks],
            loc="outside upper right",
            ncols=len(networks),
            fontsize=9,
        )

    return draw(name, (WIDTH, 0.9 + 1.9 * lines), paint)


def _key(network: str, marks: Mapping[str, str] | None) -> Any:
    """A network's entry in a legend."""
    from matplotlib.lines import Line2D

    line, mark = (LINES[network], "") if marks is None else ("", marks[network])
    return Line2D([], [], color=COLOURS[network], label=network, linestyle=line, marker=mark)


def _line(row: Row) -> dict[str, str]:
    return {"color": COLOURS[row["network"]], "linestyle": LINES[row["network"]]}


def _plain(axis: Any, most: int = 4) -> None:
    """Few ticks with numbers as people write them, on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=2 + most * 3))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """The heights moved up as little as keeps each that far above the one below it."""
    moved = list(heights)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for below, place in itertools.pairwise(order):
        moved[place] = max(moved[place], moved[below] + least)
    return moved


def pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """The full network and the cut one of each artifact, where the MACs of both are counted."""
    by_key = {(row["artifact"], row["threads"], row["network"]): row for row in rows}
    found = [
        (by_key.get((artifact, threads, "full")), row)
        for (artifact, threads, network), row in by_key.items()
        if network == "cut" and row["gmacs"]
    ]
    return [(full, cut) for full, cut in found if full is not None and full["gmacs"]]


def _point(axes: Any, row: Row, x: float, label: str | None) -> None:
    low, high = row["median_ms"] - row["low_ms"], row["high_ms"] - row["median_ms"]
    axes.errorbar(
        x,
        row["median_ms"],
        yerr=[[max(low, 0)], [max(high, 0)]],
        fmt=MARKS[row["network"]],
        color=COLOURS[row["network"]],
        capsize=3,
        label=label,
        zorder=3,
    )


def _threads(rows: Sequence[Row], row: Row) -> str:
    several = len({one["threads"] for one in rows}) > 1
    return f", threads: {row['threads']}" if several else ""


def _operator(one: Mapping[str, Any]) -> str:
    nodes = one.get("nodes") or ()
    place = nodes[-1] if nodes else one.get("name") or ""
    text = f"{wording.type_of(one['type'])}  {place}"
    return text if len(text) <= 48 else f"{text[:47]}…"
