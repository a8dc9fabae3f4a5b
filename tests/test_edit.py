"""Small edits of a graph."""

from __future__ import annotations

import numpy as np
from onnx import helper

from edgecut import edit
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node


def example():  # type: ignore[no-untyped-def]
    nodes = [node("Conv", ["x", "w"], ["a"], name="a"), node("Relu", ["a"], ["y"], name="y")]
    weights = {"w": conv_weights(3, 3, 1, 1)}
    return network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y"], weights=weights)


def test_a_constant_gets_a_name_that_nothing_else_has() -> None:
    graph = example().editable().graph
    names = [edit.constant(graph, name, np.ones(2)).name for name in ("w", "w", "a", "x", "new")]
    assert names == ["w.1", "w.2", "a.1", "x.1", "new"]


def test_an_inserted_node_gets_names_that_nothing_else_has() -> None:
    network = example()
    model = network.editable()
    relu = next(n for n in model.graph if n.op_type == "Relu")
    a = relu.inputs[0]
    assert a is not None
    for _ in range(2):
        value = relu.inputs[0]
        relu.replace_input_with(0, edit.insert(model.graph, relu, "Neg", [value], like=a, name="a"))
    assert [n.op_type for n in model.graph] == ["Conv", "Neg", "Neg", "Relu"]
    assert len({n.name for n in model.graph}) == 4
    feeds = random_inputs(network)
    twice = run(network.evolve(model, "test"), feeds)
    np.testing.assert_array_equal(twice["y"], run(network, feeds)["y"])


def test_a_replaced_node_keeps_its_outputs_name() -> None:
    network = example()
    model = network.editable()
    relu = next(n for n in model.graph if n.op_type == "Relu")
    edit.replace(model.graph, relu, "LeakyRelu", list(relu.inputs), {"alpha": 0.5})
    changed = network.evolve(model, "test")
    assert [n.op_type for n in model.graph] == ["Conv", "LeakyRelu"]
    assert changed.outputs == network.outputs
    feeds = random_inputs(network)
    assert (run(changed, feeds)["y"] < 0).any()


def test_sweeping_takes_what_nothing_reads() -> None:
    network = example()
    model = network.editable()
    edit.constant(model.graph, "idle", np.ones(3))
    relu = next(n for n in model.graph if n.op_type == "Relu")
    relu.replace_input_with(0, model.graph.inputs[0])
    edit.swept(model)
    assert [n.op_type for n in model.graph] == ["Relu"] and not model.graph.initializers
