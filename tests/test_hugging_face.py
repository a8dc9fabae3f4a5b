"""A Hugging Face folder: names and preprocessing from its JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from edgecut.category_set import read_names
from edgecut.errors import EdgecutError, EdgecutWarning
from edgecut.hugging_face import read_preprocessor
from edgecut.recipe import KEY, Recipe
from edgecut.source import Source, load, preprocessing, recipe_of
from tests.graphs import conv_weights, proto_of

VIT: dict[str, Any] = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
    "size": {"height": 224, "width": 224},
    "image_processor_type": "ViTImageProcessor",
}
RESNET = {**VIT, "size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}
CONVNEXT = {**VIT, "size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3}


def saved(folder: Path, **files: Any) -> Path:
    """A folder with a classifier of four categories, and JSON files beside it."""
    folder.mkdir(exist_ok=True)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["a"]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "w"], ["y"], transB=1),
    ]
    weights = {"w": conv_weights(4, 3)}
    proto = proto_of(nodes, inputs={"image": (1, 3, 8, 8)}, outputs=["y"], weights=weights)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


LABELS = {"id2label": {"2": "cat", "0": "ant", "1": "bee", "3": "dog"}}


def test_a_folder_brings_its_names_and_its_preprocessing(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", config=LABELS, preprocessor_config=VIT)
    source = Source(model=str(folder))
    network = load(source)
    assert network.categories is not None and not source.is_trained_by_edgecut
    assert network.categories.names == ("ant", "bee", "cat", "dog") and network.name == "net"
    recipe = recipe_of(network, None)
    assert (recipe.resize, recipe.mean, recipe.scale) == ("stretch", (0.5,) * 3, 1 / 255)


def test_names_of_a_config_are_labels(tmp_path: Path) -> None:
    folder = saved(tmp_path, config=LABELS)
    assert read_names(str(folder / "config.json")) == ("ant", "bee", "cat", "dog")
    assert load(str(folder), labels=str(folder / "config.json")).categories is not None


def test_a_folder_without_them_is_as_before(tmp_path: Path) -> None:
    network = load(str(saved(tmp_path)))
    assert network.categories is None and KEY not in network.model.metadata_props
    assert load(str(saved(tmp_path, config={"hidden_size": 8}))).categories is None


@pytest.mark.parametrize(
    ("told", "resize", "fraction", "interpolation"),
    [
        (VIT, "stretch", 1.0, "bilinear"),
        (RESNET, "crop", 0.875, "bilinear"),
        (CONVNEXT, "crop", 0.875, "bicubic"),
        ({**CONVNEXT, "size": 224}, "crop", 0.875, "bicubic"),
        ({**CONVNEXT, "size": {"shortest_edge": 384}}, "stretch", 1.0, "bicubic"),
        ({**RESNET, "crop_size": {"height": 224, "width": 224}}, "crop", 0.875, ""),
    ],
)
def test_what_processors_do_as_recipes(
    tmp_path: Path, told: dict[str, Any], resize: str, fraction: float, interpolation: str
) -> None:
    folder = saved(tmp_path, preprocessor_config=told)
    recipe = read_preprocessor(folder / "preprocessor_config.json")
    assert isinstance(recipe, Recipe)
    assert (recipe.resize, recipe.crop_fraction) == (resize, fraction)
    assert recipe.interpolation == (interpolation or "bilinear") and recipe.colour == "RGB"


def test_what_no_recipe_can_say_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = saved(tmp_path, preprocessor_config={**VIT, "do_pad": True})
    with pytest.warns(EdgecutWarning, match="do_pad"):
        network = load(str(folder))
    assert KEY not in network.model.metadata_props


def test_flipped_channels_are_blue_first(tmp_path: Path) -> None:
    folder = saved(tmp_path, preprocessor_config={**VIT, "do_flip_channel_order": True})
    assert read_preprocessor(folder / "preprocessor_config.json").colour == "BGR"


def test_without_normalisation_pixels_are_only_scaled(tmp_path: Path) -> None:
    told = {**VIT, "do_normalize": False, "do_rescale": False}
    folder = saved(tmp_path, preprocessor_config=told)
    recipe = read_preprocessor(folder / "preprocessor_config.json")
    assert (recipe.scale, recipe.mean, recipe.std) == (1.0, (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    "change",
    [
        {"do_pad": True},
        {"do_resize": False},
        {"size": {"shortest_edge": 800, "longest_edge": 1333}},
        {"size": {"shortest_edge": 256}},
        {"do_center_crop": True, "crop_size": 200},
        {"size": {"shortest_edge": 200}, "do_center_crop": True, "crop_size": 224},
        {"resample": 5},
        {"image_mean": [0.5]},
        {"size": "large"},
        {"size": 256, "do_center_crop": True, "crop_size": 224},
        {"include_top": True},
        {"rescale_offset": True},
        {"do_reduce_labels": True},
    ],
)
def test_what_no_recipe_can_say_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = saved(tmp_path, preprocessor_config={**VIT, **change})
    with pytest.raises(EdgecutError) as error:
        read_preprocessor(folder / "preprocessor_config.json")
    assert error.value.code == "bad-recipe" and "preprocessor_config.json" in error.value.message


@pytest.mark.parametrize(
    "labels", [{"id2label": {"1": "a"}}, {"id2label": ["a"]}, {"id2label": {"x": "a"}}, ["a"]]
)
def test_damaged_names_are_refused(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(EdgecutError) as error:
        load(str(saved(tmp_path, config=labels)))
    assert error.value.code == "bad-names" and "config.json" in error.value.message


def test_its_preprocessing_alone_is_a_recipe(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", preprocessor_config=RESNET)
    recipe = preprocessing(str(folder / "preprocessor_config.json"))
    assert (recipe.resize, recipe.crop_fraction) == ("crop", 224 / 256)
