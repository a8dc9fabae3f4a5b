"""Finding the categories: names from metadata, slots from the graph, the shapes, or the user."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, helper

from edgecut.categories import CategoryMap, one_slot_per_node
from edgecut.category_json import from_json, to_json
from edgecut.category_set import read_names
from edgecut.discovery import OWN_KEY, embed, embedded, with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.taxonomy import Taxonomy
from tests.graphs import network_of

node = helper.make_node
ABC = ("ant", "bee", "cat")


def shaped(*shapes: tuple[int, ...]) -> Network:
    """A network whose outputs y0, y1, ... have these shapes, and whose graph shows nothing."""
    inputs = {f"x{i}": shape for i, shape in enumerate(shapes)}
    nodes = [node("Relu", [f"x{i}"], [f"y{i}"]) for i in range(len(shapes))]
    return network_of(nodes, inputs=inputs, outputs=[f"y{i}" for i in range(len(shapes))])


def found(network: Network, names: Sequence[str] | None = ABC, **how: str) -> CategoryMap:
    categories = with_categories(network, names, source="test", **how).categories  # type: ignore
    assert categories is not None
    return categories


def refused(code: str, network: Network, names: Sequence[str] | None = ABC, **how: str) -> str:
    with pytest.raises(EdgecutError) as error:
        found(network, names, **how)
    assert error.value.code == code, error.value.message
    return f"{error.value.message}\n{error.value.hint}"


N = None

# What the graph shows.


def joined(*parts: int, after: Sequence[NodeProto] = (), last: str = "j", axis: int = 1) -> Network:
    """Parts of so many slots, joined on an axis of 50 positions each, and what comes after."""
    shapes = {
        f"x{i}": (1, 50, part) if axis == 2 else (1, part, 50) for i, part in enumerate(parts)
    }
    join = node("Concat", list(shapes), ["j"], axis=axis)
    ints = {"rows": np.array([1, -1, 5, 10]), "zero": np.array([0])}
    outputs = [last]
    return network_of([join, *after], inputs=shapes, outputs=outputs, weights=ints)


def test_the_graph_shows_box_objectness_and_categories() -> None:
    (slots,) = found(joined(4, 1, 3)).outputs
    assert (slots.output, slots.axis, slots.slots) == ("j", 1, (N, N, N, N, N, 0, 1, 2))
    assert "4, 1, 3" in slots.reason and slots.shared == (0, 1, 2, 3, 4)


def test_the_graph_shows_categories_that_come_first() -> None:
    (slots,) = found(joined(3, 4)).outputs
    assert slots.slots == (0, 1, 2, N, N, N, N)


def test_the_graph_is_followed_through_moves_and_activations() -> None:
    after = [
        node("Sigmoid", ["j"], ["s"]),
        node("Reshape", ["s", "rows"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 3, 1]),
    ]
    (slots,) = found(joined(4, 1, 3, after=after, last="t")).outputs
    assert (slots.axis, slots.slots) == (3, (N, N, N, N, N, 0, 1, 2))


def test_the_graph_wins_over_the_shape() -> None:
    """Seven slots would be box and categories by shape; the graph shows another order."""
    (slots,) = found(joined(3, 2, 2)).outputs
    assert slots.slots == (0, 1, 2, N, N, N, N)


def test_parts_of_equal_size_show_nothing() -> None:
    """Two parts of three: which is that of the categories? And six slots fit no known head."""
    assert "fit no output" in refused("labels-do-not-fit", joined(3, 3))


def test_a_join_on_another_axis_shows_nothing() -> None:
    (slots,) = found(joined(20, 25), [f"c{i}" for i in range(46)]).outputs
    assert slots.axis == 2 and "box, then categories" in slots.reason


# What shapes allow.


@pytest.mark.parametrize(
    ("size", "slots", "reason"),
    [
        (3, (0, 1, 2), "one slot per category"),
        (7, (N, N, N, N, 0, 1, 2), "box, then categories"),
        (8, (N, N, N, N, N, 0, 1, 2), "box, objectness, categories"),
        (14, (N, N, N, N, 0, 1, 2) * 2, "2 anchors of box, then"),
        (24, (N, N, N, N, N, 0, 1, 2) * 3, "3 anchors of box, objectness"),
    ],
)
def test_readings_of_a_shape(size: int, slots: tuple[int | None, ...], reason: str) -> None:
    (entry,) = found(shaped((1, size, 2, 2))).outputs
    assert (entry.axis, entry.slots) == (1, slots) and reason in entry.reason


def test_every_output_that_fits_counts() -> None:
    categories = found(shaped((1, 8, 50, 50), (1, 8, 2, 2), (1, 100)))
    assert [entry.output for entry in categories.outputs] == ["y0", "y1"]


def test_a_background_slot_may_be_first_or_last() -> None:
    text = refused("ambiguous-slots", shaped((1, 4)))
    assert "background, then categories" in text and "categories, then background" in text
    assert "--slots y0:1:1+3" in text


def test_two_axes_that_fit_are_ambiguous_and_listed() -> None:
    text = refused("ambiguous-slots", shaped((1, 3, 5, 3)))
    assert "axis 1" in text and "axis 3" in text and "y0" in text


def test_anchors_or_not_is_ambiguous() -> None:
    """With 11 categories, 2 anchors of (4 + 11) are as many slots as 30: but 30 fits no more."""
    (entry,) = found(shaped((1, 30)), [f"c{i}" for i in range(11)]).outputs
    assert entry.slots.count(0) == 2


def test_names_that_fit_nothing() -> None:
    text = refused("labels-do-not-fit", shaped((1, 85, 13, 13)))
    assert "[1, 85, 13, 13]" in text and "coco80 (80)" in text
    assert "count the labels" in refused("labels-do-not-fit", shaped((1, 6)))


def test_the_hint_of_an_ambiguity_can_be_followed() -> None:
    """With four categories, box and categories are of one size; the hint must tell them apart."""
    names = ["ant", "bee", "cat", "dog"]
    network = shaped((1, 8, 8, 3))
    text = refused("ambiguous-slots", network, names)
    assert "--slots y0:1:4+4c" in text
    assert found(network, names, slots="y0:1:4+4c").outputs[0].slots == (N, N, N, N, 0, 1, 2, 3)


@pytest.mark.parametrize("names", [(), ("ant", "ant"), ("ant", "Ant "), ("ant", " ")])
def test_names_that_cannot_be_told_apart(names: tuple[str, ...]) -> None:
    refused("duplicate-names" if names else "empty-names", shaped((1, 2)), names)


# What the user says.


@pytest.mark.parametrize(
    ("layout", "size", "slots"),
    [
        ("3", 3, (0, 1, 2)),
        ("3+1", 4, (0, 1, 2, N)),
        ("1+3", 4, (N, 0, 1, 2)),
        ("2+3+1", 6, (N, N, 0, 1, 2, N)),
        ("2*(1+3)", 8, (N, 0, 1, 2) * 2),
        ("3+3c", 6, (N, N, N, 0, 1, 2)),
        ("3c+3", 6, (0, 1, 2, N, N, N)),
        ("1+3c", 4, (N, 0, 1, 2)),
    ],
)
def test_slots_given(layout: str, size: int, slots: tuple[int | None, ...]) -> None:
    for axis in ("1", "-2"):
        (entry,) = found(shaped((1, size, 9)), slots=f"y0:{axis}:{layout}").outputs
        assert (entry.axis, entry.slots) == (1, slots)
        assert entry.reason == "given with --slots"


def test_slots_of_an_output_with_colons_in_its_name() -> None:
    nodes = [node("Relu", ["x"], ["head:0"])]
    network = network_of(nodes, inputs={"x": (1, 3)}, outputs=["head:0"])
    assert found(network, slots="head:0:1:3").outputs[0].output == "head:0"


@pytest.mark.parametrize(
    "slots",
    [
        *("", "3", "y0", "y0:1", "y0:1:", "z:1:3", "y0:one:3", "y0:1:three", "y0:1:3+"),
        *("y0:1:-3", "y0:1:2*3", "y0:1:2*(3", "y0:1:3)", "y0:1:(3)", "y0:1:3 ", "y0:1:1.5"),
        *("y0:2:3", "y0:-3:3", "y0:1:4", "y0:1:1+3", "y0:1:3+3", "y0:1:3c+3c", "y0:1:2c+1"),
        *("y0:1:0*(3)", "y0:1:9999*(3)", "y0:1:9999999999*(3)", f"y0:1:{'9' * 5000}"),
        *("y0:1:٣", "y0:1:3\n", "y0:1:3c+0", "y0:99999999999:3"),
    ],
)
def test_slots_given_wrongly(slots: str) -> None:
    if slots == "y0:1:3c+0":  # an empty part harms nobody
        assert found(shaped((1, 3)), slots=slots).outputs[0].slots == (0, 1, 2)
    elif slots == "":  # as if not given
        assert found(shaped((1, 3)), slots=slots).outputs
    else:
        assert "--slots" in refused("bad-slots", shaped((1, 3)), slots=slots)


# What the metadata says.


def described(text: str, key: str = "names", size: int = 3) -> Network:
    network = shaped((1, size))
    network.model.metadata_props[key] = text
    return network


@pytest.mark.parametrize(
    "text",
    [
        "{0: 'ant', 1: 'bee', 2: 'cat'}",
        "{2: 'cat', 0: 'ant', 1: 'bee'}",
        '{"0": "ant", "1": "bee", "2": "cat"}',
        '["ant", "bee", "cat"]',
        "('ant', 'bee', 'cat')",
        "ant\nbee\ncat\n",
        "ant, bee, cat",
        "ant;bee;cat",
    ],
)
@pytest.mark.parametrize("key", ["names", "classes", "labels"])
def test_names_in_metadata(text: str, key: str) -> None:
    categories = found(described(text, key), None)
    assert categories.names == ABC and categories.source == "metadata of graph"


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "7", "{'ant': 0}", "{0: 'ant', 2: 'cat'}", "{1: 'ant', 2: 'bee'}"),
        *("{0.5: 'ant'}", "{0: 'ant', '0': 'bee'}", "None", "b'ant'", "3 + 4j"),
    ],
)
def test_metadata_that_names_nothing(text: str) -> None:
    refused("no-categories", described(text), None)


@pytest.mark.parametrize("text", ["(" * 9999, "[" * 200000, "-" * 9999 + "1", "\0", "9" * 9999])
def test_hostile_metadata_is_not_run(text: str) -> None:
    """Whatever it is taken for, it ends in an error of ours or in one odd name."""
    try:
        found(described(text), None)
    except EdgecutError as error:
        assert error.code in ("no-categories", "labels-do-not-fit", "ambiguous-slots")


def test_metadata_is_never_evaluated() -> None:
    text = "__import__('os').system('false')"
    assert "no output" in refused("labels-do-not-fit", described(text), None)


def test_metadata_with_a_gap_is_passed_over_for_the_next_key() -> None:
    network = described("{0: 'ant', 5: 'bee'}")
    network.model.metadata_props["labels"] = "ant\nbee\ncat"
    assert found(network, None).names == ABC


def test_nothing_known() -> None:
    assert "--labels" in refused("no-categories", shaped((1, 3)), None)


def test_given_names_win_over_metadata() -> None:
    assert found(described("x, y, z")).names == ABC


# Our own metadata.


def own() -> Network:
    return with_categories(shaped((1, 8, 2, 2), (1, 8, 50, 50)), ABC, source="test")


def test_what_is_embedded_is_found_again() -> None:
    network = own()
    again = Network(name="again", model=embed(network).model, digest="")
    assert embedded(again) == network.categories
    assert found(again, None) == network.categories
    assert from_json(json.loads(json.dumps(to_json(network.categories)))) == network.categories  # type: ignore[arg-type]


def test_embedding_leaves_the_network_alone() -> None:
    network = own()
    embed(network)
    assert OWN_KEY not in network.model.metadata_props
    bare = shaped((1, 3))
    assert embed(bare) is bare and embedded(bare) is None


def test_embedded_categories_survive_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from edgecut.source import load

    embed(own()).write(tmp_path / "own.onnx")
    again = load(str(tmp_path / "own.onnx"))
    assert again.categories == own().categories


def test_slots_given_win_over_what_is_embedded() -> None:
    network = embed(own())
    network.model.metadata_props["names"] = "ant, bee, cat"
    assert found(network, None, slots="y0:1:3+5").outputs[0].slots[:3] == (0, 1, 2)


def changed(**changes: object) -> str:
    data = to_json(own().categories)  # type: ignore[arg-type]
    return json.dumps({**data, **changes})


def output(**changes: object) -> str:
    data = to_json(own().categories)["outputs"][0]  # type: ignore[arg-type]
    return changed(outputs=[{**data, **changes}])


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "null", "3", "[]", "{}", "[" * 100000, '{"names": ' * 5000),
        changed(names="abc"),
        changed(names=[1, 2, 3]),
        changed(names=[]),
        changed(names=["ant", "bee"]),
        changed(names=["ant", "bee", "cat", "dog"]),
        changed(names=["ant", "ant", "cat"]),
        changed(source=None),
        changed(outputs=[]),
        changed(outputs={}),
        changed(outputs="y0"),
        changed(outputs=[7]),
        output(output="nowhere"),
        output(output=["y0"]),
        output(axis=2),
        output(axis=-3),
        output(axis=True),
        output(axis=1.0),
        output(slots=[0, 1, 2]),
        output(slots=[None] * 8),
        output(slots=[0, 1, 2, 3, None, None, None, None]),
        output(slots=[0, 1, -1, 2, None, None, None, None]),
        output(slots=[0.0, 1, 2, None, None, None, None, None]),
        output(slots=[False, 1, 2, None, None, None, None, None]),
        output(slots=["0", 1, 2, None, None, None, None, None]),
        output(slots=8),
        output(reason=3),
    ],
    ids=lambda text: text[:60],
)
def test_embedded_metadata_that_does_not_fit(text: str) -> None:
    network = shaped((1, 8, 2, 2), (1, 8, 50, 50))
    network.model.metadata_props[OWN_KEY] = text
    assert OWN_KEY in refused("labels-do-not-fit", network, None)


@pytest.mark.shared
def test_the_real_detectors(shared) -> None:  # type: ignore[no-untyped-def]
    from edgecut.source import load

    yolox = load(str(next((shared / "models/yolox-nano").glob("*.onnx"))), labels="coco80")
    fastest = load(str(next((shared / "models/fastestdet").glob("*.onnx"))), labels="coco80")
    for network, axis in ((yolox, 2), (fastest, 1)):
        assert network.categories is not None
        (entry,) = network.categories.outputs
        assert entry.axis == axis and entry.shared == (0, 1, 2, 3, 4)
        assert entry.slots[5:] == tuple(range(80))


def test_the_background_is_shared_and_no_category() -> None:
    """Label sets that name it say so; whoever cuts such a network keeps its slot."""
    network = with_categories(
        shaped((1, 4)), ("__background__", "cat", "dog", "owl"), source="labels.txt"
    )
    assert network.categories is not None
    (entry,) = network.categories.outputs
    assert network.categories.names == ("cat", "dog", "owl")
    assert entry.slots == (None, 0, 1, 2)
    assert entry.kept([1]) == (0, 2)


def test_a_background_alone_is_no_category() -> None:
    refused("empty-names", shaped((1, 2)), ["background"], slots="y0:1:1+1c")


@pytest.mark.parametrize("key", ["names", OWN_KEY])
def test_names_lose_the_blanks_around_them(key: str) -> None:
    plain = shaped((1, 2))
    data = {"names": ["person ", "\tcar"], "source": "a file", "outputs": []}
    data["outputs"] = [{"output": "y0", "axis": 1, "slots": [0, 1], "reason": "known"}]
    plain.model.metadata_props[key] = json.dumps(data if key == OWN_KEY else data["names"])
    categories = found(plain, None)
    assert categories.names == ("person", "car")
    assert categories.indices(["person "], where="it") == (0,)


FOUR = ("ant", "bee", "cat", "dog")


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 4, 100), (1, 4, 100)),
        ((1, 100, 4), (1, 4, 25)),
        ((1, 4), (1, 4, 25)),
        ((1, 8, 50), (1, 4, 25)),
        ((1, 4, 100), (1, 4, 25), (1, 4, 100), (1, 4, 25)),
    ],
)
def test_boxes_of_as_many_slots_as_categories_are_not_taken_for_them(
    shapes: tuple[tuple[int, ...], ...],
) -> None:
    text = refused("ambiguous-slots", shaped(*shapes), FOUR)
    assert "'y0' axis" in text and "'y1' axis" in text
    (entry,) = found(shaped(*shapes), FOUR, slots=f"y1:1:{shapes[1][1]}").outputs
    assert entry.output == "y1"


def test_what_the_graph_shows_wins_over_what_another_shape_allows() -> None:
    nodes = [node("Concat", ["a", "b"], ["y"], axis=1), node("Relu", ["b"], ["boxes"])]
    inputs = {"a": (1, 5, 50), "b": (1, 4, 50)}
    (entry,) = found(network_of(nodes, inputs=inputs, outputs=["boxes", "y"]), FOUR).outputs
    assert (entry.output, entry.shared) == ("y", (0, 1, 2, 3, 4))


def test_scales_may_differ_in_anchors() -> None:
    categories = found(shaped((1, 16, 9, 9), (1, 24, 5, 5)))
    assert [entry.slots.count(0) for entry in categories.outputs] == [2, 3]


def test_slots_of_several_outputs() -> None:
    network = shaped((1, 6, 9), (1, 7, 5), (1, 6, 2))
    entries = found(network, slots="y0:1:3+3c,y2:-2:2*(3),y1:1:4+3").outputs
    assert [entry.output for entry in entries] == ["y0", "y2", "y1"]
    assert entries[1].slots == (0, 1, 2, 0, 1, 2) and entries[2].shared == (0, 1, 2, 3)


def test_commas_in_names_of_outputs() -> None:
    nodes = [node("Relu", ["x"], ["a,b"]), node("Relu", ["x"], ["c"])]
    network = network_of(nodes, inputs={"x": (1, 3)}, outputs=["a,b", "c"])
    assert [e.output for e in found(network, slots="a,b:1:3").outputs] == ["a,b"]
    assert [e.output for e in found(network, slots="c:1:3,a,b:1:3").outputs] == ["c", "a,b"]


@pytest.mark.parametrize(
    "slots",
    ["y0:1:3,", ",y0:1:3", "y0:1:3,,y1:1:3", "y0:1:3,y0:1:3", "y0:1:3,z:1:3", "y0:1:3 y1:1:3"],
)
def test_slots_of_several_outputs_given_wrongly(slots: str) -> None:
    refused("bad-slots", shaped((1, 3), (1, 3)), slots=slots)
    refused("bad-slots", shaped((1, 3), (1, 4)), slots="y0:1:3,y1:1:3")


def test_the_hint_of_an_ambiguity_names_every_output() -> None:
    names = ["ant", "bee", "cat", "dog", "elk"]
    network = shaped((1, 6, 9), (1, 6, 5))
    text = refused("ambiguous-slots", network, names)
    assert "--slots y0:1:1+5,y1:1:1+5" in text
    assert len(found(network, names, slots="y0:1:1+5,y1:1:1+5").outputs) == 2


# The taxonomy.

TREE = Taxonomy(
    names=("insect", "ant", "bee", "cat"), parents=(N, 0, 0, N), aliases={"emmet": "ant"}
)


def treed() -> Network:
    return with_categories(shaped((1, 8)), ABC, source="test", slots="y0:1:5+3", taxonomy=TREE)


def test_a_taxonomy_goes_with_the_names_into_the_metadata_and_back() -> None:
    network = treed()
    again = Network(name="again", model=embed(network).model, digest="")
    categories = found(again, None)
    assert categories == network.categories and categories.taxonomy == TREE
    assert categories.indices(["insect/*"], where="it") == (0, 1)
    assert categories.indices(["Emmet"], where="it") == (0,)


def test_a_network_may_have_a_slot_for_every_node() -> None:
    network = shaped((1, 4))
    own = one_slot_per_node(TREE, "y0", source="test")
    network.model.metadata_props[OWN_KEY] = json.dumps(to_json(own))
    assert found(network, None) == own
    assert found(network, None).indices(["insect"], where="it") == (0,)


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["insect", "ant", "bee", "cow"]},
        {"parents": [None, 0, 0]},
        {"parents": [None, 0, 0, 4]},
        {"aliases": {"emmet": "nobody"}},
        {"aliases": {"bee": "ant"}},
        {"names": ["insect", "ant", "bee", "BEE"]},
    ],
)
def test_an_embedded_taxonomy_that_does_not_fit(change: dict[str, object]) -> None:
    network = shaped((1, 8))
    data = to_json(treed().categories)  # type: ignore[arg-type]
    data["taxonomy"] |= change
    network.model.metadata_props[OWN_KEY] = json.dumps(data)
    assert OWN_KEY in refused("labels-do-not-fit", network, None)


def test_names_of_a_shipped_set_bring_its_tree() -> None:
    """As Ultralytics and others leave them in a detector's metadata."""
    network = shaped((1, 84, 100))
    network.model.metadata_props["names"] = str(dict(enumerate(read_names("coco80"))))
    categories = found(network, None)
    kept = [categories.names[i] for i in categories.indices(["appliance/*"], where="it")]
    assert kept == ["microwave", "oven", "toaster", "sink", "refrigerator"]


