"""Preprocessing recipes, strictly read from ``calibration/*.toml`` or a network's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecut.calibration import open_entry
from edgecut.errors import EdgecutError
from edgecut.table import Table

if TYPE_CHECKING:
    from PIL.Image import Image

KEY = "edgecut.recipe"
"""The metadata in which a network says how images become its input."""

MAX_PIXELS = 64_000_000

CHANNELS = {"RGB": 3, "BGR": 3, "GRAY": 1}


class Unusable(EdgecutError):
    """One image that cannot become a sample; the message is the reason."""

    def __init__(self, reason: str) -> None:
        """Take the reason, which completes a sentence that begins with the image's name."""
        super().__init__(reason, code="unusable-image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """How a detector's raw output becomes boxes; data, never part of the network.

    For a position in cell (cx, cy) of a grid with stride s, and raw values t:
    ``centre`` is ``linear``: (t + cell) * s, or ``tanh``: (cell + tanh t) * s;
    ``size`` is ``exp``: exp(t) * s, or ``sigmoid``: sigmoid(t) * input side.
    A category's score is objectness ** objectness_power * value ** category_power.

    ``arrangement`` is ``rows`` (1 x positions x slots, positions by stride, then row, then column)
    or ``map`` (1 x slots x H x W, one stride). ``box_slots`` (x, y, w, h) and ``objectness_slot``
    count the slots that no category owns, in order, so they hold for a cut network as well.

    Suppression is per category: boxes of one category that overlap by more than
    ``iou_threshold`` yield to the best one. ``max_detections`` bounds each category by itself, so
    what a category gets never depends on which others were kept.
    """

    arrangement: str
    strides: tuple[int, ...]
    centre: str
    size: str
    box_slots: tuple[int, ...]
    objectness_slot: int | None
    objectness_power: float
    category_power: float
    iou_threshold: float
    score_threshold: float
    max_detections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an image becomes a network's input; height and width come from the network.

    ``resize`` is ``letterbox`` (fit inside, the rest filled with ``pad_value``, the image at
    ``anchor``), ``stretch``, or ``crop`` (short side to side / ``crop_fraction``, then the centre).
    A tensor value is (pixel in 0..255 * scale - mean) / std; ``mean`` and ``std`` hold one value
    per channel, in the order of ``colour``.
    """

    name: str
    resize: str
    interpolation: str
    colour: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad_value: int = 0
    anchor: str = "centre"
    crop_fraction: float = 1.0
    detections: Detections | None = None

    @property
    def channels(self) -> int:
        """How many channels the tensor has."""
        return CHANNELS[self.colour]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where an image landed in the input: input = original * scale + offset, each (x, y)."""

    width: int
    height: int
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_original(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (N, 4), xyxy in input pixels, in the original image's pixels and inside it."""
        moved = (boxes - np.tile(self.offset, 2)) / np.tile(self.scale, 2)
        bounds = np.tile([self.width, self.height], 2)
        return np.asarray(np.clip(moved, 0, bounds), dtype=np.float32)


def read_recipe(name: str) -> Recipe:
    """The recipe of that name (or at that ``.toml`` path).

    Raises:
        EdgecutError: ``unknown-recipe``, ``bad-toml`` or ``bad-recipe``.
    """
    return _recipe(open_entry(name, "recipe"))


def embedded(metadata: Mapping[str, str], *, where: str) -> Recipe | None:
    """The recipe in a network's metadata; None where there is none.

    Raises:
        EdgecutError: ``bad-recipe``.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    place = f"the metadata '{KEY}' of {where}"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise EdgecutError(f"{place} is no table in JSON", code="bad-recipe", where=KEY)
    return _recipe(Table(data, place, code="bad-recipe"))


def to_text(recipe: Recipe) -> str:
    """A recipe as metadata: JSON with the keys of a recipe's TOML file."""
    data = asdict(recipe)
    other = {"letterbox": ["crop_fraction"], "crop": ["pad_value", "anchor"]}
    for key in other.get(recipe.resize, ["crop_fraction", "pad_value", "anchor"]):
        del data[key]
    if recipe.detections is None:
        del data["detections"]
    elif recipe.detections.objectness_slot is None:
        del data["detections"]["objectness_slot"], data["detections"]["objectness_power"]
    return json.dumps(data, sort_keys=True)


def _recipe(table: Table) -> Recipe:
    colour = table.text("colour", "RGB", "BGR", "GRAY")
    resize = table.text("resize", "letterbox", "stretch", "crop")
    letterbox, crop = resize == "letterbox", resize == "crop"
    recipe = Recipe(
        name=table.text("name"),
        resize=resize,
        interpolation=table.text("interpolation", "bilinear", "bicubic", "nearest"),
        colour=colour,
        scale=table.number("scale"),
        mean=table.per_channel("mean", CHANNELS[colour]),
        std=table.per_channel("std", CHANNELS[colour], positive=True),
        # Keys of another kind of resizing are not taken, and so are refused as left over.
        pad_value=table.integer("pad_value", 0, 255) if letterbox else 0,
        anchor=table.text("anchor", "top-left", "centre") if letterbox else "centre",
        crop_fraction=table.number("crop_fraction", 0.01, 1.0) if crop else 1.0,
        detections=_detections(table),
    )
    table.done()
    return recipe


def prepare(
    image: Image, recipe: Recipe, input_hw: tuple[int, int]
) -> tuple[NDArray[np.float32], Geometry]:
    """An 8-bit image as a float32 tensor (1, C, H, W), and where its pixels went.

    Raises:
        Unusable: the image is so long and narrow that resizing it would fill the memory.
    """
    from PIL import Image as pil

    height, width = input_hw
    size, offset = _placement(image.size, recipe, width, height)
    if size[0] * size[1] > MAX_PIXELS:
        raise Unusable(f"is too long and narrow: resized it would have {size[0]}x{size[1]} pixels")
    mode = "L" if recipe.colour == "GRAY" else "RGB"
    method = pil.Resampling[recipe.interpolation.upper()]
    canvas = pil.new(mode, (width, height), (recipe.pad_value,) * len(mode))
    canvas.paste(image.convert(mode).resize(size, method), offset)
    pixels = np.asarray(canvas, dtype=np.float32).reshape(height, width, -1)
    if recipe.colour == "BGR":
        pixels = pixels[:, :, ::-1]
    values = (pixels * recipe.scale - recipe.mean) / recipe.std
    tensor = np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)
    geometry = Geometry(
        width=image.width,
        height=image.height,
        scale=(size[0] / image.width, size[1] / image.height),
        offset=(float(offset[0]), float(offset[1])),
    )
    return tensor, geometry


