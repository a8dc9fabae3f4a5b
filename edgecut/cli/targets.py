"""``edgecut targets``."""

from __future__ import annotations

import click

from edgecut.cli import options, render


@click.command(name="targets")
@options.as_json
def command(json_: bool) -> None:
    """List the devices that edgecut knows, with their schemes and peak rates."""
    from dataclasses import asdict

    from edgecut.target import all_targets

    targets = all_targets()
    if json_:
        render.print_json([asdict(target) for target in targets])
        return
    rows = [
        (
            target.name,
            target.title,
            target.runtime,
            ", ".join(target.schemes),
            ", ".join(f"{p.scheme} {p.gmacs_per_s:g}" for p in target.peaks) or "not known",
        )
        for target in targets
    ]
    render.print_table("Targets", ("name", "device", "runtime", "schemes", "peak GMAC/s"), rows)
    click.echo("A .toml file of your own works as well: --target ./my-board.toml")
