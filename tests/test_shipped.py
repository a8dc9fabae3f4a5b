"""Shipped data is found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut import shipped
from edgecut.category_set import read_categories
from edgecut.errors import EdgecutError
from edgecut.recipe import read_recipe
from edgecut.target import all_targets


def test_the_names() -> None:
    assert {"raspberry-pi-4", "raspberry-pi-5", "intel-cpu", "intel-npu", "generic-arm64"} <= set(
        shipped.names("targets")
    )
    assert {"coco80", "coco91", "voc20", "imagenet1k", "yolox", "fastestdet"} <= set(
        shipped.names("calibration")
    )
    assert shipped.names("targets") == sorted(shipped.names("targets"))


def test_every_shipped_file_can_be_read() -> None:
    assert [target.name for target in all_targets()] == shipped.names("targets")
    for name in shipped.names("calibration"):
        kind = shipped.read("calibration", name)["kind"]
        entry = {"recipe": read_recipe, "categories": read_categories}[kind](name)
        assert entry.name == name


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("answer = 42\n")
    assert shipped.read("targets", str(own)) == {"answer": 42}


@pytest.mark.parametrize(
    ("kind", "name", "code", "hint"),
    [
        ("targets", "rasberry-pi-5", "unknown-target", "did you mean 'raspberry-pi-5'?"),
        ("targets", "zx81", "unknown-target", "known: generic-arm64, intel-cpu"),
        ("calibration", "yolxo", "unknown-recipe", "did you mean 'yolox'?"),
        ("targets", "absent.toml", "unknown-target", "or a path to a .toml file"),
        ("targets", "", "unknown-target", "known: "),
    ],
)
def test_unknown_names(kind: str, name: str, code: str, hint: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        shipped.read(kind, name)
    assert caught.value.code == code and hint in str(caught.value.hint)
    assert f"'{name}'" in caught.value.message


@pytest.mark.parametrize("name", ["../calibration/coco80", "../pyproject", "/etc/passwd"])
def test_a_name_does_not_climb_out(name: str) -> None:
    with pytest.raises(EdgecutError, match="is not a known target"):
        shipped.read("targets", name)


@pytest.mark.parametrize("content", [b"[", b"a = \xff", b"a = 1\na = 2\n", b"a = " + b"[" * 99999])
def test_broken_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(EdgecutError, match="cannot be read as TOML") as caught:
        shipped.read("targets", str(path))
    assert caught.value.code == "bad-toml" and str(path) in caught.value.message


def test_a_folder_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(EdgecutError) as caught:
        shipped.read("targets", str(tmp_path / "folder.toml"))
    assert caught.value.code == "bad-toml"
