"""Trees as people write them: the right order, and every fault by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut.category_set import read_categories, read_labels, read_taxonomy
from edgecut.errors import EdgecutError
from edgecut.taxonomy_file import MOST_LEVELS, MOST_NODES, grown

HEAD = 'kind = "categories"\nname = "mine"\n'
GOOD = """
names = ["car", "cat", "person", "dog", "bicycle"]
wnids = ["n1", "n2", "n3", "n4", "n5"]
[tree]
pet = ["dog", "cat"]
vehicle = ["bicycle", "car"]
animal = ["pet"]
[aliases]
car = ["automobile", "motor car"]
animal = ["beast"]
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return str(path)


def test_a_tree_is_read_in_the_order_of_its_lists(tmp_path: Path) -> None:
    found = read_categories(written(tmp_path, GOOD))
    tree = found.taxonomy
    assert found.names == ("car", "cat", "person", "dog", "bicycle")
    assert tree.names == ("vehicle", "bicycle", "car", "animal", "pet", "dog", "cat", "person")
    assert tree.parents == (None, 0, 0, None, 3, 4, 4, None)
    assert [tree.names[i] for i in tree.leaves] == ["bicycle", "car", "dog", "cat", "person"]
    assert tree.names[tree.find("Beast") or 0] == "animal"
    assert tree.names[tree.find("n4") or 0] == "dog"


def test_a_file_without_a_tree_is_flat(tmp_path: Path) -> None:
    path = written(tmp_path, 'names = ["N/A 1", "!a", "b, c"]\nwnids = ["n1", "n2", "n3"]')
    tree = read_taxonomy(path)
    assert tree.names == ("N/A 1", "!a", "b, c") and set(tree.parents) == {None}
    assert tree.aliases == {"n1": "N/A 1", "n2": "!a", "n3": "b, c"}


def test_aliases_need_no_tree(tmp_path: Path) -> None:
    tree = read_taxonomy(written(tmp_path, 'names = ["a", "b"]\n[aliases]\na = ["c"]'))
    assert tree.parents == (None, None) and tree.find("c") == 0


def test_a_text_file_with_the_names_of_a_shipped_set_has_its_tree(tmp_path: Path) -> None:
    path = tmp_path / "coco.txt"
    names = read_labels("coco80").names
    path.write_text("\n".join(reversed(names)))
    assert read_labels(str(path)).names == tuple(reversed(names))
    assert read_labels(str(path)).taxonomy == read_taxonomy("coco80")
    path.write_text("\n".join(names[1:]))
    assert set(read_taxonomy(str(path)).parents) == {None}


