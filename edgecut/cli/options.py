"""Options that several commands share, and the values that they make up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgecut.errors import EdgecutError

if TYPE_CHECKING:
    from edgecut.source import SampleSource, Source

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON to stdout.")
keep = click.option(
    "--keep", required=True, metavar="NAMES", help="Categories to keep, separated by commas."
)


def chained(*options: Decorator) -> Decorator:
    """Several decorators as one, first on top."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


model = chained(
    click.argument("model"),
    click.option("--labels", metavar="SET|FILE", help="Category names: coco80, ... or a file."),
    click.option("--slots", metavar="OUTPUT:AXIS:LAYOUT", help="Where they are: output:2:5+80."),
    click.option("--weights", metavar="FILE", help="State dict for a MODULE:FACTORY model."),
    click.option("--input-shape", metavar="1x3xHxW", help="Sizes of dynamic input axes."),
)
samples = chained(
    click.option("--samples", metavar="PATH", help="Images: a folder, a .parquet or a COCO .json."),
    click.option("--recipe", metavar="NAME|FILE", help="Preprocessing: yolox, imagenet, ..."),
    click.option("--split", metavar="NAME", help="The part of the samples to use."),
    click.option("--images", metavar="DIR", help="Where a COCO .json's images are."),
)
replaced_model = click.option(
    "--model", metavar="MODEL", help="The full model, if it is not where the report says."
)


def source_of(
    model: str,
    labels: str | None,
    slots: str | None,
    weights: str | None,
    input_shape: str | None,
) -> Source:
    """The model that the options name."""
    from edgecut.source import Source

    return Source(model=model, labels=labels, slots=slots, weights=weights, input_shape=input_shape)


def samples_of(
    samples: str | None,
    recipe: str | None,
    split: str | None,
    images: str | None,
    limit: int | None,
) -> SampleSource | None:
    """The samples that the options name; None without ``--samples``.

    Raises:
        EdgecutError: ``missing-recipe``, or ``unknown-recipe`` before anything else is done.
    """
    from edgecut.recipe import read_recipe
    from edgecut.source import SampleSource

    if samples is None:
        return None
    if recipe is None:
        raise EdgecutError(
            "--samples needs --recipe, which says how an image becomes the network's input",
            code="missing-recipe",
            hint="for example --recipe yolox; double or missing normalisation ruins accuracy",
        )
    read_recipe(recipe)
    return SampleSource(path=samples, recipe=recipe, split=split, images=images, limit=limit)


def names_of(keep: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in keep.split(",") if name.strip()]
