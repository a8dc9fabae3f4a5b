"""The tree of categories: what lies where, and what is left of it when it is cut."""

from __future__ import annotations

import time

import pytest

from edgecut.errors import EdgecutError
from edgecut.taxonomy import Taxonomy

#   0 animal > 1 bird, 2 pet > 3 cat, 4 dog;  5 vehicle > 6 car;  7 person
TREE = Taxonomy(
    names=("animal", "bird", "pet", "cat", "Dog", "vehicle", "car", "person"),
    parents=(None, 0, 0, 2, 2, None, 5, None),
    aliases={"automobile": "car", "Hound": "Dog"},
)


def test_children_leaves_paths_and_levels() -> None:
    assert TREE.children(None) == (0, 5, 7)
    assert TREE.children(0) == (1, 2) and TREE.children(7) == ()
    assert TREE.leaves == (1, 3, 4, 6, 7)
    assert TREE.path(4) == (0, 2, 4) and TREE.path(7) == (7,)
    assert [TREE.level(node) for node in range(8)] == [0, 1, 1, 2, 2, 0, 1, 0]


def test_frontiers_cover_every_leaf_once() -> None:
    assert [TREE.frontier(level) for level in range(4)] == [
        (0, 5, 7), (1, 2, 6, 7), (1, 3, 4, 6, 7), (1, 3, 4, 6, 7),
    ]  # fmt: skip


def test_what_lies_under_a_node() -> None:
    assert [list(TREE.under(node)) for node in (0, 2, 5, 7)] == [[1, 2, 3, 4], [3, 4], [6], []]
    assert TREE.leaves_under(0) == (1, 3, 4) and TREE.leaves_under(1) == ()


def test_names_and_aliases_are_found_whatever_their_case() -> None:
    assert (TREE.find("DOG"), TREE.find("hound"), TREE.find("Automobile")) == (4, 4, 6)
    assert TREE.find("cow") is None and TREE.find("") is None


def test_what_is_left_has_what_is_above_it() -> None:
    small = TREE.restricted([6, 3])
    assert small.names == ("animal", "pet", "cat", "vehicle", "car")
    assert small.parents == (None, 0, 1, None, 3)
    assert small.aliases == {"automobile": "car"}
    assert small.restricted(range(5)) == small
    assert TREE.restricted([0]).leaves == (0,)  # a parent kept alone is a leaf


def test_a_flat_one() -> None:
    flat = Taxonomy.flat(["b", "a"], {"c": "a"})
    assert flat.leaves == flat.children(None) == flat.frontier(0) == (0, 1)
    assert flat.find("C") == 1


@pytest.mark.parametrize(
    ("names", "parents", "aliases"),
    [
        (["a", "b"], [None], {}),
        (["a", "b"], [1, None], {}),
        (["a", "b"], [None, 1], {}),
        (["a", "b"], [None, -1], {}),
        (["a", "b"], [None, 7], {}),
        (["a", "b", "c", "d"], [None, 0, None, 0], {}),
        (["a", "A"], [None, None], {}),
        (["a", "b"], [None, None], {"c": "d"}),
        (["a", "b"], [None, None], {"A": "b"}),
        (["a", "b"], [None, None], {"c": "a", "C": "b"}),
    ],
)
def test_what_is_no_such_tree_is_refused(
    names: list[str], parents: list[int | None], aliases: dict[str, str]
) -> None:
    with pytest.raises(EdgecutError) as caught:
        Taxonomy(names=tuple(names), parents=tuple(parents), aliases=aliases)
    assert caught.value.code == "bad-taxonomy"


def test_a_large_tree_takes_no_time() -> None:
    count = 20_000
    parents = [None if i % 100 == 0 else i - i % 100 for i in range(count)]
    start = time.process_time()
    tree = Taxonomy(names=tuple(map(str, range(count))), parents=tuple(parents))
    assert len(tree.leaves) == count - count // 100 == len(tree.frontier(1))
    assert all(tree.find(name) == i for i, name in enumerate(tree.names))
    tree.restricted(tree.leaves)
    assert time.process_time() - start < 5
