"""Category sets: what is shipped reads, what is wrong is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut.category_set import read_aliases, read_categories, read_names, read_taxonomy
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
        ("coco91", 91, {0: "background", 1: "person", 12: "unused 12", 90: "toothbrush"}),
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
    assert [n for n in found.names[1:] if not n.startswith("unused")] == list(read_names("coco80"))


def test_wordnet_is_given_its_due() -> None:
    notice = Path(__file__).resolve().parents[1] / "NOTICE"
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in notice.read_text()
    for name in ("imagenet1k", "tiny-imagenet"):
        assert "WordNet 3.0, Copyright 2006 by Princeton University" in read_categories(name).source


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


# The trees.


@pytest.mark.parametrize(
    ("name", "levels", "leaves"),
    [
        ("coco80", 2, 80),
        ("coco91", 2, 91),
        ("voc20", 2, 20),
        ("everyday", 3, 14),
        ("tiny-imagenet", 3, 200),
        ("imagenet1k", 7, 1000),
    ],
)
def test_shipped_trees_hold_every_category_and_no_idle_node(
    name: str, levels: int, leaves: int
) -> None:
    found, tree = read_categories(name), read_taxonomy(name)
    assert sorted(tree.names[leaf] for leaf in tree.leaves) == sorted(found.names)
    assert len(tree.leaves) == leaves
    assert max(map(tree.level, tree.leaves)) + 1 == levels
    assert all(len(tree.children(node)) != 1 for node in range(len(tree.names)))


def under(name: str, parent: str) -> list[str]:
    tree = read_taxonomy(name)
    node = tree.find(parent)
    assert node is not None
    return sorted(tree.names[leaf] for leaf in tree.leaves_under(node))


def test_shipped_trees_say_what_their_sources_say() -> None:
    assert under("voc20", "vehicle") == [
        *("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
    ]
    for name in ("coco80", "coco91"):
        assert under(name, "appliance") == ["microwave", "oven", "refrigerator", "sink", "toaster"]
        tree = read_taxonomy(name)
        assert tree.path(tree.find("person") or -1) == (tree.find("person"),)
    assert len(under("coco91", "unused")) == 10
    assert len(under("imagenet1k", "dog")) == 118 and "tabby" in under("imagenet1k", "domestic cat")
    assert under("everyday", "road vehicle") == ["car", "motorbike", "truck"]
    assert under("tiny-imagenet", "primate") == ["baboon", "chimpanzee", "orangutan"]


def test_the_tree_of_tiny_imagenet_is_balanced() -> None:
    tree = read_taxonomy("tiny-imagenet")
    assert [len(tree.frontier(level)) for level in range(3)] == [8, 39, 200]
    sizes = [len(tree.children(node)) for node in tree.frontier(1)]
    assert min(sizes) >= 3 and max(sizes) <= 10
    known = read_aliases("imagenet1k")
    assert set(read_aliases("tiny-imagenet")) <= set(known)


def test_everyday_takes_the_words_of_its_data() -> None:
    tree = read_taxonomy("everyday")
    words = ["automobile", "motorcycle", "aeroplane", "plane", "boat"]
    assert [tree.names[tree.find(word) or -1] for word in words] == [
        *("car", "motorbike", "airplane", "airplane", "ship"),
    ]
