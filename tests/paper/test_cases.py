import math

import numpy as np
import pytest

from benchmarks.paper.cases import DROPPED, UNKNOWN, cases, chosen, nodes_of, shown
from edgecut.taxonomy import Taxonomy

TREE = Taxonomy(
    names=("animal", "pet", "cat", "dog", "bird", "car", "person", "ship"),
    parents=(None, 0, 1, 1, 0, None, None, None),
)
LEAVES = ("cat", "dog", "bird", "car", "person", "ship")


def test_every_leaf_and_every_parent_is_a_case_by_itself() -> None:
    found = cases(TREE)
    assert tuple(c.keep for c in found if c.kind == "leaf") == tuple((name,) for name in LEAVES)
    assert [c.keep for c in found if c.kind == "parent"] == [("animal",), ("pet",)]
    assert len({c.name for c in found}) == len(found)


def test_lists_are_of_two_to_half_of_the_leaves_and_none_comes_twice() -> None:
    lists = [c.keep for c in cases(TREE, lists=25) if c.kind == "list"]
    assert len(set(lists)) == 25
    assert {len(keep) for keep in lists} == {2, 3}
    for keep in lists:
        assert set(keep) <= set(LEAVES)
        assert list(nodes_of(TREE, keep)) == sorted(nodes_of(TREE, keep))


def test_a_seed_gives_the_same_lists_and_another_one_others() -> None:
    assert cases(TREE) == cases(TREE)
    assert cases(TREE) != cases(TREE, seed=1)


def test_a_small_tree_gives_all_lists_that_there_are() -> None:
    lists = [c for c in cases(TREE, lists=1000) if c.kind == "list"]
    assert len(lists) == math.comb(6, 2) + math.comb(6, 3)


def test_chosen_cases_are_of_one_kind_in_order_and_always_the_same() -> None:
    everything = cases(TREE)
    some = chosen(everything, "leaf", 3)
    assert len(some) == 3
    assert some == chosen(everything, "leaf", 3) == tuple(c for c in everything if c in some)
    assert chosen(everything, "parent", 9) == tuple(c for c in everything if c.kind == "parent")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("cat", 0),
        ("bird", DROPPED),
        ("person", 1),
        ("animal", UNKNOWN),
        ("pet", UNKNOWN),
        (None, DROPPED),
    ],
)
def test_what_an_image_shows_of_two_leaves(label: str | None, expected: int) -> None:
    node = -1 if label is None else TREE.names.index(label)
    assert shown(TREE, np.array([node]), ["cat", "person"]).tolist() == [expected]


def test_an_image_of_a_leaf_shows_its_kept_parent() -> None:
    labels = np.array([TREE.names.index(name) for name in ("dog", "pet", "bird", "animal", "car")])
    assert shown(TREE, labels, ["pet"]).tolist() == [0, 0, DROPPED, UNKNOWN, DROPPED]
