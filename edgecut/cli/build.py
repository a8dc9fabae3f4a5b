"""``edgecut build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render
from edgecut.cli.cut import show as show_cut
from edgecut.errors import QualityGateMissed

if TYPE_CHECKING:
    from edgecut.proofs import Built
    from edgecut.verification import Verification


@click.command(name="build")
@options.model
@options.keep
@options.scores
@options.attention
@options.samples
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Samples to calibrate with, at most.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME|FILE",
    help="A device, see `edgecut targets`; may be given several times.",
)
@click.option(
    "--scheme",
    "schemes",
    multiple=True,
    type=click.Choice(["float32", "float16", "int8"]),
    help="Only these; by default all that the target takes.",
)
@options.text("--out", "DIR", "Folder to write.", default="dist", show_default=True)
@options.as_json
def command(
    keep: str,
    scores: str,
    samples: str | None,
    recipe: str | None,
    split: str | None,
    images: str | None,
    limit: int,
    targets: tuple[str, ...],
    schemes: tuple[str, ...],
    out: str,
    json_: bool,
    **model: Any,
) -> None:
    """Cut MODEL to the categories you keep, and write verified artifacts for your devices.

    MODEL is an .onnx, .keras or .pt2 file, MODULE:FACTORY of a PyTorch model, the folder of a
    training run, or, by default, the network that edgecut ships. int8 needs --samples; networks
    that edgecut trained do without.
    """
    from edgecut import bundle, pipeline

    chosen = options.samples_of(samples, recipe, split, images, limit=limit)
    with render.progress() as tell:
        result = pipeline.build(
            options.source_of(**model),
            keep=options.names_of(keep),
            scores=scores,
            out=Path(out),
            samples=chosen,
            targets=targets or pipeline.DEFAULT_TARGETS,
            schemes=schemes or None,
            tell=tell,
        )
    if json_:
        render.print_json(bundle.read_json(Path(out) / bundle.REPORT, bundle.REPORT_SCHEMA))
    else:
        show_cut(result.cut)
        show_artifacts(result.built)
        for note in result.notes:
            click.echo(f"note: {note}")
        click.echo(f"wrote {Path(out)}/")
    gate(result.built)


def show_artifacts(built: tuple[Built, ...] | list[Built]) -> None:
    """Print a line for each artifact: size, and how far it is from the cut network."""
    rows = [
        (
            one.artifact.path,
            one.artifact.target,
            render.size(one.artifact.bytes),
            worst(one.verification),
            "ok" if one.verification.passed else "FAILED",
        )
        for one in built
    ]
    columns = ("artifact", "target", ">size", ">against the cut", "verdict")
    click.echo()
    render.print_table("Artifacts, each run on its own runtime", columns, rows)
    for one in built:
        for remark in (*one.verification.faults, *one.artifact.notes):
            click.echo(f"{one.artifact.path}: {remark}")


def worst(check: Verification) -> str:
    """A verification's worst value with its unit."""
    if check.metric.endswith("-db"):
        return f"{check.worst:.1f} dB SNR"
    if check.metric == "agreement":
        return f"{check.worst:.2%} of clear values"
    return f"{check.worst:.1e} relative"


def gate(built: tuple[Built, ...] | list[Built]) -> None:
    """Raise ``verification-failed`` (exit code 3) if an artifact failed its check."""
    failed = [one.artifact.path for one in built if not one.verification.passed]
    if failed:
        raise QualityGateMissed(
            f"further from the network than the scheme allows: {', '.join(failed)}",
            code="verification-failed",
            hint="the artifacts are there, marked in report.json; more or better samples may help",
        )
