"""``edgecut bench``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.appraise import Timing
    from edgecut.cost import Cost
    from edgecut.measure.latency import Measurement, Ratio


@click.command(name="bench")
@click.argument("folder")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="CPU threads of the runtimes.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    default=5.0,
    show_default=True,
    help="How long to run each artifact.",
)
@options.replaced_model
@options.as_json
def command(folder: str, threads: int, seconds: float, model: str | None, json_: bool) -> None:
    """Time every artifact in FOLDER on this machine, interleaved with the full network's like it.

    The latency is the runtime's own invocation alone, without preprocessing. It tells of this
    machine, not of the target that the artifact was built for.
    """
    from edgecut import appraise

    with render.progress() as tell:
        timings = appraise.bench(
            Path(folder), model=model, threads=threads, duration_s=seconds, tell=tell
        )
    if json_:
        render.print_json({"schema": "edgecut.bench/0", **as_json(timings)})
        return
    show(timings)


def as_json(timings: list[Timing]) -> dict[str, Any]:
    """The measurements as plain values, raw samples included."""
    rows = []
    for timing in timings:
        for network, cost, measured in _sides(timing):
            rows.append(
                {
                    "artifact": timing.artifact,
                    "network": network,
                    "threads": measured.threads,
                    "median_ms": measured.median_ms,
                    "p90_ms": measured.p90_ms,
                    "p99_ms": measured.p99_ms,
                    "gmacs": cost.gmacs,
                    "achieved_gmacs_per_s": rate(cost, measured),
                    "runtime": f"{measured.runtime} {measured.version}",
                    "bursts_ms": [list(burst) for burst in measured.bursts_ms],
                    "verdict": "INVALID" if measured.reasons else "VALID",
                    "reasons": list(measured.reasons),
                }
            )
    ratios = [
        {
            "artifact": timing.artifact,
            "speed_up": timing.speed_up.ratio,
            "low": timing.speed_up.low,
            "high": timing.speed_up.high,
            "macs_ratio": timing.macs_ratio,
        }
        for timing in timings
    ]
    environment = dict(timings[0].cut.environment) if timings else {}
    return {"environment": environment, "rows": rows, "ratios": ratios}


def rate(cost: Cost, measured: Measurement) -> float:
    """Achieved GMAC/s at the median latency."""
    return cost.gmacs / (measured.median_ms / 1e3)


def show(timings: list[Timing]) -> None:
    """Print a line for each artifact, and what the MACs alone would promise."""
    if not timings:
        return
    first = timings[0]
    rows = [
        (
            timing.artifact,
            f"{timing.full.median_ms:#.4g}",
            f"{timing.full.p90_ms:#.4g}",
            f"{timing.cut.median_ms:#.4g}",
            f"{timing.cut.p90_ms:#.4g}",
            f"{rate(timing.cut_cost, timing.cut):.1f}",
            _gain(timing.speed_up),
        )
        for timing in timings
    ]
    columns = ("artifact", ">full ms", ">p90", ">cut ms", ">p90", ">GMAC/s", "full / cut")
    render.print_table(
        f"Median latency on this machine, full and cut in turn, threads: {first.cut.threads}",
        columns,
        rows,
    )
    click.echo(
        f"full {first.full_cost.gmacs:.3f} GMACs, cut {first.cut_cost.gmacs:.3f}: "
        f"MACs alone promise {first.macs_ratio:.3f} x; GMAC/s is the cut's"
    )
    for timing in timings:
        # One of each kind: the reasons of the two sides mostly differ in their numbers alone.
        reasons = {
            re.split(r"[\d:]", r)[0]: r for m in (timing.full, timing.cut) for r in m.reasons
        }
        if reasons:
            click.echo(f"INVALID {timing.artifact}: {'; '.join(reasons.values())}")


def _gain(gain: Ratio) -> str:
    return f"{gain.ratio:.2f} x ({gain.low:.2f} to {gain.high:.2f})"


def _sides(timing: Timing) -> tuple[tuple[str, Cost, Measurement], ...]:
    return (
        ("full", timing.full_cost, timing.full),
        ("cut", timing.cut_cost, timing.cut),
    )
