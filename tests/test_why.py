"""Why a node stays: who needs it, and on which way."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.why import Step, why
from tests.graphs import conv_weights, network_of

NAMES = ("ant", "bee", "cat", "dog")
node = helper.make_node


def branches() -> Network:
    """A stem, a branch for each half of the categories, and a box that is no category's."""
    nodes = [
        node("Conv", ["image", "w"], ["stem"], name="stem"),
        node("Conv", ["stem", "left"], ["l"], name="left"),
        node("Conv", ["stem", "right"], ["r"], name="right"),
        node("Conv", ["image", "box"], ["b"], name="box"),
        node("Concat", ["b", "l", "r"], ["y"], name="join", axis=1),
        node("Relu", ["b"], ["z"], name="beside"),
    ]
    weights = {
        "w": conv_weights(6, 3, 1, 1),
        "left": conv_weights(2, 6, 1, 1),
        "right": conv_weights(2, 6, 1, 1, seed=1),
        "box": conv_weights(4, 3, 1, 1),
    }
    network = network_of(nodes, inputs={"image": (1, 3, 5, 5)}, outputs=["y", "z"], weights=weights)
    return with_categories(network, NAMES, source="test", slots="y:1:4+4c")


def test_a_branch_stays_for_its_own_categories() -> None:
    told = why(branches(), ["bee", "dog"], "left")
    assert told.needed_by == ("bee",) and told.output == "y"
    assert told.path == (
        Step(
            node="left",
            op_type="Conv",
            tensor="l",
            needed=((1, 1), (1, 2), (5, 5), (5, 5)),
            stopped=None,
        ),
        Step(
            node="join",
            op_type="Concat",
            tensor="y",
            needed=((1, 1), (6, 8), (5, 5), (5, 5)),
            stopped=None,
        ),
    )


def test_what_many_share_says_so() -> None:
    assert why(branches(), ["bee", "dog"], "stem").needed_by == ("bee", "dog")
    box = why(branches(), ["bee"], "b")
    assert box.needed_by == ("the shared slots of 'y'", "'z', which holds no categories")
    assert [step.node for step in box.path] in (["box", "join"], ["box", "beside"])


def test_a_branch_of_dropped_categories_goes() -> None:
    told = why(branches(), ["ant"], "right")
    assert (told.path, told.output, told.needed_by) == ((), None, ())


def test_the_way_tells_where_the_cut_stops() -> None:
    nodes = [
        node("Gemm", ["x", "w"], ["z"], name="head", transB=1),
        node("Softmax", ["z"], ["y"], name="soft", axis=1),
    ]
    network = network_of(
        nodes, inputs={"x": (1, 7)}, outputs=["y"], weights={"w": conv_weights(4, 7)}
    )
    network = with_categories(network, NAMES, source="test")
    head, soft = why(network, ["ant"], "head").path
    assert head.stopped is None and soft.stopped is not None and "Softmax" in soft.stopped
    assert head.needed == ((1, 1), (4, 4))
    head, soft = why(network, ["ant"], "head", scores="renormalised").path
    assert head.needed == ((1, 1), (1, 4)) and soft.stopped is None


def test_a_node_without_a_rule_is_told_as_what_stops() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="conv"),
        node("LRN", ["a"], ["y"], name="lrn", size=3),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1)}
    network = network_of(nodes, inputs={"x": (1, 3, 7, 7)}, outputs=["y"], weights=weights)
    (_, lrn) = why(with_categories(network, NAMES, source="test"), ["ant"], "conv").path
    assert lrn.stopped == "edgecut has no rule for this operation"


def test_what_a_subgraph_reads_stays_for_it() -> None:
    out = helper.make_tensor_value_info("inner", 1, (1, 4))
    branch = helper.make_graph([node("Relu", ["g"], ["inner"])], "branch", [], [out])
    nodes = [
        node("Gemm", ["x", "w"], ["g"], name="gemm", transB=1),
        node("ReduceMax", ["x"], ["top"], keepdims=0),
        node("Cast", ["top"], ["is"], to=9),
        node("If", ["is"], ["y"], name="if", then_branch=branch, else_branch=branch),
    ]
    weights = {"w": conv_weights(4, 7)}
    network = network_of(nodes, inputs={"x": (1, 7)}, outputs=["y"], weights=weights)
    told = why(with_categories(network, NAMES, source="test"), ["ant"], "gemm")
    assert [step.node for step in told.path] == ["gemm", "if"]


def test_a_name_that_is_none_gets_suggestions() -> None:
    with pytest.raises(EdgecutError) as error:
        why(branches(), ["ant"], "lefft")
    assert error.value.code == "unknown-node" and "'left'" in str(error.value.hint)


def test_everything_that_stays_has_a_way_and_somebody_who_needs_it() -> None:
    network = branches()
    for one in network.model.graph:
        told = why(network, ["ant", "cat"], str(one.name))
        assert told.path and told.needed_by, one.name
        assert np.prod([some for some, _ in told.path[0].needed]) > 0