def test_the_background_is_in_no_tree() -> None:
    categories = found(shaped((1, 91)), read_names("coco91"), slots="y0:1:91")
    assert categories.tree.find("background") is None and categories.fits()
    assert len(categories.indices(["*", "!unused"], where="it")) == 80


# Values that are categories.


def choosing(size: int, *after: NodeProto, outputs: Sequence[str] = ("y",)) -> Network:
    """The largest of so many maps, as a place, and what comes after it."""
    nodes = [node("ArgMax", ["x"], ["c"], axis=1, keepdims=0), *after]
    ints = {"one": np.array([1]), "row": np.array([3, 1, 2])}
    return network_of(nodes, inputs={"x": (1, size, 5, 9)}, outputs=list(outputs), weights=ints)


def test_the_values_of_an_argmax_are_found_behind_moves_and_casts() -> None:
    after = [
        node("Cast", ["c"], ["d"], to=6),
        node("Unsqueeze", ["d", "one"], ["e"]),
        node("Transpose", ["e"], ["y"], perm=[0, 2, 3, 1]),
    ]
    categories = found(choosing(3, *after))
    (entry,) = categories.coded
    assert (entry.output, entry.values, entry.other) == ("y", (0, 1, 2), None)
    assert not categories.outputs and "ArgMax" in entry.reason


