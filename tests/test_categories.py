"""Category maps: which slots a keep-list needs, and the map that is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.errors import EdgecutError

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
