"""Category maps: which slots a keep-list needs, and the map that is left."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecut.categories import CategoryMap, OutputSlots, one_slot_per_node
from edgecut.category_json import from_json, to_json
from edgecut.errors import EdgecutError
from edgecut.taxonomy import Taxonomy

N = None
ENTRY = OutputSlots(output="y", axis=1, slots=(N, 0, 1, 2, N, 0, 1, 2), reason="two anchors")
MAP = CategoryMap(names=("ant", "Bee", "sea lion"), outputs=(ENTRY,), source="test")


def test_kept_slots_are_those_of_the_categories_and_the_shared_ones() -> None:
    assert ENTRY.kept([1]) == (0, 2, 4, 6)
    assert ENTRY.kept([2, 0]) == (0, 1, 3, 4, 5, 7)
    assert ENTRY.kept([]) == ENTRY.shared == (0, 4)


def test_the_map_of_the_cut_network() -> None:
    small = MAP.restricted([0, 2])
    assert small.names == ("ant", "sea lion")
    assert small.outputs[0].slots == (N, 0, 1, N, 0, 1)
    assert small.restricted([0, 1]) == small


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, unique=True).map(sorted))
@settings(derandomize=True, deadline=None)
def test_restricted_slots_mean_the_same_categories(keep: list[int]) -> None:
    small = MAP.restricted(keep)
    names = [N if i is N else MAP.names[i] for i in (ENTRY.slots[j] for j in ENTRY.kept(keep))]
    assert [N if i is N else small.names[i] for i in small.outputs[0].slots] == names


def test_names_are_found_whatever_their_case_and_order() -> None:
    assert MAP.indices(["SEA LION", " bee", "bee"], where="it") == (1, 2)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("aunt", "did you mean 'ant'"), ("sealion", "'sea lion'"), ("zebra", "`edgecut tree`")],
)
def test_unknown_names_come_with_close_ones(name: str, hint: str) -> None:
    with pytest.raises(EdgecutError) as error:
        MAP.indices(["ant", name], where="it.onnx")
    assert error.value.code == "unknown-category" and hint in str(error.value.hint)
    assert name in error.value.message and "it.onnx" in error.value.message
    assert ("did you mean" in str(error.value.hint)) == (name != "zebra")


@pytest.mark.parametrize("keep", [[], [""], [" ", "\t"]])
def test_an_empty_keep_list(keep: list[str]) -> None:
    with pytest.raises(EdgecutError) as error:
        MAP.indices(keep, where="it")
    assert error.value.code == "empty-keep"


def test_a_keep_list_that_leaves_an_output_without_a_slot_is_refused() -> None:
    other = OutputSlots(output="z", axis=1, slots=(0, 1, 0), reason="no slot of the sea lion")
    categories = CategoryMap(names=MAP.names, outputs=(ENTRY, other), source="test")
    assert categories.indices(["sea lion", "ant"], where="it") == (0, 2)
    with pytest.raises(EdgecutError, match="output 'z' of it") as caught:
        categories.indices(["sea lion"], where="it")
    assert caught.value.code == "bad-slots" and caught.value.where == "z"


#   animal > cat, dog;  vehicle > car
TREE = Taxonomy(
    names=("animal", "cat", "dog", "vehicle", "car"),
    parents=(None, 0, 0, None, 3),
    aliases={"hound": "dog", "automobile": "car"},
)


def over_leaves() -> CategoryMap:
    """A detector's map: slots for leaves alone, in an order that is not the tree's."""
    slots = OutputSlots(output="y", axis=1, slots=(N, 0, 1, 2), reason="one slot each")
    names = ("car", "dog", "cat")
    return CategoryMap(names=names, outputs=(slots,), source="test", taxonomy=TREE)


def test_keep_lists_go_by_the_taxonomy() -> None:
    detector, nested = over_leaves(), one_slot_per_node(TREE, "scores", source="test")
    assert detector.indices(["animal/*"], where="it") == (1, 2)
    assert detector.indices(["!hound"], where="it") == (0, 2)
    assert nested.indices(["animal", "Automobile"], where="it") == (0, 4)
    assert nested.indices(["!animal"], where="it") == (4,)
    with pytest.raises(EdgecutError) as caught:
        detector.indices(["animal"], where="it")
    assert caught.value.code == "no-score"


def test_a_map_without_a_taxonomy_has_a_flat_one() -> None:
    assert MAP.indices(["*"], where="it") == (0, 1, 2)
    assert MAP.indices(["!bee"], where="it") == (0, 2)
    assert MAP.tree.parents == (N, N, N) and MAP.restricted([0]).taxonomy is None


def test_the_taxonomy_is_cut_with_the_map() -> None:
    detector, nested = over_leaves(), one_slot_per_node(TREE, "scores", source="test")
    small = detector.restricted([1])
    assert small.taxonomy is not None
    assert (small.names, small.taxonomy.names) == (("dog",), ("animal", "dog"))
    assert small.taxonomy.aliases == {"hound": "dog"} and small.fits()
    assert small.indices(["animal/*"], where="it") == (0,)
    coarse = nested.restricted([0, 4])
    assert coarse.tree.names == ("animal", "vehicle", "car") and coarse.fits()
    assert coarse.tree.leaves == (0, 2)
    assert coarse.indices(["*"], where="it") == (0, 1)  # what was kept as a parent is now a leaf
    assert coarse.outputs[0].slots == (0, 1)


def test_a_taxonomy_that_does_not_fit_is_seen() -> None:
    assert over_leaves().fits() and MAP.fits()
    assert not replace(over_leaves(), taxonomy=TREE.restricted([0, 4])).fits()
    assert not replace(over_leaves(), names=("car", "dog", "cow")).fits()
    assert not replace(over_leaves(), names=("car", "dog")).fits()


@pytest.mark.parametrize("categories", [over_leaves(), MAP, over_leaves().restricted([0, 2])])
def test_a_map_survives_json(categories: CategoryMap) -> None:
    assert from_json(json.loads(json.dumps(to_json(categories)))) == categories


def test_a_map_without_the_key_of_a_later_version_is_read() -> None:
    data = {key: value for key, value in to_json(MAP).items() if key != "taxonomy"}
    assert from_json(data) == MAP


@pytest.mark.parametrize(
    "taxonomy",
    [
        *("x", 1, [], {}),
        {"names": ["cat", "dog", "car"], "parents": [N, N, N]},
        {"names": ["cat", "dog", "car"], "parents": [N, N], "aliases": {}},
        {"names": ["cat", "dog"], "parents": [N, N], "aliases": {}},
        {"names": ["cat", "dog", "car", "cow"], "parents": [N, N, N, N], "aliases": {}},
        {"names": ["cat", "dog", "car"], "parents": [N, N, 5], "aliases": {}},
        {"names": ["cat", "dog", "car"], "parents": [N, N, True], "aliases": {}},
        {"names": ["cat", "dog", "car"], "parents": [N, N, 1.0], "aliases": {}},
        {"names": ["cat", "dog", "car"], "parents": [N, N, N], "aliases": {"x": "cow"}},
        {"names": ["cat", "dog", "car"], "parents": [N, N, N], "aliases": {"x": 1}},
        {"names": ["cat", "dog", "car"], "parents": [N, N, N], "aliases": []},
    ],
)
def test_json_whose_taxonomy_does_not_fit_is_refused(taxonomy: object) -> None:
    data = {**to_json(over_leaves()), "taxonomy": taxonomy}
    with pytest.raises((KeyError, TypeError, ValueError, EdgecutError)):
        from_json(data)