def test_the_background_among_values_must_be_told() -> None:
    network = choosing(4, outputs=["c"])
    text = refused("ambiguous-slots", network)
    assert "--slots c:values:1+3" in text and "values of 'c'" in text
    (entry,) = found(network, slots="c:values:1+3").coded
    assert entry.values == (N, 0, 1, 2)
    (entry,) = found(network, ("background", *ABC)).coded
    assert entry.values == (N, 0, 1, 2)


def test_values_of_another_number_of_places_are_told() -> None:
    text = refused("labels-do-not-fit", choosing(20, outputs=["c"]))
    assert "chose among 20" in text and "voc20 (20)" in text


@pytest.mark.parametrize(
    ("after", "size"),
    [
        (node("Add", ["c", "one"], ["y"]), 3),
        (node("Cast", ["c"], ["y"], to=9), 3),
        (node("Cast", ["c"], ["y"], to=2), 300),
    ],
    ids=["other numbers", "yes or no", "too many for a byte"],
)
def test_what_is_made_of_places_holds_no_categories(after: NodeProto, size: int) -> None:
    refused("labels-do-not-fit", choosing(size, after), [f"c{i}" for i in range(size)])


def test_a_table_of_the_networks_own_is_no_place() -> None:
    network = choosing(3, node("Gather", ["row", "c"], ["y"]))
    assert "what a table makes of" in refused("labels-do-not-fit", network)
    assert "a table" in refused("bad-slots", network, slots="y:values:3")


