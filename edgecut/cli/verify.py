"""``edgecut verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecut.cli import options, render
from edgecut.cli.build import gate, show_artifacts
from edgecut.cli.cut import show_check


@click.command(name="verify")
@click.argument("folder")
@options.replaced_model
@options.samples
@options.as_json
def command(folder: str, model: str | None, json_: bool, **chosen: Any) -> None:
    """Run every artifact in FOLDER on its own runtime, and compare it with the cut network.

    The cut network is compared with the full one. Real samples are those that the build used,
    unless --samples names others.
    """
    from edgecut import pipeline, proofs

    with render.progress() as tell:
        check, built = pipeline.verify(
            Path(folder),
            model=model,
            samples=options.samples_of(**chosen, limit=16),
            tell=tell,
        )
    if json_:
        render.print_json(
            {
                "schema": "edgecut.verify/1",
                "cut_check": check.to_json(),
                "artifacts": [
                    {"path": one.artifact.path, "verification": one.verification.to_json()}
                    for one in built
                ],
            }
        )
    else:
        show_check(check)
        show_artifacts(built)
    proofs.require_exact(check, folder)
    gate(built)