@pytest.mark.parametrize(
    ("text", "code", "told", "hint"),
    [
        (
            'names = ["z"]\n[tree]\na = ["b"]\nb = ["c"]\nc = ["a"]',
            *("taxonomy-cycle", "b > c > a > b", "out of its parent"),
        ),
        ('names = ["z"]\n[tree]\na = ["a"]', "taxonomy-cycle", "a > a", "out of its parent"),
        (
            'names = ["cat"]\n[tree]\npet = ["cat"]\nanimal = ["cat"]',
            *("two-parents", "'cat' has two parents, 'pet' and 'animal'", "one place"),
        ),
        (
            'names = ["cat"]\n[tree]\npet = ["cat", "cat"]',
            *("two-parents", "'cat' is listed twice under 'pet'", "one place"),
        ),
        (
            'names = ["cat"]\n[tree]\npet = ["cst"]',
            *("orphan-category", "'cst', under 'pet', is neither", "did you mean 'cat'?"),
        ),
        ('names = ["x"]\n[tree]\npet = ["cow"]', "orphan-category", "'cow'", "add it to 'names'"),
        ('names = ["x"]\n[tree]\npet = []', "no-children", "'pet' has no children", "list"),
        (
            'names = ["cat", "Pet"]\n[tree]\npet = ["cat"]',
            *("parent-is-leaf", "'pet' is a parent in [tree] and a leaf", "of its own"),
        ),
        (
            'names = ["cat", "cow"]\n[tree]\npet = ["cat"]\nPET = ["cow"]',
            *("duplicate-names", "'pet' and 'PET' differ only by case", "unique"),
        ),
        ('names = ["cat", "Cat"]\n[tree]\npet = ["cat"]', "duplicate-names", "'cat'", "unique"),
        (
            'names = ["cat"]\n[aliases]\ndog = ["hound"]',
            *("unknown-alias", "other names for 'dog'", "name = [its other names]"),
        ),
        ('names = ["cat"]\n[aliases]\ncta = ["x"]', "unknown-alias", "'cta'", "'cat'"),
        (
            'names = ["cat", "dog"]\n[aliases]\ndog = ["Cat"]',
            *("alias-collision", "'Cat', an alias of 'dog', is also the category 'cat'", "one"),
        ),
        (
            'names = ["cat", "dog"]\n[tree]\npet = ["cat"]\n[aliases]\ndog = ["Pet"]',
            *("alias-collision", "also the category 'pet'", "one"),
        ),
        (
            'names = ["cat", "dog"]\n[aliases]\ncat = ["x"]\ndog = ["X"]',
            *("alias-collision", "also an alias of 'cat'", "one"),
        ),
        (
            'names = ["cat", "dog"]\nwnids = ["n1", "n2"]\n[aliases]\ncat = ["n2"]',
            *("alias-collision", "also an alias of 'cat'", "one"),
        ),
        ('names = ["cat"]\n[tree]\n"a/b" = ["cat"]', "bad-name", "'a/b' holds '/'", "--keep"),
        ('names = ["c*t"]\n[tree]\na = ["c*t"]', "bad-name", "'c*t' holds '*'", "--keep"),
        ('names = ["c,t"]\n[aliases]\n"c,t" = ["x"]', "bad-name", "holds ','", "--keep"),
        ('names = ["cat"]\n[aliases]\ncat = ["!x"]', "bad-name", "'!x' holds '!'", "--keep"),
        ('names = ["cat"]\n[aliases]\ncat = [" x"]', "bad-name", "blanks", "--keep"),
        ('names = ["cat"]\n[aliases]\ncat = ["x\\u0007y"]', "bad-name", "printed", "--keep"),
        (f'names = ["cat"]\n[aliases]\ncat = ["{"x" * 201}"]', "bad-name", "longer", "--keep"),
        ('names = ["cat"]\n[tree]\npet = "cat"', "bad-recipe", "'pet' must be a list", None),
        ('names = ["cat"]\n[tree]\npet = [1]', "bad-recipe", "'pet' must be a text", None),
        ('names = ["cat"]\ntree = "x"', "bad-recipe", "'tree' must be a table", None),
        ('names = ["cat"]\naliases = ["x"]', "bad-recipe", "'aliases' must be a table", None),
        ('names = ["cat"]\n[trees]\npet = ["cat"]', "bad-recipe", "trees", None),
    ],
)
def test_a_fault_is_told_by_name(
    tmp_path: Path, text: str, code: str, told: str, hint: str | None
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(EdgecutError) as caught:
        read_categories(path)
    error = caught.value
    assert (error.code, path in error.message or code == "duplicate-names") == (code, True)
    assert told in error.message
    assert hint is None or hint in str(error.hint)


def test_sizes_are_bounded() -> None:
    few = [str(i) for i in range(10)]
    chain = {f"p{i}": [f"p{i + 1}"] for i in range(MOST_LEVELS - 2)}
    chain[f"p{MOST_LEVELS - 2}"] = ["0"]
    assert grown(few, chain, {}, where="it").level(MOST_LEVELS - 1) == MOST_LEVELS - 1
    for leaves, tree, aliases in (
        (few, {"top": ["p0"], **chain}, {}),
        ([str(i) for i in range(MOST_NODES + 1)], {}, {}),
        (few, {}, {"1": [f"a{i}" for i in range(MOST_NODES + 1)]}),
    ):
        with pytest.raises(EdgecutError) as caught:
            grown(leaves, tree, aliases, where="it")
        assert caught.value.code == "taxonomy-too-large" and caught.value.hint
