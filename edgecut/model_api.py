"""The preprocessing that OpenVINO's Model API does, as a recipe.

It feeds a network images as OpenCV reads them, BGR, turns them to RGB with
``reverse_input_channels``, resizes, subtracts ``mean_values`` and divides by ``scale_values``. What
a recipe cannot say exactly is refused; that goes for the colours where nothing is reversed, since
some who write these notes give RGB and some BGR.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgecut.errors import EdgecutError
from edgecut.openvino_info import read_info
from edgecut.recipe import Recipe

RESIZING = {
    "standard": ("stretch", "centre"),
    "crop": ("crop", "centre"),
    "fit_to_window": ("letterbox", "top-left"),
    "fit_to_window_letterbox": ("letterbox", "centre"),
}
INTERPOLATION = {"LINEAR": "bilinear", "CUBIC": "bicubic", "NEAREST": "nearest"}
TRUE = ("YES", "True", "true")
PLAIN = {"embedded_processing": "False", "intensity_mode": "none", "input_dtype": "u8"}
"""What must be left at its default: a recipe has nothing of the kind."""


def read_model_info(path: Path) -> Recipe:
    """The recipe that the notes in an IR's ``.xml`` stand for.

    Raises:
        EdgecutError: ``bad-recipe`` where there are none, or they say what no recipe can.
    """
    try:
        return _recipe(read_info(path), path.stem)
    except (OSError, KeyError, ValueError) as error:
        raise EdgecutError(
            f"{path} says no preprocessing that a recipe can: {error}",
            code="bad-recipe",
            hint="write the preprocessing as a recipe and give it with --recipe",
        ) from error


def _recipe(told: Mapping[str, str], name: str) -> Recipe:
    for key, plain in PLAIN.items():
        value = told.get(key, plain)
        if value.lower() not in (plain.lower(), "no", "none"):
            raise ValueError(f"'{key}' is {value}")
    if "resize_type" not in told:
        raise ValueError("it has no 'resize_type' in its model_info")
    if told.get("reverse_input_channels") not in TRUE:
        raise ValueError("without 'reverse_input_channels' colours may be RGB or BGR")
    resize, anchor = RESIZING[told["resize_type"]]
    pad = float(told.get("pad_value", "0"))
    if pad not in range(256):
        raise ValueError(f"'pad_value' is {pad:g}")
    return Recipe(
        name=name,
        resize=resize,
        interpolation=INTERPOLATION[told.get("interpolation_mode", "LINEAR")],
        colour="RGB",
        scale=1.0,
        mean=_per_channel(told.get("mean_values", ""), 0.0),
        std=_per_channel(told.get("scale_values", ""), 1.0),
        pad_value=int(pad) if resize == "letterbox" else 0,
        anchor=anchor,
    )


def _per_channel(text: str, default: float) -> tuple[float, ...]:
    """One value for each channel, of three, of one for all, or of none."""
    values = [] if text == "None" else [float(value) for value in text.split()]
    values = values or [default]
    if len(values) not in (1, 3):
        raise ValueError(f"{len(values)} values for three channels")
    if not all(abs(value) < float("inf") for value in values) or (default and min(values) <= 0):
        raise ValueError(f"the values {text[:60]}")
    return tuple(values * 3 if len(values) == 1 else values)
