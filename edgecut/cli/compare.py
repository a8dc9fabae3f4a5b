"""``edgecut compare``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render
from edgecut.errors import EdgecutError, QualityGateMissed

if TYPE_CHECKING:
    from edgecut.measure.comparison import Change, Comparison


@click.command(name="compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=1000),
    metavar="PERCENT",
    default=5.0,
    show_default=True,
    help="How much slower is still as fast.",
)
@options.as_json
def command(old: Path, new: Path, tolerance: float, json_: bool) -> None:
    """Say what became slower from OLD to NEW, two records of `edgecut bench --json`.

    The exit code is 3 where something did: where even the lower end of the ratio's interval is
    past the tolerance. Records of different machines, or of one that is set up differently, are
    not compared, and neither are rows that are INVALID.
    """
    from edgecut.measure.comparison import compare

    found = compare(old, new)
    share = tolerance / 100
    if json_:
        render.print_json({"schema": "edgecut.compare/1", **as_json(found, share)})
    else:
        show(found, share)
    judge(found, share)


def as_json(found: Comparison, tolerance: float) -> dict[str, Any]:
    """The comparison as plain values."""
    keys = ("artifact", "network", "threads")
    return {
        "tolerance": tolerance,
        "changes": [
            {**asdict(change), "slower": change.slower(tolerance)} for change in found.changes
        ],
        "only_old": [dict(zip(keys, key, strict=True)) for key in found.only_old],
        "only_new": [dict(zip(keys, key, strict=True)) for key in found.only_new],
    }


def show(found: Comparison, tolerance: float) -> None:
    """A line for each artifact, and why some cannot be judged."""
    columns = ("artifact", "network", ">threads", ">old ms", ">new ms", "new / old", "")
    rows = [
        (
            change.artifact,
            change.network,
            str(change.threads),
            f"{change.old_ms:#.4g}",
            f"{change.new_ms:#.4g}",
            f"{change.ratio:.3f} x ({change.low:.3f} to {change.high:.3f})",
            _word(change, tolerance),
        )
        for change in found.changes
    ]
    render.print_table("Median latency of two records", columns, rows)
    for change in found.changes:
        if change.faults:
            click.echo(f"not judged: {change.artifact} ({change.network}): {change.faults[0]}")
    for which, keys in (("old", found.only_old), ("new", found.only_new)):
        for artifact, network, threads in keys:
            click.echo(f"only in the {which} one: {artifact} ({network}, threads: {threads})")


def _word(change: Change, tolerance: float) -> str:
    if change.faults:
        return "not judged"
    if change.slower(tolerance):
        return "SLOWER"
    return "faster" if change.high < 1 / (1 + tolerance) else "as fast"


def judge(found: Comparison, tolerance: float) -> None:
    """Raise where something is slower (exit code 3), or nothing could be judged."""
    slower = [change for change in found.changes if change.slower(tolerance)]
    if slower:
        raise QualityGateMissed(
            f"slower by more than {tolerance:.1%}: "
            + ", ".join(f"{one.artifact} ({one.network})" for one in slower),
            code="slower",
        )
    if all(change.faults for change in found.changes):
        raise EdgecutError(
            "none of the measurements could be judged",
            code="invalid-measurement",
            hint="each line above says why; measure again",
        )