def test_labels_that_are_too_many_for_given_values() -> None:
    network = choosing(2, outputs=["c"])
    assert "chose among 2" in refused("bad-slots", network, slots="c:values:3")


def test_scores_that_the_choice_sees_are_found_beside_it() -> None:
    """An output of as many slots that it does not see is a question."""
    nodes = [
        node("Softmax", ["x"], ["p"], axis=1),
        node("ArgMax", ["p"], ["c"], axis=1),
        node("Relu", ["x"], ["q"]),
        node("Relu", ["z"], ["r"]),
    ]
    inputs = {"x": (1, 3, 3, 7), "z": (1, 3, 3, 7)}
    categories = found(network_of(nodes[:3], inputs=inputs, outputs=["q", "c"]))
    assert [(o.output, o.axis) for o in categories.outputs] == [("q", 1)]
    assert [o.output for o in categories.coded] == ["c"]
    with pytest.raises(EdgecutError) as error:
        found(network_of(nodes, inputs=inputs, outputs=["q", "r", "c"]))
    assert error.value.code == "ambiguous-slots" and "'r' axis 1" in error.value.message


@pytest.mark.parametrize(
    ("slots", "told"),
    [
        ("c:values:2+3", "example c:values:3"),
        ("c:values:1*(3)", "example c:values:3"),
        ("x:values:3", "outputs: c, y"),
        ("y:values:3", "y:AXIS:LAYOUT"),
        ("c:1:3", "c:values:"),
        ("c:value:3", "OUTPUT:AXIS:LAYOUT"),
    ],
)
def test_descriptions_of_values_that_do_not_fit(slots: str, told: str) -> None:
    network = choosing(3, node("Relu", ["x"], ["y"]), outputs=["c", "y"])
    assert told in refused("bad-slots", network, slots=slots)


