"""``edgecut train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render
from edgecut.errors import MissingPackage

if TYPE_CHECKING:
    from edgecut.nested.run import Trained

SHOWN = 10
"""As many skipped images are named."""


@click.command(name="train")
@click.argument("recipe", metavar="RECIPE")
@options.text(
    "--data", "PATH", "Images: a .parquet, or a folder SPLIT/CATEGORY/IMAGE.jpg.", required=True
)
@options.text(
    "--out", "DIR", "Run folder; a training that was stopped there goes on.", required=True
)
@options.text("--keep", "NAMES", "Train a dense specialist of these leaves alone.")
@options.text("--teacher", "DIR", "Run folder of a network to learn from, too.")
@options.as_json
def command(
    recipe: str, data: str, out: str, keep: str | None, teacher: str | None, json_: bool
) -> None:
    """Train the network that RECIPE describes, and write it as ONNX, ready to be cut.

    RECIPE is a .toml file; docs/reference/training.md has its keys. Training runs on a GPU where
    there is one. Stopped, by Ctrl-C or otherwise, it goes on from its last checkpoint when the same
    command is given again, to the very same result.
    """
    names = options.names_of(keep or "")
    if keep and not names:
        raise click.BadParameter("it names no category", param_hint="--keep")
    try:
        trained = _trained(Path(recipe), Path(data), Path(out), names, teacher)
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from the last checkpoint", err=True)
        click.get_current_context().exit(130)
    if json_:
        render.print_json(trained.metrics)
        return
    show(trained.metrics)
    for image in trained.skipped[:SHOWN]:
        click.echo(f"skipped: {image.place} {image.reason}")
    if trained.skipped:
        click.echo(f"note: {len(trained.skipped)} images could not be used and were skipped")
    click.echo(f"wrote {Path(out)}/")


def _trained(recipe: Path, data: Path, out: Path, keep: list[str], teacher: str | None) -> Trained:
    try:
        from edgecut.nested import run
    except ModuleNotFoundError as error:
        raise MissingPackage(str(error.name), extra="train", why="training") from error

    with render.progress() as tell:
        return run.train(
            recipe, data, out, keep=keep, teacher=Path(teacher) if teacher else None, tell=tell
        )


def show(metrics: dict[str, Any]) -> None:
    """Print what a trained network costs, and how good it is."""
    cost = f"{render.count(metrics['parameters'])} parameters, {render.count(metrics['macs'])} MACs"
    for split, judged in metrics["splits"].items():
        rows = [
            (name, str(one["images"]), _percent(one["recall"]), _percent(one["auroc"]))
            for name, one in judged["by_category"].items()
        ]
        rows.append(("top-1", str(judged["images"]), _percent(judged["top1"]), ""))
        title = f"{metrics['name']} ({cost}), split {split}"
        render.print_table(title, ("category", ">images", ">recall", ">AUROC"), rows)
        click.echo()


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
