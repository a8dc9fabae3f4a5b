"""What is told of latencies, as text and as plain values."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import camera, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecut.cost import Cost
    from edgecut.filming import Film
    from edgecut.measure.measurement import Measurement
    from edgecut.measure.ratio import Ratio
    from edgecut.roofline import Point
    from edgecut.timing import Timing


NAMED = 3


def as_json(timings: Sequence[Timing], films: Sequence[Film] = ()) -> dict[str, Any]:
    """The measurements as plain values, raw samples included, and those of whole frames."""
    from edgecut.measure.environment import machine
    from edgecut.measure.harness import harness

    everything = [one for timing in timings for one in timing.measurements]
    frames = camera.as_json(films)
    invalid = any(any(one.all_reasons) for one in everything) or any(f["reasons"] for f in frames)
    return {
        "verdict": "INVALID" if invalid else "VALID",
        "harness": harness(),
        "environment": machine(everything[0].environment) if everything else {},
        "rows": [row for timing in timings for row in _rows(timing)],
        "ratios": [row for timing in timings for row in _ratios(timing)],
        "camera_loop": frames,
    }


def _rows(timing: Timing) -> Iterator[dict[str, Any]]:
    """One row for each measurement."""
    from edgecut.measure.environment import state

    points = {"full": timing.full_point, "cut": timing.cut_point}
    for network, cost, measured in _sides(timing):
        point = points.get(network)
        told = measured.to_json()
        del told["name"]
        yield {
            "artifact": timing.artifact,
            "network": network,
            "gmacs": None if cost is None or cost.uncounted else cost.gmacs,
            "achieved_gmacs_per_s": None if cost is None else rate(cost, measured),
            "share_of_peak": None if point is None else point.share_of_peak,
            "realisation": timing.realisation if network == "cut" else None,
            "roofline": None if point is None else _roofline(point, timing),
            **told,
            "runtime": f"{measured.runtime} {measured.version}",
            "state": state(measured.environment),
        }


def _roofline(point: Point, timing: Timing) -> dict[str, Any]:
    """Where it stands, and why the roof may be too low."""
    assert not isinstance(timing.roof, str)
    reasons = list(timing.roof.reasons)
    if point.share_of_peak > 1:
        reasons.append("it is faster than every probe was: the peak is not known")
    sheet = timing.target.peak(timing.scheme)
    told = {"target": timing.target.name, **asdict(sheet)} if sheet else None
    return {**point.to_json(), "datasheet": told, "reasons": reasons}


def _ratios(timing: Timing) -> Iterator[dict[str, Any]]:
    """Each ratio to the cut's latency."""
    promised = {"full": timing.macs_ratio}
    for found in (timing.speed_up, timing.against_ratio):
        if found is not None:
            macs = promised.get(found.of)
            yield {
                "artifact": timing.artifact,
                "threads": timing.cut.threads,
                **asdict(found),
                "macs_ratio": macs,
                "realisation": None if macs is None else found.ratio / macs,
            }


def rate(cost: Cost, measured: Measurement) -> float | None:
    """Achieved GMAC/s at the median latency; None where not all MACs are counted."""
    return None if cost.uncounted else cost.gmacs / (measured.median_ms / 1e3)


def show(timings: Sequence[Timing], device: str = "") -> None:
    """Print a line for each artifact, and what the MACs alone would promise."""
    if not timings:
        return
    first = timings[0]
    several = len({timing.cut.threads for timing in timings}) > 1
    beside = first.against is not None
    peaks = any(timing.cut_point for timing in timings)
    rows = [
        (
            timing.artifact,
            *([str(timing.cut.threads)] if several else []),
            f"{timing.full.median_ms:#.4g}",
            f"{timing.cut.median_ms:#.4g}",
            f"{timing.cut.p90_ms:#.4g}",
            _number(timing.cut.p99_ms, "#.4g"),
            _memory(timing.cut),
            _number(rate(timing.cut_cost, timing.cut), ".1f"),
            *([_share(timing.cut_point)] if peaks else []),
            _gain(timing.speed_up),
            _number(timing.realisation, ".2f"),
            *([_gain(timing.against_ratio)] if timing.against_ratio else []),
        )
        for timing in timings
    ]
    columns = (
        "artifact",
        *([">threads"] if several else []),
        *(">full ms", ">cut ms", ">p90", ">p99", ">MB", ">GMAC/s"),
        *([">of peak"] if peaks else []),
        *("full / cut", ">realised"),
        *(["against / cut"] if beside else []),
    )
    threads = "" if several else f", threads: {first.cut.threads}"
    title = f"Median latency on {device or 'this machine'}, full and cut in turn{threads}"
    render.print_table(title, columns, rows)
    click.echo(_promise(first))
    click.echo(_counts(timings))
    for timing in timings:
        _show_sustained(timing)
    _show_scenarios(timings)
    _show_doubts(timings, several, device)


def _promise(timing: Timing) -> str:
    """What the MACs alone would promise, or why that is not known."""
    full, cut = timing.full_cost, timing.cut_cost
    if timing.macs_ratio is None:
        nodes = sorted({*full.uncounted, *cut.uncounted})
        return f"MACs are not known of {', '.join(nodes[:NAMED])}, so no rate is; MB are the cut's"
    return (
        f"full {full.gmacs:.3f} GMACs, cut {cut.gmacs:.3f}: MACs alone promise "
        f"{timing.macs_ratio:.3f} x, and 'realised' is how much of that came true; MB and GMAC/s "
        "are the cut's"
    )


