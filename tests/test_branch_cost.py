"""The cost of each branch of a tree, against cutting the whole network to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from onnx import helper

from edgecut.branch_cost import tree_cost
from edgecut.categories import CategoryMap, OutputSlots, one_slot_per_node
from edgecut.cost import cost
from edgecut.cutout import cut
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.taxonomy import Taxonomy
from tests import gained
from tests.graphs import conv_weights, network_of

TREE = Taxonomy(names=gained.NAMES, parents=gained.PARENTS)


def by_node() -> Network:
    """A nested network, with a score for every node of its tree."""
    network = gained.load(gained.nested(gained=False))
    return replace(network, categories=one_slot_per_node(TREE, "scores", source="test"))


def by_leaf(last: str = "Identity") -> Network:
    """A classifier of four leaves, whose parents have no score."""
    weights = {"w": conv_weights(4, 3, 3, 3), "v": conv_weights(4, 4, seed=1)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "v"], ["s"], transB=1),
        helper.make_node(last, ["s"], ["scores"]),
    ]
    inputs = {"image": (1, 3, 8, 8)}
    network = network_of(nodes, inputs=inputs, outputs=["scores"], weights=weights)
    slots = OutputSlots(output="scores", axis=1, slots=(0, 1, 2, 3), reason="test")
    names = ("car", "ship", "dog", "cat")
    found = CategoryMap(names=names, outputs=(slots,), source="test", taxonomy=TREE)
    return replace(network, categories=found)


@pytest.mark.parametrize("make", [by_node, by_leaf])
def test_every_branch_costs_what_cutting_to_it_leaves(make) -> None:  # type: ignore[no-untyped-def]
    network = make()
    found = tree_cost(network)
    assert found.full == cost(network) and list(found.nodes) == list(TREE.names)
    for name, branch in found.nodes.items():
        keep = name if name in network.categories.names else f"{name}/*"
        assert branch.whole == cut(network, [keep])[1].cut, name


def test_a_branch_adds_what_it_needs_beside_the_one_above() -> None:
    found = tree_cost(by_node())
    assert found.stem is not None
    # The stem is one convolution: 6 kernels of 3x3x3, on 8x8 positions.
    assert (found.stem.parameters, found.stem.macs) == (6 * 27, 6 * 27 * 64)
    vehicle, car = found.nodes["vehicle"], found.nodes["car"]
    # A convolution of 8 kernels of 3x3x6 with bias, and a score: 8 weights and an offset.
    assert (vehicle.parameters, vehicle.macs) == (8 * 54 + 8 + 9, 8 * 54 * 16 + 8)
    # 5 kernels of 3x3x8 with bias and a score, without the parent's score.
    assert (car.parameters, car.macs) == (5 * 72 + 5 + 6 - 9, 5 * 72 * 4 + 5 - 8)
    assert vehicle.whole.macs == found.stem.macs + vehicle.macs
    assert car.whole.macs == vehicle.whole.macs + car.macs


def test_under_a_parent_without_a_score_branches_are_beside_the_stem() -> None:
    found = tree_cost(by_leaf())
    assert found.stem is not None and found.stem.macs == 4 * 27 * 64
    assert (found.nodes["car"].parameters, found.nodes["vehicle"].parameters) == (4, 8)


def test_only_what_is_asked_for_is_cut() -> None:
    steps: list[tuple[int, int]] = []
    some = tree_cost(
        by_node(), nodes=["vehicle", "ship"], progress=lambda done, all_: steps.append((done, all_))
    )
    assert list(some.nodes) == ["vehicle", "ship"] and steps == [(1, 2), (2, 2)]
    assert some.nodes["ship"] == tree_cost(by_node()).nodes["ship"]


def test_what_cannot_be_cut_is_told() -> None:
    found = tree_cost(by_leaf("Softmax"))
    assert [refusal.op_type for refusal in found.refusals] == ["Softmax"]
    assert {branch.whole for branch in found.nodes.values()} == {found.full}
    assert tree_cost(by_leaf()).refusals == ()


def test_one_node_at_the_top_has_no_stem_beside_it() -> None:
    network = by_node()
    small = cut(network, ["vehicle", "vehicle/*"])[0]
    found = tree_cost(small)
    assert found.stem is None and found.nodes["vehicle"].macs == found.nodes["vehicle"].whole.macs


def test_a_network_without_categories() -> None:
    with pytest.raises(EdgecutError) as caught:
        tree_cost(replace(by_node(), categories=None))
    assert caught.value.code == "no-categories"
