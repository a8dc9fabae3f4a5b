"""Which categories a node serves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from onnx import helper

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.node_categories import node_categories
from tests.graphs import conv_weights, network_of


def branches(*slots: OutputSlots, outputs: tuple[str, ...] = ("scores",)) -> Network:
    """A stem, then a branch for each of two categories, joined in ``scores``."""
    weights = {"w": conv_weights(4, 3, 1, 1), "u": conv_weights(1, 4, 1, 1, seed=1)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["s"], name="stem"),
        helper.make_node("Relu", ["s"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "u"], ["a"], name="first"),
        helper.make_node("Conv", ["r", "u"], ["b"], name="second"),
        helper.make_node("Concat", ["a", "b"], ["scores"], name="join", axis=1),
        helper.make_node("Neg", ["b"], ["other"], name="other"),
    ]
    network = network_of(nodes, inputs={"image": (1, 3, 4, 4)}, outputs=outputs, weights=weights)
    categories = CategoryMap(names=("cat", "dog"), outputs=slots, source="test")
    return replace(network, categories=categories)


def slots(output: str, *owners: int | None) -> OutputSlots:
    return OutputSlots(output=output, axis=1, slots=owners, reason="test")


def test_a_branch_serves_its_category_and_the_stem_serves_all() -> None:
    found = node_categories(branches(slots("scores", 0, 1)))
    both = ("cat", "dog")
    assert {name: found[name] for name in ("stem", "relu", "join")} == dict.fromkeys(
        ("stem", "relu", "join"), both
    )
    assert (found["first"], found["second"]) == (("cat",), ("dog",))


def test_a_shared_slot_serves_all() -> None:
    found = node_categories(branches(slots("scores", None, 1)))
    assert found["first"] == ("cat", "dog") and found["second"] == ("dog",)


def test_an_output_of_one_category_serves_no_other() -> None:
    both = ("scores", "other")
    found = node_categories(branches(slots("scores", 0, 0), slots("other", 1), outputs=both))
    assert found["other"] == ("dog",) and found["join"] == ("cat",)
    assert found["first"] == ("cat",) and found["second"] == ("cat", "dog")


def test_an_output_that_nobody_describes_serves_all() -> None:
    found = node_categories(branches(slots("scores", 0, 1), outputs=("scores", "other")))
    assert found["other"] == found["second"] == ("cat", "dog")


def test_categories_must_be_known() -> None:
    network = replace(branches(slots("scores", 0, 1)), categories=None)
    with pytest.raises(EdgecutError, match="nothing says"):
        node_categories(network)
