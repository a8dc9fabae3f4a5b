"""``edgecut profile``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render
from edgecut.cli.bench import waiting
from edgecut.measure import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecut.measure.profile import Operator, Profile

COLUMNS = ("operator", "of the network", "serves", ">ms", ">share", ">GMAC/s")


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
@waiting
@options.as_json
def command(
    folder: str,
    artifact: str | None,
    threads: int,
    runs: int,
    top: int,
    wait: float | None,
    json_: bool,
) -> None:
    """Show where the time of the artifacts in FOLDER goes, operator by operator.

    The runtime's own profiler tells, on this machine. Each operator is mapped back to the nodes of
    the cut network, and to the categories that need them. What all artifacts take is kept for
    `edgecut report`.
    """
    from edgecut import profiling
    from edgecut.remote.alone import alone

    with render.progress(refresh_per_s=1) as tell, alone(wait or 0.0, tell):
        profiles = profiling.profile(
            Path(folder), artifact=artifact, threads=threads, runs=runs, tell=tell
        )
    record = {"schema": "edgecut.profile/1", **as_json(profiles)}
    if artifact is None:  # one alone must not take the place of all
        render.keep(Path(folder), "profile", record)
    if json_:
        render.print_json(record)
        return
    if len(profiles) == 1:
        show(profiles[0], top)
    else:
        show_all(profiles)
    render.print_machine(profiles[0].environment)
    for profile in profiles:
        _show_doubts(profile)
    if len(profiles) > 1:
        click.echo("one artifact's operators: add --artifact NAME")


def as_json(profiles: Sequence[Profile]) -> dict[str, Any]:
    """The profiles as plain values, raw samples included."""
    from edgecut.measure.environment import machine, state
    from edgecut.measure.harness import harness

    return {
        "harness": harness(),
        "verdict": "INVALID" if any(profile.reasons for profile in profiles) else "VALID",
        "environment": machine(profiles[0].environment),
        "profiles": [
            {**profile.to_json(), "state": state(profile.environment)} for profile in profiles
        ],
    }


def show_all(profiles: Sequence[Profile]) -> None:
    """Print a line for each artifact; what none of them has gets no column."""
    groups = {
        "not delegated": [profile.not_delegated for profile in profiles],
        "layout": [profile.layout_conversions for profile in profiles],
        "unmapped": [profile.unmapped for profile in profiles],
    }
    shown = {name: found for name, found in groups.items() if any(found)}
    rows = [
        (
            profile.artifact,
            f"{profile.latency_ms:#.4g}",
            _percent(profile.explained),
            *(_percent(profile.share(found[i])) for found in shown.values()),
            _worst(profile),
        )
        for i, profile in enumerate(profiles)
    ]
    render.print_table(
        f"Where the time goes on this machine, threads: {profiles[0].threads}",
        ("artifact", ">ms", ">explained", *(f">{name}" for name in shown), "worst"),
        rows,
    )
    if absent := [name for name in groups if name not in shown]:
        click.echo(f"{', '.join(absent)}: none")


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
        [(wording.type_of(kind), *_numbers(profile, group)) for kind, group in profile.by_type()],
    )
    click.echo()
    render.print_table(
        "By category",
        ("serves", ">operators", ">ms", ">share"),
        [
            (wording.categories_of(names, profile.categories), *_numbers(profile, group))
            for names, group in profile.by_category()
        ],
    )
    click.echo()
    _show_groups(profile)
    click.echo(
        f"operators together {profile.operators_ms:.3f} ms, latency {profile.latency_ms:#.4g} ms: "
        f"{_percent(profile.explained)} explained, {profile.unexplained_ms:.3f} ms not"
    )
    click.echo(
        f"under the profiler, {profile.runs} runs: latency {profile.profiled_latency_ms:#.4g} ms, "
        f"{_percent(profile.explained_under_profiler)} of each run explained"
    )


def _show_groups(profile: Profile) -> None:
    if profile.format == "tflite":
        _show_group(profile, "not delegated to XNNPACK", profile.not_delegated)
    _show_group(profile, "layout conversions", profile.layout_conversions)
    _show_group(profile, "unmapped", profile.unmapped)


def _show_group(profile: Profile, title: str, group: Sequence[Operator]) -> None:
    kinds = Counter(operator.type for operator in group)
    told = ", ".join(f"{count} {wording.type_of(kind)}" for kind, count in kinds.items())
    share = f", {_percent(profile.share(group))} of the time: {told}" if group else ""
    click.echo(f"{title}: {len(group) or 'none'}{share}")


def _show_doubts(profile: Profile) -> None:
    if profile.reasons:
        click.echo(f"INVALID {profile.artifact}: {'; '.join(profile.reasons)}")
    for note in profile.notes:
        click.echo(f"{profile.artifact}: {note}")


def _row(profile: Profile, operator: Operator) -> tuple[str, ...]:
    return (
        wording.type_of(operator.type)
        + ("" if operator.kernel is None else f" ({operator.kernel})"),
        wording.nodes_of(operator.nodes, added=operator.added),
        wording.categories_of(operator.categories, profile.categories),
        f"{operator.median_ms:.3f}",
        _percent(profile.share([operator])),
        "" if operator.gmacs_per_s is None else f"{operator.gmacs_per_s:.1f}",
    )


def _worst(profile: Profile) -> str:
    (worst,) = profile.worst(1)
    nodes = worst.nodes or (wording.type_of(worst.type),)
    ends = nodes[0] if len(nodes) == 1 else f"{nodes[0]} to {nodes[-1]}"
    return f"{ends}, {_percent(profile.share([worst]))}"


def _numbers(profile: Profile, group: Sequence[Operator]) -> tuple[str, str, str]:
    from edgecut.measure.profile import together_ms

    return str(len(group)), f"{together_ms(group):.3f}", _percent(profile.share(group))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
