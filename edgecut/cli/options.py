"""Options that several commands share, and the values that they make up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgecut import shipped

if TYPE_CHECKING:
    from edgecut.source import SampleSource, Source

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON to stdout.")
KEEP = "separated by commas: car, 'vehicle/*', '!dog', ..."
keep = click.option("--keep", required=True, metavar="NAMES", help=f"Categories to keep, {KEEP}")

scores = click.option(
    "--scores",
    type=click.Choice(["exact", "renormalised", "other"]),
    default="exact",
    show_default=True,
    help="Behind softmax or ArgMax: the full network's, over what is kept, or one for the rest.",
)


class FiniteRange(click.FloatRange):
    """A range of numbers, and nothing that is none: NaN passes every comparison with its ends."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


def chained(*options: Decorator) -> Decorator:
    """Several decorators as one, first on top."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def text(name: str, metavar: str, help_: str, **more: Any) -> Decorator:
    """An option that takes a text, but no empty one: an unset shell variable is no wish."""
    return click.option(name, metavar=metavar, help=help_, callback=_filled, **more)


def _filled(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty")
    return value


model = chained(
    click.argument("model", default=shipped.NETWORK, metavar="[MODEL]"),
    text("--labels", "SET|FILE", "Category names: coco80, ... or a file."),
    text("--slots", "OUTPUT:AXIS:LAYOUT,..", "Where they are: output:2:5+80."),
    text("--weights", "FILE", "State dict for a MODULE:FACTORY model."),
    text("--input-shape", "1x3xHxW", "Sizes of dynamic input axes."),
    click.option("--trust", is_flag=True, help="Read a file that holds code, and run it."),
)
attention = click.option(
    "--attention", is_flag=True, help="Keep the network's gains as a second input."
)
samples = chained(
    text("--samples", "PATH", "Images: a folder, .parquet or COCO .json; or 'synthetic'."),
    text("--recipe", "NAME|FILE", "Preprocessing: yolox, imagenet, ...; or the model's own."),
    text("--split", "NAME", "The part of the samples to use."),
    text("--images", "DIR", "Where a COCO .json's images are."),
)
replaced_model = text("--model", "MODEL", "The full model, if it is not where the report says.")


def source_of(
    model: str,
    labels: str | None,
    slots: str | None,
    weights: str | None,
    input_shape: str | None,
    trust: bool,
    attention: bool = False,
) -> Source:
    """The model that the options name.

    Raises:
        click.UsageError: there are weights for a file, which holds its own.
    """
    from edgecut.source import Source

    if weights is not None and model.endswith((".onnx", ".keras", ".pt2")):
        raise click.UsageError(f"--weights is for a MODULE:FACTORY model, not for {model}")
    return Source(
        model=model,
        labels=labels,
        slots=slots,
        weights=weights,
        input_shape=input_shape,
        attention=attention,
        trust=trust,
    )


def samples_of(
    samples: str | None,
    recipe: str | None,
    split: str | None,
    images: str | None,
    limit: int | None,
) -> SampleSource | None:
    """The samples that the options name; None without ``--samples``.

    Raises:
        click.UsageError: an option about samples was given, but none are.
        EdgecutError: ``unknown-recipe`` before anything else is done.
    """
    from edgecut.source import SampleSource, preprocessing

    if samples is None:
        _refuse_given("recipe", "split", "images", "limit", without="--samples")
        return None
    if recipe is not None:
        preprocessing(recipe)
    return SampleSource(path=samples, recipe=recipe, split=split, images=images, limit=limit)


def names_of(keep: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in keep.split(",") if name.strip()]


def _refuse_given(*names: str, without: str) -> None:
    """Raise ``click.UsageError`` if the user gave one of these options."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} says nothing without {without}")
