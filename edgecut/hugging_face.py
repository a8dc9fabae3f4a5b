"""What a Hugging Face folder says of its model: category names, and how an image becomes input.

``config.json`` holds the names (``id2label``), ``preprocessor_config.json`` the preprocessing, as
the image processors of transformers read it. What a recipe cannot say exactly is refused.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecut import finite_json
from edgecut.category_set import json_names
from edgecut.errors import EdgecutError, EdgecutWarning
from edgecut.network import Network
from edgecut.recipe import KEY, Recipe, to_text

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
NAMES = "names"
"""The metadata in which ``discovery`` finds category names."""
RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}
STEPS = ("resize", "center_crop", "rescale", "normalize", "convert_rgb", "flip_channel_order")
"""What ``do_...`` may say and a recipe can."""
FURTHER = ("include_top", "rescale_offset")
"""Other steps, which no recipe has."""
LARGE = 384
"""From this size on, the processor of ConvNeXt stretches instead of cropping."""


def described(network: Network, folder: Path) -> Network:
    """The network with what the files beside it say, where it does not say so itself.

    Raises:
        EdgecutError: ``bad-names``.

    Warns:
        EdgecutWarning: the preprocessing is none that a recipe can say, and is left out.
    """
    told = dict(network.model.metadata_props)
    found: dict[str, str] = {}
    if (folder / CONFIG).is_file() and NAMES not in told:
        names = json_names(folder / CONFIG)
        found |= {NAMES: json.dumps(list(names))} if names else {}
    if (folder / PREPROCESSOR).is_file() and KEY not in told:
        try:
            found[KEY] = to_text(read_preprocessor(folder / PREPROCESSOR))
        except EdgecutError as error:
            warnings.warn(error.message, EdgecutWarning, stacklevel=2)
    if not found:
        return network
    model = network.editable()
    model.metadata_props.update(found)
    return replace(network, model=model)


def read_preprocessor(path: Path) -> Recipe:
    """The recipe that a ``preprocessor_config.json`` stands for.

    Raises:
        EdgecutError: ``bad-recipe`` where it is damaged, or says what no recipe can.
    """
    try:
        told = finite_json.loads(path.read_text(encoding="utf-8"))
        steps = [f"do_{step}" for step in STEPS]
        for key, wish in told.items():
            if wish and (key in FURTHER or (key.startswith("do_") and key not in steps)):
                raise ValueError(f"'{key}'")
        resize, fraction = _resizing(told)
        normalised = bool(told.get("do_normalize", True)) and "image_mean" in told
        scale = float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale", True) else 1.0
        return Recipe(
            name=str(told.get("image_processor_type", path.stem)),
            resize=resize,
            interpolation=RESAMPLING[int(told.get("resample", 2))],
            colour="BGR" if told.get("do_flip_channel_order") else "RGB",
            scale=scale,
            mean=_per_channel(told["image_mean"]) if normalised else (0.0, 0.0, 0.0),
            std=_per_channel(told["image_std"]) if normalised else (1.0, 1.0, 1.0),
            crop_fraction=fraction,
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise EdgecutError(
            f"{path} says what no recipe can: {error}",
            code="bad-recipe",
            hint="write the preprocessing as a recipe and give it with --recipe",
        ) from error


def _resizing(told: Mapping[str, Any]) -> tuple[str, float]:
    """``stretch`` or ``crop``, and the fraction of the short side that is left."""
    if not told.get("do_resize", True):
        raise ValueError("images keep their shapes")
    size = told.get("size", {})
    if "crop_pct" in told and isinstance(size, int):
        size = {"shortest_edge": size}
    if not isinstance(size, Mapping):
        # Some processors of old stretched to it, others took it for the short side.
        raise ValueError(f"a size of {size!r}, which does not say of what")
    if "height" in size and "width" in size:
        if told.get("do_center_crop") and _sides(told["crop_size"]) != _sides(size):
            raise ValueError("it stretches and then crops")
        return "stretch", 1.0
    short = int(size["shortest_edge"])
    if "longest_edge" in size:
        raise ValueError("the long side is limited, so that images keep their shapes")
    if "crop_pct" in told:
        return ("stretch", 1.0) if short >= LARGE else ("crop", float(told["crop_pct"]))
    if not told.get("do_center_crop"):
        raise ValueError("images keep their shapes: nothing crops them")
    high, wide = _sides(told["crop_size"])
    if high != wide or not 0 < high <= short:
        raise ValueError(f"a crop of {high}x{wide} from a short side of {short}")
    return "crop", high / short


def _sides(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return int(size["height"]), int(size["width"])
    return int(size), int(size)


def _per_channel(values: Any) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != 3:
        raise ValueError(f"{len(found)} values for three channels")
    return found
