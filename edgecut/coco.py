"""COCO instances jsons, strictly read: a box that is not understood would change every AP."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError
from edgecut.table import Table

LARGEST_ID = 2**63 - 1


def read_coco(path: Path) -> dict[str, Any]:
    """A COCO instances json: its ``images``, ``annotations`` and ``categories``.

    Ids are whole numbers; those of images and of categories, and file names, occur once. A
    ``bbox`` is x, y, width, height in stored pixels, finite, with width and height not negative.

    Raises:
        EdgecutError: ``bad-coco``, naming the entry.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EdgecutError(f"{path} cannot be read as json: {error}", code="bad-coco") from error
    for part, check in CHECKS.items():
        rows = data.get(part) if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise EdgecutError(f"{path} has no list '{part}'", code="bad-coco")
        for number, row in enumerate(rows):
            where = f"{path}: {part}[{number}]"
            if not isinstance(row, dict):
                raise EdgecutError(f"{where} is not an object", code="bad-coco")
            check(Table(row, where, code="bad-coco"))
    for part, key in (("images", "id"), ("images", "file_name"), ("categories", "id")):
        _refuse_repeats((row[key] for row in data[part]), f"{path}: {part}: '{key}'")
    return dict(data)


def _image(row: Table) -> None:
    row.integer("id", 0, LARGEST_ID)
    row.text("file_name")


def _annotation(row: Table) -> None:
    row.integer("image_id", 0, LARGEST_ID)
    row.integer("category_id", 0, LARGEST_ID)
    if row.has("iscrowd"):
        row.integer("iscrowd", 0, 1)
    if not _is_box(row.data.get("bbox")):
        raise row.error(
            "'bbox' must be x, y, width, height: four finite numbers, the last two not negative; "
            f"it is {row.data.get('bbox')!r}"
        )


def _category(row: Table) -> None:
    row.integer("id", 0, LARGEST_ID)
    row.text("name")


CHECKS: Mapping[str, Callable[[Table], None]] = {
    "images": _image,
    "annotations": _annotation,
    "categories": _category,
}


def _is_box(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    return all(map(_is_number, value)) and min(value[2:]) >= 0


def _is_number(value: object) -> bool:
    # NaN compares with nothing, and a whole number in json may be larger than any float.
    is_kind = isinstance(value, int | float) and not isinstance(value, bool)
    return is_kind and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def _refuse_repeats(values: Iterable[object], where: str) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise EdgecutError(f"{where} {repeated[0]!r} occurs more than once", code="bad-coco")
