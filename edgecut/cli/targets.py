"""``edgecut targets``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.target import Target


@click.command(name="targets")
@options.as_json
def command(json_: bool) -> None:
    """List the devices that edgecut knows, with their schemes and peak rates."""
    from dataclasses import asdict

    from edgecut.target import all_targets

    targets = all_targets()
    if json_:
        values = [asdict(target) for target in targets]
        render.print_json({"schema": "edgecut.targets/1", "targets": values})
        return
    rows = [
        (
            target.name,
            target.title,
            _schemes(target),
        )
        for target in targets
    ]
    render.print_table("Targets", ("name", "device", "schemes (peak GMAC/s)"), rows)
    click.echo("\nA .toml file of your own works as well: --target ./my-board.toml")


def _schemes(target: Target) -> str:
    peaks = {peak.scheme: f" ({peak.gmacs_per_s:g})" for peak in target.peaks}
    return ", ".join(scheme + peaks.get(scheme, "") for scheme in target.schemes)
