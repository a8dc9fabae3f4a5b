"""``edgecut evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecut.cli import options, render
from edgecut.errors import EdgecutError


@click.command(name="evaluate")
@click.argument("folder")
@options.text("--coco", "JSON", "The truth for a detector: a COCO instances.json.")
@options.samples
@click.option("--limit", type=click.IntRange(min=1), help="Images to judge on, at most.")
@click.option(
    "--gain", "gains", multiple=True, metavar="NAME=GAIN", help="Attention: judge under this gain."
)
@options.replaced_model
@options.as_json
def command(
    folder: str,
    coco: str | None,
    samples: str | None,
    recipe: str | None,
    split: str | None,
    images: str | None,
    limit: int | None,
    gains: tuple[str, ...],
    model: str | None,
    json_: bool,
) -> None:
    """Judge the full network, the cut one and every artifact in FOLDER, per kept category.

    Detectors need --coco (COCO AP and AP50), classifiers --samples with labels (top-1). The recipe
    is the one that the build used, unless --recipe names another.
    """
    from edgecut import appraise
    from edgecut.measure.harness import harness

    if (coco is None) == (samples is None):
        raise EdgecutError(
            "give either --coco (a detector) or --samples with labels (a classifier)",
            code="no-truth",
        )
    with render.progress() as tell:
        found = appraise.evaluate(
            Path(folder),
            truth=str(coco or samples),
            recipe=recipe,
            split=split,
            images=images,
            limit=limit,
            model=model,
            gains=_gains_of(gains),
            tell=tell,
        )
    record = {
        "schema": "edgecut.evaluate/1",
        "harness": harness(),
        "judged_on": found.judged_on,
        "rows": found.rows,
    }
    if not gains:
        render.keep(Path(folder), "evaluate", record)
    if json_:
        render.print_json(record)
        return
    show(found.rows)


def _gains_of(texts: tuple[str, ...]) -> dict[str, float]:
    """The gains of ``--gain NAME=GAIN``, by name."""
    gains: dict[str, float] = {}
    for text in texts:
        name, _, gain = text.rpartition("=")
        try:
            value = float(gain)
        except ValueError:
            name = ""
        if not name.strip() or name in gains:
            raise click.BadParameter(
                f"'{text}' is not NAME=GAIN, each name once", param_hint="--gain"
            )
        gains[name] = value
    return gains


def show(rows: list[dict[str, Any]]) -> None:
    """Print a line for each subject and category."""
    measures = [name for name in ("ap", "ap50", "top1", "samples") if name in rows[0]]
    table = [
        (row["what"], row["category"], *(_number(row[name]) for name in measures)) for row in rows
    ]
    render.print_table("Accuracy", ("what", "category", *(f">{m}" for m in measures)), table)


def _number(value: float | None) -> str:
    if value is None:
        return "no truth"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