def _counts(timings: Sequence[Timing]) -> str:
    """How much the samples say, of the cut artifact of which they say least."""
    all_of_them = [one.summary for timing in timings for one in timing.measurements]
    outliers, count = (sum(getattr(s, name) for s in all_of_them) for name in ("outliers", "count"))
    least = min(all_of_them, key=lambda summary: summary.effective)
    return (
        f"{outliers} of {count} samples are outliers (5 deviations above their median); the fewest "
        f"effective samples of an artifact: {least.effective:.0f} of {least.count}"
    )


def _show_sustained(timing: Timing) -> None:
    """What became of the latency when the artifact ran without a pause."""
    curve = timing.cut.sustained
    if curve:
        start, end = curve[0]["median_ns"] / 1e6, curve[-1]["median_ns"] / 1e6
        slowest = max(second["median_ns"] for second in curve) / 1e6
        click.echo(
            f"sustained {timing.artifact}: {start:#.4g} ms at first, {end:#.4g} ms after "
            f"{curve[-1]['s'] + 1:.0f} s, {slowest:#.4g} ms at worst"
        )
    for why in timing.cut.sustained_reasons:
        click.echo(f"INVALID sustained {timing.artifact}: {why}")


def _show_scenarios(timings: Sequence[Timing]) -> None:
    """A line for each artifact and network that ran alone; what is no MLPerf result says so."""
    rows, doubts = [], []
    for timing in timings:
        for network, _, measured in _sides(timing):
            single, offline, energy = told = [one or {} for one in measured.scenarios.values()]
            reasons = list(dict.fromkeys(r for one in told for r in one.get("reasons", ())))
            who = f"{timing.artifact} ({network}), threads: {measured.threads}"
            doubts += [f"INVALID alone: {who}: {'; '.join(reasons)}"] if reasons else []
            if measured.energy_fault:
                doubts.append(f"no energy of {who}: {measured.energy_fault}")
            rows.append(
                (
                    timing.artifact,
                    network,
                    str(measured.threads),
                    _number(single.get("p90_ms"), "#.4g"),
                    _number(offline.get("runs_per_s"), ".1f"),
                    _number(energy.get("mj_per_run"), "#.3g"),
                    _number(energy.get("mj_per_run_above_idle"), "#.3g"),
                    "INVALID" if reasons else "VALID",
                )
            )
    if any(cell != "-" for row in rows for cell in row[3:-1]):
        columns = ("artifact", "network", ">threads", ">single stream p90 ms", ">offline runs/s")
        render.print_table(
            "Each alone, after MLPerf Inference's scenarios; these are no MLPerf results",
            (*columns, ">mJ a run", ">mJ above idle", "verdict"),
            rows,
        )
    for line in doubts:
        click.echo(line)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _show_doubts(timings: Sequence[Timing], several: bool, device: str) -> None:
    """Every reason not to believe a number; what all share is said once."""
    render.print_machine(timings[0].cut.environment, device)
    _show_roofs(timings)
    for timing in timings:
        # One of each kind: the reasons of the sides mostly differ in their numbers alone.
        reasons = {re.split(r"[\d:]", r)[0]: r for m in timing.measurements for r in m.reasons}
        if reasons:
            threads = f", threads: {timing.cut.threads}" if several else ""
            click.echo(f"INVALID {timing.artifact}{threads}: {'; '.join(reasons.values())}")


def _show_roofs(timings: Sequence[Timing]) -> None:
    """The peaks, and why shares of them may be too large, or are not known."""
    from edgecut.roofs import LEFT_OUT

    roofs = [timing.roof for timing in timings]
    for missing in dict.fromkeys(one for one in roofs if isinstance(one, str) and one != LEFT_OUT):
        click.echo(f"Shares of the peak are not known: {missing}.")
    for line in dict.fromkeys(map(_peak, timings)):
        if line:
            click.echo(line)
    reasons = dict.fromkeys(r for one in roofs if not isinstance(one, str) for r in one.reasons)
    over = any(one and one.share_of_peak > 1 for timing in timings for one in _points(timing))
    if over or reasons:
        why = next(iter(reasons), "an artifact was faster than every probe")
        click.echo(f"The peaks may be higher than measured ({why}), and shares of them lower.")


def _peak(timing: Timing) -> str:
    """The measured peak over an artifact beside its target's data sheet; empty where not known."""
    if isinstance(timing.roof, str) or (rate := timing.roof.rate(timing.scheme)) is None:
        return ""
    measured, sheet = timing.cut, timing.target.peak(timing.scheme)
    said = f"{timing.target.name}'s data sheet, all cores: {sheet.gmacs_per_s:.3g}" if sheet else ""
    return (
        f"peak of {measured.runtime} in {timing.scheme}, threads: {measured.threads}: {rate:.3g} "
        f"GMAC/s{f' ({said})' if said else ''}, memory {timing.roof.bandwidth_gb_per_s:.3g} GB/s, "
        f"of {timing.roof.measured_at[:10]}"
    )


def _points(timing: Timing) -> tuple[Point | None, ...]:
    return (timing.full_point, timing.cut_point)


def _gain(gain: Ratio) -> str:
    return f"{gain.ratio:.2f} x ({gain.low:.2f} to {gain.high:.2f})"


def _share(point: Point | None) -> str:
    return "-" if point is None else f"{point.share_of_peak:.0%}"


def _memory(measured: Measurement) -> str:
    return "-" if measured.memory_bytes is None else f"{measured.memory_bytes / 1e6:.1f}"


def _sides(timing: Timing) -> Iterator[tuple[str, Cost | None, Measurement]]:
    yield "full", timing.full_cost, timing.full
    yield "cut", timing.cut_cost, timing.cut
    if timing.against is not None:
        yield "against", None, timing.against
