"""``edgecut cut``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render
from edgecut.errors import EdgecutError

if TYPE_CHECKING:
    from edgecut.pipeline import CutResult
    from edgecut.verification import Verification


@click.command(name="cut")
@options.model
@options.keep
@options.scores
@options.attention
@options.samples
@options.text("--out", "FILE", "The .onnx file to write.", required=True)
@options.as_json
def command(
    keep: str,
    scores: str,
    samples: str | None,
    recipe: str | None,
    split: str | None,
    images: str | None,
    out: str,
    json_: bool,
    **model: Any,
) -> None:
    """Cut MODEL to the categories you keep; the result is checked before it is written.

    MODEL is an .onnx, .keras or .pt2 file, or MODULE:FACTORY of a PyTorch model. Without --samples
    the check runs on random input.
    """
    from edgecut import pipeline

    path = _output(out, Path(model["model"]))
    chosen = options.samples_of(samples, recipe, split, images, limit=16)
    with render.progress() as tell:
        result = pipeline.cut(
            options.source_of(**model),
            keep=options.names_of(keep),
            scores=scores,
            samples=chosen,
            tell=tell,
        )
        _write(path, result)
    if json_:
        render.print_json(summary(result))
        return
    show(result)
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo(f"wrote {path}")


def summary(result: CutResult) -> dict[str, Any]:
    """The cut as plain values."""
    from dataclasses import asdict

    return {
        "schema": "edgecut.cut/1",
        "keep": list(result.cut.keep),
        "scores": result.cut.scores,
        "cost": {"full": asdict(result.cut.full), "cut": asdict(result.cost)},
        "cut_check": {**result.check.to_json(), "input": result.checked_on},
        "refusals": [asdict(refusal) for refusal in result.cut.refusals],
        "notes": list(result.notes),
    }


def show(result: CutResult) -> None:
    """Print what the cut saved, where it stopped, and how exact it is."""
    full, small = result.cut.full, result.cost
    rows = [
        (
            "parameters",
            render.count(full.parameters),
            render.count(small.parameters),
            render.share(small.parameters, full.parameters),
        ),
        (
            "MACs",
            render.count(full.macs),
            render.count(small.macs),
            render.share(small.macs, full.macs),
        ),
        (
            "weights",
            render.size(full.weight_bytes),
            render.size(small.weight_bytes),
            render.share(small.weight_bytes, full.weight_bytes),
        ),
    ]
    render.print_table(
        f"{result.full.name} cut to {', '.join(result.cut.keep)}",
        ("", ">full", ">cut", ">change"),
        rows,
    )
    for refusal in result.cut.refusals:
        click.echo(f"kept whole before {refusal.op_type} '{refusal.node}': {refusal.reason}")
    attention = result.network.attention
    if attention is not None:
        click.echo(
            f"gains: {', '.join(attention.categories)} (input '{attention.input}', "
            f"0 to {attention.largest:g}, {attention.neutral:g} is neutral)"
        )
    show_check(result.check)


def show_check(check: Verification) -> None:
    """Print how close the cut network comes to the full one, for what was kept."""
    said = f"largest error {check.worst:.1e} relative" if check.worst else "largest error 0"
    if check.metric == "agreement":
        said = f"{check.worst:.2%} of clear values agree"
    click.echo(
        f"cut against full network, on the kept outputs: {said}, "
        f"{check.samples} inputs: {'ok' if check.passed else 'FAILED'}"
    )


def _output(out: str, model: Path) -> Path:
    """Where to write; what cannot be, or must not, is told before any work."""
    from edgecut.network import data_of

    path = Path(out)
    if path.suffix != ".onnx":
        raise EdgecutError(f"--out {out} must end in .onnx", code="bad-output")
    if path.is_dir():
        raise EdgecutError(f"{out} cannot be written: it is a folder", code="unwritable-output")
    if not path.parent.is_dir():
        raise EdgecutError(f"{out} cannot be written: no such folder", code="unwritable-output")
    if path.exists() and model.exists() and path.samefile(model):
        raise EdgecutError(
            f"{out} is the model itself, which the cut would replace",
            code="output-is-input",
            hint="give another --out; the full model is needed to verify and to evaluate",
        )
    if data_of(path).exists() and not path.exists():
        raise EdgecutError(
            f"{data_of(path)} is there already, and may hold the weights of another model",
            code="unwritable-output",
            hint="give another --out, or remove that file",
        )
    return path


def _write(path: Path, result: CutResult) -> None:
    try:
        result.network.write(path)
    except OSError as error:
        raise EdgecutError(
            f"{path} cannot be written: {error.strerror}", code="unwritable-output"
        ) from error
