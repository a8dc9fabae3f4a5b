"""Notes of OpenVINO's Model API in an IR: names of categories, and preprocessing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut import openvino_info
from edgecut.category_set import read_labels
from edgecut.errors import EdgecutError
from edgecut.model_api import read_model_info
from edgecut.openvino_info import read_info
from edgecut.source import preprocessing

YOLO = {
    "labels": "person traffic_light",
    "model_type": "YOLO",
    "pad_value": "114",
    "resize_type": "fit_to_window_letterbox",
    "reverse_input_channels": "YES",
    "scale_values": "255",
}


def ir(path: Path, notes: dict[str, str], *, before: str = "") -> Path:
    """An IR as OpenVINO writes it: notes of layers and of the conversion beside those meant."""
    told = "".join(f'<{key} value="{value}" />' for key, value in notes.items())
    path.write_text(
        f'<?xml version="1.0"?>{before}<net name="model" version="11"><layers><layer id="0">'
        '<rt_info><model_info><labels value="wrong"/></model_info></rt_info></layer></layers>'
        '<rt_info><conversion_parameters><labels value="wrong"/></conversion_parameters>'
        f"<model_info>{told}</model_info></rt_info></net>",
        encoding="utf-8",
    )
    return path


def test_the_model_s_own_notes_are_read(tmp_path: Path) -> None:
    assert read_info(ir(tmp_path / "a.xml", YOLO)) == YOLO


def test_names_with_spaces(tmp_path: Path) -> None:
    path = ir(tmp_path / "a.xml", YOLO)
    assert read_labels(str(path)).names == ("person", "traffic light")
    for labels in ({}, {"labels": ""}, {"labels": "None"}):
        with pytest.raises(EdgecutError) as error:
            read_labels(str(ir(path, labels)))
        assert error.value.code == "empty-names"
    with pytest.raises(EdgecutError) as error:
        read_labels(str(ir(path, {"labels": "a_b A_B"})))
    assert error.value.code == "duplicate-names"


def test_a_recipe_of_its_preprocessing(tmp_path: Path) -> None:
    recipe = preprocessing(str(ir(tmp_path / "net.xml", YOLO)))
    assert (recipe.name, recipe.resize, recipe.anchor) == ("net", "letterbox", "centre")
    assert (recipe.pad_value, recipe.colour, recipe.interpolation) == (114, "RGB", "bilinear")
    assert (recipe.scale, recipe.mean, recipe.std) == (1.0, (0.0,) * 3, (255.0,) * 3)
    other = {"resize_type": "fit_to_window", "mean_values": "123.5 116 103", "pad_value": "0"}
    recipe = read_model_info(ir(tmp_path / "net.xml", YOLO | other))
    assert (recipe.anchor, recipe.mean) == ("top-left", (123.5, 116.0, 103.0))
    for kind, resize in (("standard", "stretch"), ("crop", "crop")):
        recipe = read_model_info(ir(tmp_path / "net.xml", YOLO | {"resize_type": kind}))
        assert (recipe.resize, recipe.pad_value) == (resize, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("reverse_input_channels", "NO"), ("resize_type", "squeeze"), ("pad_value", "300")),
        *(
            ("mean_values", "1 2"),
            ("mean_values", "a"),
            ("scale_values", "0"),
            ("pad_value", "1.5"),
        ),
        *(("scale_values", "nan"), ("interpolation_mode", "AREA"), ("embedded_processing", "True")),
        *(("intensity_mode", "window"), ("input_dtype", "u16")),
    ],
)
def test_what_no_recipe_can_say_is_refused(tmp_path: Path, key: str, value: str) -> None:
    path = ir(tmp_path / "a.xml", YOLO | {key: value})
    with pytest.raises(EdgecutError) as error:
        preprocessing(str(path))
    assert error.value.code == "bad-recipe" and str(path) in error.value.message


def test_without_notes_there_is_no_recipe(tmp_path: Path) -> None:
    for path in (ir(tmp_path / "a.xml", {}), tmp_path / "absent.xml"):
        with pytest.raises(EdgecutError) as error:
            preprocessing(str(path))
        assert error.value.code == "bad-recipe"


BOMB = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


def test_hostile_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ir(tmp_path / "a.xml", {"labels": "&b;"}, before=BOMB)
    with pytest.raises(ValueError, match="document type"):
        read_info(path)
    external = '<!DOCTYPE net SYSTEM "file:///etc/passwd">'
    with pytest.raises(ValueError, match="document type"):
        read_info(ir(path, YOLO, before=external))
    for text in ("", "<net>", "no xml", "<html></html>", "<net></net><net></net>", "\0"):
        path.write_text(text)
        with pytest.raises(ValueError, match="it is no"):
            read_info(path)
        with pytest.raises(EdgecutError) as error:
            read_labels(str(path))
        assert error.value.code == "bad-names"
    path.write_text("<net>" + "<a>" * 100_000 + "</a>" * 100_000 + "</net>")
    assert read_info(path) == {}
    monkeypatch.setattr(openvino_info, "MOST_NOTES", 3)
    with pytest.raises(ValueError, match="more than 3 notes"):
        read_info(ir(path, YOLO))
    monkeypatch.setattr(openvino_info, "LARGEST_BYTES", 100)
    with pytest.raises(ValueError, match="more than 100 bytes"):
        read_info(path)


def test_what_openvino_itself_writes(tmp_path: Path) -> None:
    ov = pytest.importorskip("openvino", reason="needs the package openvino, which is not here")
    given = ov.opset13.parameter([1, 3, 8, 8])
    model = ov.Model([ov.opset13.relu(given)], [given])
    for key, value in YOLO.items():
        model.set_rt_info(value, ["model_info", key])
    ov.save_model(model, tmp_path / "a.xml")
    assert read_info(tmp_path / "a.xml") == YOLO
