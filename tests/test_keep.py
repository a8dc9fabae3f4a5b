"""Keep-lists: every kind of entry, over a tree with and without scores for its parents."""

from __future__ import annotations

import pytest

from edgecut.errors import EdgecutError
from edgecut.keep import kept
from edgecut.taxonomy import Taxonomy

TREE = Taxonomy(
    names=("animal", "bird", "pet", "cat", "dog", "vehicle", "car", "ship", "person"),
    parents=(None, 0, 0, 2, 2, None, 5, 5, None),
    aliases={"automobile": "car", "boat": "ship", "beast": "animal"},
)
EVERY = range(len(TREE.names))


def names(*keep: str, scored: object = EVERY) -> str:
    nodes = kept(TREE, scored, keep, where="it.onnx")  # type: ignore[arg-type]
    return " ".join(TREE.names[node] for node in nodes)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (["car"], "car"),
        (["AutoMobile", " car "], "car"),
        (["person", "cat"], "cat person"),
        (["vehicle"], "vehicle"),
        (["beast"], "animal"),
        (["vehicle", "car"], "vehicle car"),
        (["vehicle/*"], "car ship"),
        (["Animal/*"], "bird cat dog"),
        (["beast/*"], "bird cat dog"),
        (["*"], "bird cat dog car ship person"),
        (["vehicle/*", "vehicle"], "vehicle car ship"),
        (["animal/cat"], "cat"),
        (["animal/pet/dog", "vehicle / automobile"], "dog car"),
        (["animal/pet"], "pet"),
        (["animal/pet/*"], "cat dog"),
        (["*", "!dog"], "bird cat car ship person"),
        (["!dog", "*"], "bird cat car ship person"),
        (["!dog"], "bird cat car ship person"),
        (["! dog", "!automobile"], "bird cat ship person"),
        (["!animal"], "car ship person"),
        (["!animal", "cat", "car"], "car"),
        (["animal/*", "!pet"], "bird"),
        (["animal/*", "!animal/pet"], "bird"),
        (["animal", "pet", "cat", "!animal/*"], "animal"),
        (["animal", "!pet/*"], "animal"),
        (["animal", "!dog"], "animal"),
        (["!animal/pet/*"], "bird car ship person"),
    ],
)
def test_what_a_keep_list_keeps(keep: list[str], expected: str) -> None:
    assert names(*keep) == expected


@pytest.mark.parametrize(
    ("keep", "code", "told", "hint"),
    [
        ([], "empty-keep", "empty", "--keep bird"),
        (["", " "], "empty-keep", "empty", "--keep bird"),
        (["cat", "!cat"], "empty-keep", "leave no category", "--keep bird"),
        (["!*"], "empty-keep", "leave no category", "--keep bird"),
        (["cat", "!pet"], "empty-keep", "leave no category", "--keep bird"),
        (["catt"], "unknown-category", "'catt' is not a category of it.onnx (6", "'cat'"),
        (["vehicel/*"], "unknown-category", "'vehicel'", "'vehicle'"),
        (["automobil"], "unknown-category", "'automobil'", "'automobile'"),
        (["!catt"], "unknown-category", "'catt'", "'cat'"),
        (["animal/catt"], "unknown-category", "'catt'", "'cat'"),
        (["vehicle/cat"], "not-under", "'cat' does not lie under 'vehicle'", "animal/pet/cat"),
        (["cat/animal"], "not-under", "'animal' does not lie under 'cat'", "is animal"),
        (["cat/cat"], "not-under", "'cat' does not lie under 'cat'", "animal/pet/cat"),
        (["cat/*"], "no-children", "nothing under 'cat'", "--keep 'cat'"),
        (["!cat/*"], "no-children", "nothing under 'cat'", "--keep 'cat'"),
        (["*/cat"], "bad-keep", "'*/cat'", "parent/name"),
        (["animal/*/cat"], "bad-keep", "'animal/*/cat'", "parent/name"),
        (["animal/"], "bad-keep", "'animal/'", "parent/name"),
        (["animal//cat"], "bad-keep", "'animal//cat'", "parent/name"),
        (["/*"], "bad-keep", "'/*'", "parent/name"),
        (["c*"], "bad-keep", "'c*'", "parent/name"),
        (["!"], "bad-keep", "'!'", "parent/name"),
        (["/"], "bad-keep", "'/'", "parent/name"),
        (["!!cat"], "unknown-category", "'!cat'", "'cat'"),
    ],
)
def test_what_is_no_keep_list(keep: list[str], code: str, told: str, hint: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        names(*keep)
    assert caught.value.code == code and told in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_parent_without_a_score_says_how_to_keep_its_leaves() -> None:
    with pytest.raises(EdgecutError) as caught:
        names("car", "vehicle", scored=TREE.leaves)
    assert caught.value.code == "no-score" and "'vehicle'" in caught.value.message
    assert "--keep 'vehicle/*'" in str(caught.value.hint)
    assert names("vehicle/*", scored=TREE.leaves) == "car ship"
    assert names("person", "vehicle", "!vehicle", scored=TREE.leaves) == "person"


def test_names_that_hold_signs_are_met_whole() -> None:
    flat = Taxonomy.flat(["N/A 12", "!a", "b", "a", "*"])
    assert kept(flat, range(5), ["n/a 12", "!A"], where="it") == (0, 1)
    assert kept(flat, range(5), ["!N/A 12", "!b"], where="it") == (1, 3, 4)
    assert kept(flat, range(5), ["*"], where="it") == (4,)
