"""Category sets: what is shipped reads, what is wrong is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut.category_set import read_aliases, read_categories, read_names
from edgecut.errors import EdgecutError


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["nosuch", "yolox"])
def test_labels_are_looked_for_among_label_sets(name: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        read_names(name)
    assert caught.value.code == "unknown-labels"
    assert f"'{name}' is not a known label set" in caught.value.message
    assert "voc20" in str(caught.value.hint) and "yolox" not in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "count", "at"),
    [
        ("coco80", 80, {0: "person", 2: "car", 79: "toothbrush"}),
        ("coco91", 91, {0: "background", 1: "person", 12: "N/A 12", 90: "toothbrush"}),
        ("voc20", 20, {0: "aeroplane", 14: "person"}),
        ("imagenet1k", 1000, {0: "tench", 134: "crane (bird)", 517: "crane (machine)"}),
    ],
)
def test_shipped_sets_hold_their_names_in_place(name: str, count: int, at: dict[int, str]) -> None:
    names = read_names(name)
    assert len(names) == count
    assert {i: names[i] for i in at} == at


def test_coco91_is_coco80_with_holes() -> None:
    found = read_categories("coco91")
    assert [n for n in found.names[1:] if not n.startswith("N/A")] == list(read_names("coco80"))


def test_imagenets_wordnet_ids_lead_to_names() -> None:
    assert read_aliases("imagenet1k")["n03126707"] == "crane (machine)"
    assert read_aliases("coco80") == {}


def test_a_text_file_gives_names_without_blank_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffcat\r\n\n  dog \n", "names.txt")
    assert read_names(path) == ("cat", "dog")


@pytest.mark.parametrize(
    ("text", "code"),
    [("\n \n", "empty-names"), ("cat\ndog\nCat\n", "duplicate-names"), (None, "missing-names")],
)
def test_a_wrong_text_file_is_refused(tmp_path: Path, text: str | None, code: str) -> None:
    path = str(tmp_path / "gone.txt") if text is None else written(tmp_path, text, "names.txt")
    with pytest.raises(EdgecutError) as caught:
        read_names(path)
    assert caught.value.code == code and path in caught.value.message


def test_a_toml_set_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EdgecutError, match=r"gone\.toml: there is no such file of category names"):
        read_names(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ('names = ["a", "A"]', "duplicate-names"),
        ('names = ["a", 1]', "bad-recipe"),
        ('names = ["a"]\nwnids = ["n1", "n2"]', "bad-recipe"),
        ('names = ["a"]\nlabels = 1', "bad-recipe"),
    ],
)
def test_a_wrong_category_set_is_refused(tmp_path: Path, extra: str, code: str) -> None:
    path = written(tmp_path, f'kind = "categories"\nname = "mine"\n{extra}\n')
    with pytest.raises(EdgecutError) as caught:
        read_names(path)
    assert caught.value.code == code