def test_an_output_of_unknown_size_names_what_chooses_its_rows() -> None:
    nodes = [
        node("NonMaxSuppression", ["boxes", "scores"], ["s"], name="nms"),
        node("Cast", ["s"], ["y"], to=1),
    ]
    network = network_of(nodes, inputs={"boxes": (1, 9, 4), "scores": (1, 3, 9)}, outputs=["y"])
    for names in (ABC, None):
        text = refused("dynamic-output", network, names)
        assert "NonMaxSuppression 'nms'" in text and "without its NMS" in text


# Levels.


def test_levels_have_some_of_the_categories_each() -> None:
    nodes = [
        node("Relu", ["x"], ["coarse"]),
        node("Relu", ["z"], ["fine"]),
        node("ArgMax", ["fine"], ["best"], axis=1),
    ]
    inputs = {"x": (1, 2), "z": (1, 5)}
    network = network_of(nodes, inputs=inputs, outputs=["coarse", "fine", "best"])
    names = ("animal", "plant", *ABC, "fir")
    slots = "coarse:1:2c,fine:1:1+4c"
    categories = found(network, names, slots=slots)
    assert [o.slots for o in categories.outputs] == [(0, 1), (N, 2, 3, 4, 5)]
    with pytest.raises(EdgecutError) as error:
        categories.indices(["bee"], where="it")
    assert "output 'coarse' of it has no slot for bee" in error.value.message
    assert categories.indices(["bee", "animal"], where="it") == (0, 3)
    more = (*names, "elm")
    values = found(network, more, slots="coarse:1:2c,best:values:5c")
    assert values.coded[0].values == (2, 3, 4, 5, 6)
    refused("bad-slots", network, names, slots="coarse:1:2c,fine:1:5c")


