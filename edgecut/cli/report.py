"""``edgecut report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render
from edgecut.measure import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecut.report.bench import Bench
    from edgecut.report.findings import Findings

WORST = 3


@click.command(name="report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page for a browser."
)
@click.option(
    "--csv", type=click.Path(path_type=Path), metavar="FILE", help="Write the latencies as CSV."
)
@options.as_json
def command(folder: Path, html: Path | None, csv: Path | None, json_: bool) -> None:
    """Tell all that is known of the build in FOLDER.

    That is how it was built and verified, and what `edgecut bench`, `profile` and `evaluate` last
    found out about it. The page holds everything in one file, without any script or network.
    """
    from edgecut.report.findings import gather

    findings = gather(folder)
    drawn: list[tuple[Path, str]] = []
    if html is not None:
        from edgecut.report.page import page

        drawn.append((html, page(findings)))
    if csv is not None:
        from edgecut.report.sheet import sheet

        drawn.append((csv, sheet(findings.benches)))
    for path, text in drawn:
        _write(path, text)
    if json_:
        render.print_json(findings.to_json())
    else:
        show(findings)


def _write(path: Path, text: str) -> None:
    from edgecut.saving import save

    save(path, text.encode(errors="replace"))  # a name may hold half a character
    click.echo(f"wrote {path}", err=True)


def show(findings: Findings) -> None:
    """Print what was built and what was measured of it, and what has not been measured."""
    _show_build(findings)
    for bench in findings.benches:
        _show_bench(findings.name, bench)
    if findings.profiles:
        _show_profiles(findings)
    if findings.accuracies:
        _show_accuracy(findings)
    for text in findings.missing:
        click.echo(text)


def _show_build(findings: Findings) -> None:
    full, cut = findings.cost["full"], findings.cost["cut"]
    rows = [
        (
            str(one["path"]),
            str(one["target"]),
            render.size(one["bytes"]),
            "ok" if one["verification"]["passed"] else "FAILED",
        )
        for one in findings.artifacts
    ]
    title = f"{findings.name}, cut to {', '.join(findings.keep)}"
    render.print_table(title, ("artifact", "target", ">size", "verified"), rows)
    nodes = sorted({*full["uncounted"], *cut["uncounted"]})
    known = f"; not all counted: {', '.join(nodes[:WORST])}" if nodes else ""
    click.echo(
        f"multiply-accumulates {render.count(cut['macs'])} of {render.count(full['macs'])}{known}; "
        f"parameters {render.count(cut['parameters'])} of {render.count(full['parameters'])}"
    )


def _show_bench(name: str, bench: Bench) -> None:
    """Latencies, ratios and whole frames of one machine, and what speaks against them."""
    gains = {(one["artifact"], one["threads"], one["of"]): one for one in bench.ratios}
    rows = [
        (
            *_who(row),
            f"{row['median_ms']:#.4g}",
            f"{row['p90_ms']:#.4g}",
            *_gain(gains.get((row["artifact"], row["threads"], row["network"]))),
            str(row["verdict"]),
        )
        for row in bench.rows
    ]
    columns = ("artifact", "network", ">threads", ">median ms", ">p90", "of the cut's", ">realised")
    stale = ", before it was built anew" if bench.stale else ""
    when = f", {' to '.join(bench.measured)}" if bench.measured else ""
    click.echo()
    render.print_table(f"{name} on {bench.where}{stale}{when}", (*columns, "verdict"), rows)
    for text in bench.reasons:
        click.echo(f"INVALID {text}")
    if bench.frames:
        _show_frames(bench)


def _who(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(row["artifact"]), str(row["network"]), str(row["threads"])


def _gain(ratio: Mapping[str, Any] | None) -> tuple[str, str]:
    """A latency over the cut's, and how much of the MACs' promise came true."""
    if ratio is None:
        return "", ""
    realised = ratio["realisation"]
    told = f"{ratio['ratio']:.2f} x ({ratio['low']:.2f} to {ratio['high']:.2f})"
    return told, "-" if realised is None else f"{realised:.2f}"


def _show_frames(bench: Bench) -> None:
    rows = [
        (
            *_who(one),
            f"{one['frame_ms']:#.4g}",
            f"{one['speed_up']['ratio']:.2f} x" if one["speed_up"] else "",
            str(one["verdict"]),
        )
        for one in bench.frames
    ]
    columns = ("artifact", "network", ">threads", ">frame ms", ">full / cut", "verdict")
    click.echo()
    render.print_table("Camera loop: from an encoded image to an answer", columns, rows)
    for text in dict.fromkeys(reason for one in bench.frames for reason in one["reasons"]):
        click.echo(f"INVALID {text}")


def _show_profiles(findings: Findings) -> None:
    """The operators that take most of each artifact's time."""
    rows = [
        (
            str(profile["artifact"]),
            wording.type_of(one["type"]),
            wording.nodes_of(one["nodes"], added=one["added"]),
            f"{one['median_ms']:.3f}",
            f"{one['share']:.1%}",
            str(profile["verdict"]),
        )
        for profile in findings.profiles
        for one in sorted(profile["operators"], key=lambda one: -float(one["share"]))[:WORST]
    ]
    columns = ("artifact", "operator", "of the network", ">ms", ">share", "verdict")
    places = dict.fromkeys(findings.where(profile) for profile in findings.profiles)
    click.echo()
    render.print_table(f"Where the time goes on {', '.join(places)}", columns, rows)
    for profile in findings.profiles:
        for text in profile["reasons"]:
            click.echo(f"INVALID {profile['artifact']}: {text}")
    for text in dict.fromkeys(map(findings.elsewhere, findings.profiles)):
        if text:
            click.echo(f"not where the latencies were measured: {text}")


def _show_accuracy(findings: Findings) -> None:
    means = [(what, f"{value:.4g}") for what, value in findings.mean_accuracies.items()]
    title = f"Accuracy on {', '.join(findings.judged_on)}"
    click.echo()
    render.print_table(title, ("what", f">mean {findings.accuracy_measure}"), means)
