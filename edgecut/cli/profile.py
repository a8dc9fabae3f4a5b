"""``edgecut profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgecut.measure.profile import Operator, Profile

COLUMNS = ("operator", "of the network", "serves", ">ms", ">share")
NAMED = 3


@click.command(name="profile")
@click.argument("folder")
@options.text("--artifact", "PATH", "The one artifact to look into; by default an overview of all.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="CPU threads of the runtimes.",
)
@click.option(
    "--runs",
    type=click.IntRange(min=1, max=10_000),
    default=50,
    show_default=True,
    help="Runs of each artifact under the profiler.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many of the worst operators to show.",
)
@options.as_json
def command(
    folder: str, artifact: str | None, threads: int, runs: int, top: int, json_: bool
) -> None:
    """Show where the time of the artifacts in FOLDER goes, operator by operator.

    The runtime's own profiler tells, on this machine. Each operator is mapped back to the nodes of
    the cut network, and to the categories that need them.
    """
    from edgecut import profiling

    with render.progress() as tell:
        profiles = profiling.profile(
            Path(folder), artifact=artifact, threads=threads, runs=runs, tell=tell
        )
    if json_:
        render.print_json({"schema": "edgecut.profile/1", **as_json(profiles)})
        return
    if len(profiles) == 1:
        show(profiles[0], top)
        return
    show_all(profiles)
    click.echo("one artifact's operators: add --artifact NAME")


def as_json(profiles: Sequence[Profile]) -> dict[str, Any]:
    """The profiles as plain values, raw samples included."""
    from edgecut.measure.environment import machine, state

    return {
        "verdict": "INVALID" if any(profile.reasons for profile in profiles) else "VALID",
        "environment": machine(profiles[0].environment),
        "profiles": [
            {**profile.to_json(), "state": state(profile.environment)} for profile in profiles
        ],
    }


def show_all(profiles: Sequence[Profile]) -> None:
    """Print a line for each artifact."""
    rows = [
        (
            profile.artifact,
            f"{profile.latency_ms:#.4g}",
            str(len(profile.operators)),
            f"{profile.explained:.0%}",
            _percent(profile, profile.not_delegated),
            _percent(profile, profile.layout_conversions),
            _percent(profile, profile.unmapped),
            _worst(profile),
        )
        for profile in profiles
    ]
    columns = ("artifact", ">ms", ">operators", ">explained", ">not delegated", ">layout")
    render.print_table(
        f"Where the time goes on this machine, threads: {profiles[0].threads}",
        (*columns, ">unmapped", "worst operator"),
        rows,
    )
    for profile in profiles:
        _show_doubts(profile)


def show(profile: Profile, top: int) -> None:
    """Print one artifact's profile."""
    worst = profile.worst(top)
    render.print_table(
        f"{profile.artifact} on {profile.runtime} {profile.version}, threads: {profile.threads}: "
        f"the worst {len(worst)} of {len(profile.operators)} operators",
        COLUMNS,
        [_row(profile, operator) for operator in worst],
    )
    click.echo()
    render.print_table(
        "By operation type",
        ("operation", ">operators", ">ms", ">share"),
        [(kind, *_numbers(profile, group)) for kind, group in profile.by_type()],
    )
    click.echo()
    render.print_table(
        "By category",
        ("serves", ">operators", ">ms", ">share"),
        [
            (_categories(profile, names), *_numbers(profile, group))
            for names, group in profile.by_category()
        ],
    )
    click.echo()
    _show_groups(profile)
    click.echo(
        f"sum of the operators {profile.operators_ms:#.4g} ms, latency {profile.latency_ms:#.4g} "
        f"ms: {profile.explained:.0%} explained (under the profiler "
        f"{profile.explained_under_profiler:.0%}), {profile.runs} runs"
    )
    _show_doubts(profile)


def _show_groups(profile: Profile) -> None:
    if profile.format == "tflite":
        _show_group(profile, "not delegated to XNNPACK", profile.not_delegated)
    _show_group(profile, "layout conversions", profile.layout_conversions)
    _show_group(profile, "unmapped", profile.unmapped)


def _show_group(profile: Profile, title: str, group: Sequence[Operator]) -> None:
    kinds = {operator.type: 0 for operator in group}
    for operator in group:
        kinds[operator.type] += 1
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    share = f", {_percent(profile, group)} of the time: {told}" if group else ""
    click.echo(f"{title}: {len(group) or 'none'}{share}")


def _show_doubts(profile: Profile) -> None:
    if profile.reasons:
        click.echo(f"INVALID {profile.artifact}: {'; '.join(profile.reasons)}")
    for note in profile.notes:
        click.echo(f"{profile.artifact}: {note}")


def _row(profile: Profile, operator: Operator) -> tuple[str, ...]:
    return (
        operator.type + ("" if operator.kernel is None else f" ({operator.kernel})"),
        _nodes(operator),
        _categories(profile, operator.categories),
        f"{operator.median_ms:.3f}",
        _percent(profile, [operator]),
    )


def _nodes(operator: Operator) -> str:
    if operator.nodes is None:
        return "unmapped"
    more = len(operator.nodes) - NAMED
    told = ", ".join(operator.nodes[-NAMED:]) + (f" and {more} before" if more > 0 else "")
    return f"added at {told}".removesuffix(" at ") if operator.added else told


def _categories(profile: Profile, names: tuple[str, ...] | None) -> str:
    if names is None:
        return "unknown"
    if len(names) == len(profile.categories):
        return "all" if len(names) > 1 else names[0]
    more = len(names) - NAMED
    return (", ".join(names[:NAMED]) or "none") + (f" and {more} more" if more > 0 else "")


def _worst(profile: Profile) -> str:
    (worst,) = profile.worst(1)
    return f"{worst.type}, {_nodes(worst)}: {_percent(profile, [worst])}"


def _numbers(profile: Profile, group: Sequence[Operator]) -> tuple[str, str, str]:
    from edgecut.measure.profile import together_ms

    return str(len(group)), f"{together_ms(group):.3f}", _percent(profile, group)


def _percent(profile: Profile, group: Iterable[Operator]) -> str:
    return f"{100 * profile.share(group):.1f} %"
