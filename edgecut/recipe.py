"""Preprocessing recipes and category sets, strictly read from ``calibration/*.toml``."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecut import shipped
from edgecut.errors import EdgecutError
from edgecut.table import Table

if TYPE_CHECKING:
    from PIL.Image import Image

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySet:
    """Names by slot; ``wnids`` are WordNet's ids."""

    name: str
    names: tuple[str, ...]
    source: str
    wnids: tuple[str, ...]


def read_recipe(name: str) -> Recipe:
    """The recipe of that name (or at that ``.toml`` path).

    Raises:
        EdgecutError: ``unknown-recipe``, ``bad-toml`` or ``bad-recipe``.
    """
    table = _open(name, "recipe")
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


def read_categories(name: str) -> CategorySet:
    """The category set of that name (or at that ``.toml`` path).

    Raises:
        EdgecutError: ``unknown-labels``, ``bad-toml``, ``bad-recipe`` or ``duplicate-names``.
    """
    table = _open(name, "categories")
    names = table.texts("names")
    found = CategorySet(
        name=table.text("name"),
        names=names,
        source=table.text("source") if table.has("source") else "",
        wnids=table.texts("wnids") if table.has("wnids") else (),
    )
    table.done()
    if found.wnids and len(found.wnids) != len(names):
        raise table.error(f"'wnids' holds {len(found.wnids)} entries for {len(names)} names")
    _refuse_repeats(names, f"category set '{name}'")
    return found


def read_names(name: str) -> tuple[str, ...]:
    """Category names by slot: a shipped set, a ``.toml`` set, or a text file with one per line.

    Raises:
        EdgecutError: ``missing-names``, ``bad-names``, ``empty-names``, ``duplicate-names``, or
            what ``read_categories`` raises.
    """
    path = Path(name)
    is_file = path.suffix != "" or len(path.parts) > 1 or path.is_file()
    if name in _shipped("categories") or not is_file or (path.suffix == ".toml" and path.exists()):
        return read_categories(name).names
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise EdgecutError(
            f"{path}: there is no such file of category names",
            code="missing-names",
            hint="give a text file with one name per line, or one of: "
            + ", ".join(_shipped("categories")),
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise EdgecutError(f"{path} cannot be read as text: {error}", code="bad-names") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise EdgecutError(f"{path} holds no category name", code="empty-names")
    _refuse_repeats(names, str(path))
    return names


def read_aliases(name: str) -> dict[str, str]:
    """WordNet id -> name for a category set that knows them; empty for the others."""
    found = read_categories(name)
    return dict(zip(found.wnids, found.names, strict=False))


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


def _refuse_repeats(names: tuple[str, ...], where: str) -> None:
    # Names are looked up without regard to case, so 'Cat' and 'cat' would be one.
    repeated = [n for n, count in Counter(n.casefold() for n in names).items() if count > 1]
    if repeated:
        raise EdgecutError(
            f"{where}: names more than one category {', '.join(map(repr, repeated))}",
            code="duplicate-names",
            hint="make every name unique, for example 'crane (bird)' and 'crane (machine)'",
        )


def _shipped(kind: str) -> list[str]:
    """Names of the shipped entries of this kind: ``recipe`` or ``categories``."""
    known = shipped.names("calibration")
    return [n for n in known if shipped.read("calibration", n).get("kind") == kind]


def _open(name: str, kind: str) -> Table:
    if not name.endswith(".toml") and name not in _shipped(kind):
        raise _unknown(name, kind)
    where = name if name.endswith(".toml") else f"calibration/{name}.toml"
    table = Table(shipped.read("calibration", name), where, code="bad-recipe")
    found = table.text("kind", "recipe", "categories")
    if found != kind:
        raise table.error(f'\'kind\' is "{found}", and a "{kind}" is needed here')
    return table


def _unknown(name: str, kind: str) -> EdgecutError:
    known = _shipped(kind)
    close = difflib.get_close_matches(name, known, n=1)
    what, own = {
        "recipe": ("recipe", "a .toml file"),
        "categories": ("label set", "a file with one name per line"),
    }[kind]
    return EdgecutError(
        f"'{name}' is not a known {what}",
        code="unknown-recipe" if kind == "recipe" else "unknown-labels",
        hint=f"did you mean '{close[0]}'?"
        if close
        else f"known: {', '.join(known)}; or the path of {own}",
    )
