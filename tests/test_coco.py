"""COCO jsons, and every way in which one can be wrong without looking so."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from edgecut.coco import read_coco
from edgecut.errors import EdgecutError

NAN, INFINITE = float("nan"), float("inf")
RIGHT: dict[str, Any] = {
    "images": [{"id": 0, "file_name": "a.png"}, {"id": 7, "file_name": "b.png"}],
    "annotations": [
        {"image_id": 0, "category_id": 1, "bbox": [0, 0.5, 0, 4]},
        {"image_id": 7, "category_id": 1, "bbox": [-1, 2, 3, 4.5], "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}


def written(folder: Path, data: object) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(data))
    return path


def told(path: Path) -> str:
    with pytest.raises(EdgecutError) as caught:
        read_coco(path)
    assert caught.value.code == "bad-coco"
    assert str(path) in caught.value.message
    return caught.value.message


def test_a_right_one_is_read_as_it_is(tmp_path: Path) -> None:
    assert read_coco(written(tmp_path, RIGHT)) == RIGHT


BOXES = [
    *([value, 0, 1, 1] for value in (NAN, INFINITE, -INFINITE, "a", None, True, [1], 10**400)),
    *([0, 0, 1, value] for value in (NAN, INFINITE, -1, "a")),
    *([0, 0, -0.5, 1], [0, 0, 1], [0, 0, 1, 1, 1], [], "0011", None, 4, {"x": 0}),
]


@pytest.mark.parametrize("box", BOXES, ids=lambda box: str(box)[:20])
def test_a_box_is_four_finite_numbers_of_no_negative_size(tmp_path: Path, box: Any) -> None:
    data = copy.deepcopy(RIGHT)
    data["annotations"][1]["bbox"] = box
    assert "annotations[1]: 'bbox' must be" in told(written(tmp_path, data))


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        *(("images", "id", value) for value in (None, "1", 1.5, [1], True, -1, 10**30)),
        *(("images", "file_name", value) for value in (None, 1, "", ["a.png"])),
        *(("annotations", "image_id", value) for value in (None, "1", [1], {})),
        *(("annotations", "category_id", value) for value in (None, "x", 1.0)),
        *(("annotations", "iscrowd", value) for value in (None, "x", 2, [0])),
        *(("categories", "id", value) for value in (None, "x", 1.0)),
        *(("categories", "name", value) for value in (None, 1, "")),
    ],
)
def test_a_value_of_the_wrong_type_is_told_with_its_entry(
    tmp_path: Path, part: str, key: str, value: Any
) -> None:
    data = copy.deepcopy(RIGHT)
    data[part][1][key] = value
    assert f"{part}[1]: '{key}'" in told(written(tmp_path, data))


@pytest.mark.parametrize(
    ("part", "key"), [("images", "id"), ("images", "file_name"), ("categories", "id")]
)
def test_what_occurs_twice_is_refused(tmp_path: Path, part: str, key: str) -> None:
    data = copy.deepcopy(RIGHT)
    data[part][1][key] = data[part][0][key]
    assert f"{part}: '{key}' {data[part][0][key]!r} occurs more than once" in told(
        written(tmp_path, data)
    )


@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_a_part_that_is_missing_or_no_list_of_objects(tmp_path: Path, part: str) -> None:
    without = {name: rows for name, rows in RIGHT.items() if name != part}
    for data in (without, {**RIGHT, part: {}}, {**RIGHT, part: None}):
        assert f"has no list '{part}'" in told(written(tmp_path, data))
    assert f"{part}[0] is not an object" in told(written(tmp_path, {**RIGHT, part: [7]}))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "7", "null"])
def test_what_is_no_json_or_no_object(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(text)
    told(path)
