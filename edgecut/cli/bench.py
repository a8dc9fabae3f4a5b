"""``edgecut bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.appraise import Timing
    from edgecut.cost import Cost
    from edgecut.measure.latency import Measurement


@click.command(name="bench")
@click.argument("folder")
@click.option("--threads", default=1, show_default=True, help="CPU threads of the runtimes.")
@click.option("--seconds", default=5.0, show_default=True, help="How long to run each artifact.")
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
    """Print latency beside GMACs, and what the speed-up is beside what MACs promise."""
    rows = []
    for timing in timings:
        for network, cost, measured in _sides(timing):
            rows.append(
                (
                    timing.artifact if network == "full" else "",
                    network,
                    f"{cost.gmacs:.3f}",
                    f"{measured.median_ms:.2f}",
                    f"{measured.p90_ms:.2f}",
                    f"{rate(cost, measured):.1f}",
                    _gain(timing) if network == "cut" else "",
                )
            )
    columns = ("artifact", "network", ">GMACs", ">median ms", ">p90 ms", ">GMAC/s", "speed-up")
    render.print_table("Latency on this machine, full and cut in turn", columns, rows)
    for reason in dict.fromkeys(r for t in timings for m in (t.full, t.cut) for r in m.reasons):
        click.echo(f"INVALID: {reason}")


def _gain(timing: Timing) -> str:
    gain = timing.speed_up
    return f"{gain.ratio:.3f} x ({gain.low:.3f} to {gain.high:.3f}); MACs {timing.macs_ratio:.3f} x"


def _sides(timing: Timing) -> tuple[tuple[str, Cost, Measurement], ...]:
    return (
        ("full", timing.full_cost, timing.full),
        ("cut", timing.cut_cost, timing.cut),
    )
