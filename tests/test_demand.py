"""The backward analysis, on graphs small enough to know the answer."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from edgecut.demand import demand, key
from edgecut.ops.region import Region
from edgecut.passes.narrow import narrow
from tests.graphs import conv_weights, network_of, random_inputs, run

IMAGE = {"x": (1, 3, 4, 4)}


def only(*places: int, axis: int = 1) -> Region:
    return Region().with_axis(axis, places)


def two_branches():  # type: ignore[no-untyped-def]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="stem"),
        helper.make_node("Conv", ["a", "u"], ["b"], name="left"),
        helper.make_node("Conv", ["a", "v"], ["c"], name="right"),
        helper.make_node("Concat", ["b", "c"], ["y"], name="join", axis=1),
    ]
    weights = {
        "w": conv_weights(4, 3, 1, 1),
        "u": conv_weights(2, 4, 1, 1),
        "v": conv_weights(5, 4, 1, 1),
    }
    return network_of(nodes, inputs=IMAGE, outputs=["y"], weights=weights)


def test_a_region_flows_back_to_the_rows_of_the_weights() -> None:
    need = demand(two_branches(), {"y": only(1, 3, 6)})
    assert need.regions["b"].axis(1) == (1,)
    assert need.regions["c"].axis(1) == (1, 4)
    assert need.regions["u"].axis(0) == (1,)
    assert need.regions["v"].axis(0) == (1, 4)
    assert need.regions["a"].is_whole
    assert need.refusals == ()


def test_a_branch_that_nothing_needs_is_absent() -> None:
    need = demand(two_branches(), {"y": only(0, 1)})
    assert not {"c", "v"} & set(need.regions)
    assert "c" not in need.flows


def test_an_output_that_is_not_named_is_needed_whole() -> None:
    need = demand(two_branches(), {})
    assert all(region.is_whole for region in need.regions.values())


def test_readers_wishes_are_united() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
        helper.make_node("Tanh", ["a"], ["z"]),
    ]
    network = network_of(nodes, inputs={"x": (1, 6)}, outputs=["y", "z"])
    need = demand(network, {"y": only(0, 4), "z": only(2, 4)})
    assert need.regions["a"].axis(1) == (0, 2, 4)


def test_an_unknown_operation_needs_everything_and_says_so() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("LRN", ["a"], ["b"], name="norm", size=3),
        helper.make_node("Tanh", ["b"], ["y"]),
    ]
    network = network_of(nodes, inputs=IMAGE, outputs=["y"])
    need = demand(network, {"y": only(1)})
    assert need.regions["a"].is_whole
    (refusal,) = need.refusals
    assert (refusal.node, refusal.op_type) == ("norm", "LRN")
    assert "no rule" in refusal.reason
    graph = network.model.graph
    assert [need.stopped(node) for node in graph] == [None, refusal.reason, None]


def test_softmax_over_the_kept_axis_is_refused_with_its_reason() -> None:
    nodes = [helper.make_node("Softmax", ["x"], ["y"], name="scores", axis=1)]
    need = demand(network_of(nodes, inputs=IMAGE, outputs=["y"]), {"y": only(1)})
    (refusal,) = need.refusals
    assert refusal.node == "scores" and "every slot" in refusal.reason


def test_softmax_over_another_axis_is_no_obstacle() -> None:
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=2)]
    need = demand(network_of(nodes, inputs=IMAGE, outputs=["y"]), {"y": only(1)})
    assert need.refusals == () and need.regions["x"].axis(1) == (1,)


def test_a_form_that_a_rule_does_not_know_is_refused() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="dot")]
    weights = {"w": np.ones(4, np.float32)}
    network = network_of(nodes, inputs=IMAGE, outputs=["y"], weights=weights)
    (refusal,) = demand(network, {"y": only(1)}).refusals
    assert refusal.node == "dot" and "vector" in refusal.reason


def with_if(inner_reads: str):  # type: ignore[no-untyped-def]
    """Two branches, of which an If holds one value that its inputs do not show."""

    def branch(name: str, op_type: str):  # type: ignore[no-untyped-def]
        node = helper.make_node(op_type, [inner_reads], [f"{name}_out"])
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, (1, 3, 4, 4))
        return helper.make_graph([node], name, [], [out])

    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="relu"),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node(
            *("If", ["positive"], ["b"]),
            name="choice",
            then_branch=branch("yes", "Neg"),
            else_branch=branch("no", "Tanh"),
        ),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    weights = {"zero": np.array(0, np.float32)}
    return nodes, weights


def test_values_that_a_subgraph_reads_are_needed_whole() -> None:
    nodes, weights = with_if("a")
    network = network_of(nodes, inputs=IMAGE, outputs=["y"], weights=weights)
    need = demand(network, {"y": only(2)})
    assert need.regions["a"].is_whole
    assert [refusal.node for refusal in need.refusals] == ["choice"]


def test_a_captured_value_that_is_an_output_too_is_narrowed_rightly() -> None:
    nodes, weights = with_if("a")
    network = network_of(nodes, inputs=IMAGE, outputs=["y", "a"], weights=weights)
    wanted = {"y": only(2), "a": only(0, 1)}
    feeds = random_inputs(network)
    full, got = (
        run(network, feeds),
        run(narrow(network, demand(network, wanted), wanted), feeds),
    )
    np.testing.assert_array_equal(got["y"], full["y"][:, [2]])
    np.testing.assert_array_equal(got["a"], full["a"][:, [0, 1]])


def test_a_network_with_subgraphs_is_left_alone() -> None:
    nodes, weights = with_if("a")
    network = network_of(nodes, inputs=IMAGE, outputs=["y"], weights=weights)
    before = network.to_bytes()
    for place in (2, 1):
        narrow(network, demand(network, {"y": only(place)}), {"y": only(place)})
        assert network.to_bytes() == before
        assert demand(network, {"y": only(place)}).regions["a"].is_whole


def test_a_captured_weight_is_carried_over() -> None:
    nodes, weights = with_if("held")
    weights["held"] = conv_weights(1, 3, 4, 4)
    network = network_of(nodes, inputs=IMAGE, outputs=["y"], weights=weights)
    wanted = {"y": only(1)}
    feeds = random_inputs(network)
    got = run(narrow(network, demand(network, wanted), wanted), feeds)
    np.testing.assert_array_equal(got["y"], run(network, feeds)["y"][:, [1]])


def test_nodes_whose_first_output_is_unused_do_not_stand_for_each_other() -> None:
    """An LSTM whose sequence nobody reads has no name for its first output."""

    def recurrent(name: str) -> helper.NodeProto:  # type: ignore[name-defined]
        inputs = ["x", f"{name}_w", f"{name}_r"]
        return helper.make_node("LSTM", inputs, ["", name], name=name, hidden_size=2)

    weights = {
        f"{name}_{kind}": conv_weights(1, 8, size, seed=size)
        for name in "ab"
        for kind, size in (("w", 3), ("r", 2))
    }
    nodes = [
        recurrent("a"),
        recurrent("b"),
        helper.make_node("Concat", ["a", "b"], ["y"], axis=2),
    ]
    network = network_of(nodes, inputs={"x": (4, 1, 3)}, outputs=["y"], weights=weights)
    wanted = {"y": only(0, 1, axis=2)}
    need = demand(network, wanted)
    small = narrow(network, need, wanted)
    assert [node.op_type for node in small.model.graph] == ["LSTM", "Concat"]
    feeds = random_inputs(network)
    np.testing.assert_array_equal(run(small, feeds)["y"], run(network, feeds)["y"][:, :, :2])


def test_every_live_node_has_a_flow() -> None:
    network = two_branches()
    need = demand(network, {})
    assert {key(node) for node in network.model.graph} == set(need.flows)
