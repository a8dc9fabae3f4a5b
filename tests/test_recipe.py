"""Recipes: what is shipped reads, what is wrong is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecut import shipped
from edgecut.category_set import read_categories
from edgecut.errors import EdgecutError
from edgecut.recipe import Geometry, Unusable, prepare, read_recipe

PLAIN = """
kind = "recipe"
name = "mine"
resize = "stretch"
interpolation = "bilinear"
colour = "RGB"
scale = 1.0
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
"""
LETTERBOX = PLAIN.replace('"stretch"', '"letterbox"\npad_value = 114\nanchor = "top-left"')
CROP = PLAIN.replace('"stretch"', '"crop"\ncrop_fraction = 0.5')
DETECTIONS = """
[detections]
arrangement = "rows"
strides = [8, 16]
centre = "linear"
size = "exp"
box_slots = [0, 1, 2, 3]
objectness_slot = 4
objectness_power = 1.0
category_power = 1.0
iou_threshold = 0.65
score_threshold = 0.001
max_detections = 100
"""


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["yolox", "fastestdet", "imagenet", "efficientnet-lite", "plain"])
def test_every_shipped_recipe_reads_and_is_called_as_its_file(name: str) -> None:
    assert read_recipe(name).name == name


def test_every_shipped_file_is_a_recipe_or_a_category_set() -> None:
    for name in shipped.names("calibration"):
        kind = shipped.read("calibration", name)["kind"]
        found = read_recipe(name) if kind == "recipe" else read_categories(name)
        assert found.name == name


def test_yolox_and_fastestdet_hold_what_their_authors_say() -> None:
    yolox, fastest = read_recipe("yolox"), read_recipe("fastestdet")
    assert (yolox.colour, yolox.scale, yolox.pad_value, yolox.anchor) == (
        "BGR", 1.0, 114, "top-left",
    )  # fmt: skip
    assert yolox.detections is not None and yolox.detections.strides == (8, 16, 32)
    assert fastest.detections is not None and fastest.detections.objectness_power == 0.6
    assert fastest.detections.box_slots == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "mine"', 'name = "mine"\nflip = true', "flip"),
        ('name = "mine"', "", "'name' is missing"),
        ('"stretch"', '"fit"', "'resize'"),
        ('"stretch"', '"stretch"\npad_value = 3', "pad_value"),
        ('"stretch"', '"letterbox"\npad_value = 300\nanchor = "centre"', "'pad_value'"),
        ('"stretch"', '"crop"\ncrop_fraction = 1.5', "'crop_fraction'"),
        ("scale = 1.0", "scale = true", "'scale'"),
        ("scale = 1.0", "scale = nan", "'scale'"),
        ("scale = 1.0", 'scale = "1"', "'scale'"),
        ("mean = [0.0, 0.0, 0.0]", "mean = [0.0]", "'mean'"),
        ("std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]", "'std'"),
        ('colour = "RGB"', 'colour = "GRAY"', "'mean'"),
        ('kind = "recipe"', 'kind = "categories"', "'kind'"),
        ("strides = [8, 16]", "strides = [8, 0]", "'strides'"),
        ("strides = [8, 16]", "strides = []", "'strides'"),
        ('"rows"', '"map"', "'strides'"),
        ("[0, 1, 2, 3]", "[0, 1, 2]", "'box_slots'"),
        ("[0, 1, 2, 3]", "[0, 1, 2, 4]", "'box_slots'"),
        ("iou_threshold = 0.65", "iou_threshold = 1.65", "'iou_threshold'"),
        ("max_detections = 100", "max_detections = 100\nsoft = 1", "[detections]"),
    ],
)
def test_a_wrong_recipe_is_refused_naming_file_and_key(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = PLAIN + DETECTIONS
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(EdgecutError) as caught:
        read_recipe(path)
    assert caught.value.code == "bad-recipe"
    assert told in caught.value.message and path in caught.value.message


def test_the_same_recipe_without_a_fault_reads(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, PLAIN + DETECTIONS)).detections is not None


def test_an_unknown_recipe_is_met_with_the_closest_one() -> None:
    with pytest.raises(EdgecutError) as caught:
        read_recipe("yolx")
    assert caught.value.code == "unknown-recipe" and "yolox" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["nosuch", "coco80"])
def test_a_recipe_is_looked_for_among_recipes(name: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        read_recipe(name)
    assert caught.value.code == "unknown-recipe"
    assert f"'{name}' is not a known recipe" in caught.value.message
    assert "yolox" in str(caught.value.hint) and "voc20" not in str(caught.value.hint)


def picture(width: int, height: int, colour: tuple[int, int, int] = (10, 20, 30)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def test_letterbox_puts_the_image_at_its_anchor_on_the_pad_value(tmp_path: Path) -> None:
    tensor, geometry = prepare(picture(8, 4), read_recipe(written(tmp_path, LETTERBOX)), (16, 16))
    assert tensor.shape == (1, 3, 16, 16) and tensor.dtype == np.float32
    assert (tensor[0, 0, :8] == 10).all() and (tensor[0, :, 8:] == 114).all()
    assert geometry.scale == (2.0, 2.0) and geometry.offset == (0.0, 0.0)
    centred = LETTERBOX.replace("top-left", "centre")
    tensor, geometry = prepare(picture(8, 4), read_recipe(written(tmp_path, centred)), (16, 16))
    assert (tensor[0, 1, 4:12] == 20).all() and (tensor[0, :, :4] == 114).all()
    assert geometry.offset == (0.0, 4.0)


def test_letterbox_rounds_down_but_not_below_the_input(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, LETTERBOX))
    for width in range(300, 640, 7):
        _, geometry = prepare(picture(width, 200), recipe, (416, 416))
        assert round(geometry.scale[0] * width, 6) == 416
        assert round(geometry.scale[1] * 200, 6) == int(200 * 416 / width + 1e-6)


def test_crop_takes_the_centre(tmp_path: Path) -> None:
    image = picture(32, 16)
    image.paste((200, 0, 0), (12, 4, 20, 12))
    crop = read_recipe(written(tmp_path, CROP))
    tensor, geometry = prepare(image, crop, (8, 8))
    assert (tensor[0, 0] == 200).all()
    assert geometry.offset == (-12.0, -4.0)


def test_stretch_fills_the_input(tmp_path: Path) -> None:
    stretch = read_recipe(written(tmp_path, PLAIN))
    tensor, geometry = prepare(picture(10, 5), stretch, (20, 30))
    assert (tensor[0, 2] == 30).all() and geometry.scale == (3.0, 4.0)


def test_values_are_scaled_then_centred_in_the_order_of_the_colours(tmp_path: Path) -> None:
    text = PLAIN.replace('"RGB"', '"BGR"').replace("scale = 1.0", "scale = 0.5")
    text = text.replace("mean = [0.0, 0.0, 0.0]", "mean = [1, 2, 3]")
    text = text.replace("std = [1.0, 1.0, 1.0]", "std = [2, 4, 8]")
    tensor, _ = prepare(picture(4, 4), read_recipe(written(tmp_path, text)), (4, 4))
    assert tensor[0, :, 0, 0].tolist() == [(15 - 1) / 2, (10 - 2) / 4, (5 - 3) / 8]


def test_grey_gives_one_channel(tmp_path: Path) -> None:
    text = PLAIN.replace('"RGB"', '"GRAY"').replace("[0.0, 0.0, 0.0]", "[0.0]")
    recipe = read_recipe(written(tmp_path, text.replace("[1.0, 1.0, 1.0]", "[1.0]")))
    tensor, _ = prepare(picture(4, 4, (7, 7, 7)), recipe, (4, 4))
    assert tensor.shape == (1, 1, 4, 4) and (tensor == 7).all()


def test_an_endless_strip_is_not_blown_up(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="long and narrow"):
        prepare(picture(20_000, 1), read_recipe(written(tmp_path, CROP)), (224, 224))


def test_boxes_go_back_to_the_original_and_stay_inside() -> None:
    geometry = Geometry(width=100, height=50, scale=(2.0, 4.0), offset=(10.0, -20.0))
    boxes = np.array([[30, 20, 50, 60], [-500, 0, 999, 999]], dtype=np.float32)
    assert geometry.to_original(boxes).tolist() == [[10, 10, 20, 20], [0, 5, 100, 50]]