def _placement(
    size: tuple[int, int], recipe: Recipe, width: int, height: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The resized image's (width, height), and where its top-left corner goes in the input."""
    if recipe.resize == "stretch":
        return (width, height), (0, 0)
    across, down = width / size[0], height / size[1]
    if recipe.resize == "letterbox":
        ratio = min(across, down)
    else:
        ratio = max(across, down) / recipe.crop_fraction
    # Rounded down, as YOLOX and torchvision do; the epsilon holds 416 / 333 * 333 at 416.
    resized = (max(1, int(size[0] * ratio + 1e-6)), max(1, int(size[1] * ratio + 1e-6)))
    if recipe.resize == "letterbox" and recipe.anchor == "top-left":
        return resized, (0, 0)
    return resized, (round((width - resized[0]) / 2), round((height - resized[1]) / 2))


def _detections(recipe: Table) -> Detections | None:
    if not recipe.has("detections"):
        return None
    table = recipe.table("detections")
    objectness = table.integer("objectness_slot", 0) if table.has("objectness_slot") else None
    rules = Detections(
        arrangement=table.text("arrangement", "rows", "map"),
        strides=table.integers("strides", 1),
        centre=table.text("centre", "linear", "tanh"),
        size=table.text("size", "exp", "sigmoid"),
        box_slots=table.integers("box_slots", 0),
        objectness_slot=objectness,
        objectness_power=table.number("objectness_power", 0.0) if objectness is not None else 0.0,
        category_power=table.number("category_power", 0.0),
        iou_threshold=table.number("iou_threshold", 0.0, 1.0),
        score_threshold=table.number("score_threshold", 0.0, 1.0),
        max_detections=table.integer("max_detections", 1),
    )
    table.done()
    taken = [*rules.box_slots, *([] if objectness is None else [objectness])]
    if len(rules.box_slots) != 4 or len(set(taken)) != len(taken):
        raise table.error("'box_slots' must be four different slots, none the objectness slot")
    if rules.arrangement == "map" and len(rules.strides) != 1:
        raise table.error("'strides' must hold one stride with arrangement = \"map\"")
    return rules
