"""``edgecut report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.report.findings import Findings


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
    """Print a line for each measurement, and what has not been measured."""
    for bench in findings.benches:
        rows = [
            (
                str(row["artifact"]),
                str(row["network"]),
                str(row["threads"]),
                f"{row['median_ms']:#.4g}",
                f"{row['p90_ms']:#.4g}",
                str(row["verdict"]),
            )
            for row in bench.rows
        ]
        columns = ("artifact", "network", ">threads", ">median ms", ">p90", "verdict")
        stale = ", before it was built anew" if bench.stale else ""
        render.print_table(f"{findings.name} on {bench.where}{stale}", columns, rows)
    for text in findings.missing:
        click.echo(f"not measured: {text}")