def test_outputs_that_have_all_labels_together_may_be_levels() -> None:
    text = refused("labels-do-not-fit", shaped((1, 2), (1, 5)), [f"c{i}" for i in range(7)])
    assert "--slots y0:1:2c,y1:1:5c" in text


def test_a_choice_among_as_many_other_things_is_a_question() -> None:
    """Ten angles are not ten categories, and nobody can tell but who made the network."""
    nodes = [node("Relu", ["x"], ["logits"]), node("ArgMax", ["z"], ["angle"], axis=1)]
    network = network_of(nodes, inputs={"x": (1, 3), "z": (1, 3)}, outputs=["logits", "angle"])
    with pytest.raises(EdgecutError) as error:
        found(network)
    assert error.value.code == "ambiguous-slots" and "'logits' axis 1" in error.value.message


@pytest.mark.parametrize("first", [True, False])
def test_scores_are_found_whichever_factor_they_are(first: bool) -> None:
    factors = ["cls", "obj"] if first else ["obj", "cls"]
    nodes = [
        node("Sigmoid", ["x"], ["cls"]),
        node("Sigmoid", ["z"], ["obj"]),
        node("Mul", factors, ["p"]),
        node("ArgMax", ["p"], ["c"], axis=1),
    ]
    inputs = {"x": (1, 3, 7), "z": (1, 1, 7)}
    categories = found(network_of(nodes, inputs=inputs, outputs=["cls", "c"]))
    assert [(o.output, o.axis) for o in categories.outputs] == [("cls", 1)]


