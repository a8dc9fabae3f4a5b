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
    type=options.FiniteRange(min=0, max=1000),
    metavar="PERCENT",
    default=5.0,
    show_default=True,
    help="How much slower is still as fast.",
)
@options.as_json
def command(old: Path, new: Path, tolerance: float, json_: bool) -> None:
    """Say what became slower from OLD to NEW, two records of `edgecut bench --json`.

    The exit code is 3 where something did: where even the lower end of the ratio's interval is
    past the tolerance. It is 1 where nothing did as far as can be told, and not all can be told:
    a row is INVALID, is there no more, was measured by another version of edgecut's harness, or
    scatters so far that a regression would not show.
    Records of different machines, or of one that is set up differently, are not compared.

    The interval tells how a latency scatters within a session. From session to session it moves
    by more, a few per cent on most machines: the tolerance should allow for that.
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
            {**asdict(change), "verdict": change.verdict(tolerance)} for change in found.changes
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
        for remark in (*(f"not judged: {fault}" for fault in change.faults[:1]), *change.notes):
            click.echo(f"{change.artifact} ({change.network}): {remark}")
    for which, keys in (("old", found.only_old), ("new", found.only_new)):
        for artifact, network, threads in keys:
            click.echo(f"only in the {which} one: {artifact} ({network}, threads: {threads})")


def _word(change: Change, tolerance: float) -> str:
    verdict = change.verdict(tolerance)
    return verdict.upper() if verdict == "slower" else verdict


def judge(found: Comparison, tolerance: float) -> None:
    """Raise where something is slower (exit code 3), or may be for all that is known."""
    by_verdict: dict[str, list[str]] = {}
    for change in found.changes:
        name = f"{change.artifact} ({change.network})"
        by_verdict.setdefault(change.verdict(tolerance), []).append(name)
    if slower := by_verdict.get("slower"):
        raise QualityGateMissed(
            f"slower by more than {tolerance:.1%}: {', '.join(slower)}", code="slower"
        )
    gone = [f"{artifact} ({network})" for artifact, network, _ in found.only_old]
    untold = [
        f"{why}: {', '.join(names)}"
        for why, names in (
            ("not judged", by_verdict.get("not judged")),
            ("unclear", by_verdict.get("unclear")),
            ("only in the old record", gone),
        )
        if names
    ]
    if untold:
        raise EdgecutError(
            f"not all can be told; {'; '.join(untold)}",
            code="not-all-judged",
            hint="measure again, for longer where it is unclear: edgecut bench --seconds",
        )