def test_the_ranks_of_a_choice_and_the_rows_of_its_map_are_no_slots() -> None:
    nodes = [node("TopK", ["x", "k"], ["v", "i"], axis=1)]
    inputs, weights = {"x": (1, 100)}, {"k": np.array([3])}
    for outputs in (["v", "i"], ["i"]):
        network = network_of(nodes, inputs=inputs, outputs=outputs, weights=weights)
        with pytest.raises(EdgecutError) as error:
            found(network)
        assert error.value.code == "labels-do-not-fit" and "among 100" in error.value.message
    rows = network_of(
        [node("ArgMax", ["x"], ["y"], axis=1)], inputs={"x": (1, 21, 3, 6)}, outputs=["y"]
    )
    with pytest.raises(EdgecutError) as error:
        found(rows)
    assert error.value.code == "labels-do-not-fit"


@pytest.mark.parametrize(
    ("labels", "slots", "told"),
    [
        (5, "coarse:1:2,fine:1:3", "coarse:1:2c,fine:1:3c"),
        (6, "coarse:1:2c,fine:1:3c", "2 + 3 = 5"),
    ],
)
def test_mistakes_in_levels_are_told_as_such(labels: int, slots: str, told: str) -> None:
    nodes = [node("Relu", ["x"], ["coarse"]), node("Relu", ["z"], ["fine"])]
    network = network_of(nodes, inputs={"x": (1, 2), "z": (1, 3)}, outputs=["coarse", "fine"])
    with pytest.raises(EdgecutError) as error:
        with_categories(network, [f"c{i}" for i in range(labels)], source="test", slots=slots)
    assert error.value.code == "bad-slots"
    assert told in f"{error.value.message} {error.value.hint}"
