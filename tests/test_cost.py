"""The counting rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecut import edit
from edgecut.cost import cost, macs_of
from edgecut.network import Network
from edgecut.source import load
from tests.graphs import conv_weights, network_of

node = helper.make_node


def example() -> Network:
    nodes = [
        node("Conv", ["x", "w", "bias"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("GlobalAveragePool", ["b"], ["c"]),
        node("Flatten", ["c"], ["d"]),
        node("Gemm", ["d", "v"], ["y"], name="gemm", transB=1),
    ]
    weights = {
        "w": conv_weights(4, 3, 3, 3),
        "bias": conv_weights(4),
        "v": conv_weights(5, 4).astype(np.float32),
    }
    return network_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=["y"], weights=weights)


def test_parameters_macs_and_bytes() -> None:
    found = cost(example())
    assert found.parameters == 4 * 27 + 4 + 20
    assert found.macs == 4 * 64 * 27 + 20 and found.gmacs == found.macs / 1e9
    assert found.weight_bytes == 4 * found.parameters and found.uncounted == ()


def test_integers_are_no_parameters() -> None:
    nodes = [node("Reshape", ["x", "shape"], ["a"]), node("Mul", ["a", "half"], ["y"])]
    weights = {"shape": np.array([3, 2]), "half": np.array([0.5], np.float16).astype(np.float32)}
    network = network_of(nodes, inputs={"x": (1, 6)}, outputs=["y"], weights=weights)
    assert cost(network).parameters == 1


def test_weights_that_no_node_reads_do_not_count() -> None:
    network = example()
    model = network.editable()
    edit.constant(model.graph, "idle", np.ones(9, np.float32))
    assert cost(network.evolve(model, "test")) == cost(network)


def test_shared_weights_count_once() -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["y"])]
    weights = {"w": conv_weights(4, 4)}
    network = network_of(nodes, inputs={"x": (1, 4)}, outputs=["y"], weights=weights)
    assert (cost(network).parameters, cost(network).macs) == (16, 32)


def test_which_nodes_multiply() -> None:
    found = {n.name: macs_of(n) for n in example().model.graph}
    assert {name: macs for name, macs in found.items() if macs} == {
        "conv": 4 * 64 * 27,
        "gemm": 20,
    }


def test_what_cannot_be_counted_is_named() -> None:
    nodes = [
        node("NonZero", ["x"], ["where"]),
        node("Cast", ["where"], ["rows"], to=TensorProto.FLOAT),
        node("MatMul", ["w", "rows"], ["a"], name="product"),
        node("ReduceSum", ["a"], ["y"], keepdims=0),
    ]
    weights = {"w": conv_weights(5, 2)}
    network = network_of(nodes, inputs={"x": (1, 4)}, outputs=["y"], weights=weights)
    assert cost(network).uncounted == ("product",)


def uncounted(*nodes: onnx.NodeProto) -> tuple[str, ...]:
    weights = {
        "w": conv_weights(4, 4),
        "table": np.ones((2, 4), np.float32),
        "scale": np.ones(4, np.float32),
        "at": np.array([1]),
        "yes": np.array(True),
    }
    inputs = {"x": (2, 4)}
    return cost(network_of(nodes, inputs=inputs, outputs=["y"], weights=weights)).uncounted


def test_products_without_a_rule_are_named() -> None:
    three = node("Einsum", ["x", "w", "w"], ["y"], name="e", equation="ij,jk,kl->il")
    assert uncounted(three) == ("e",)


def test_readers_of_matrices_without_a_rule_are_named() -> None:
    some = [
        node("ReduceMax", ["x", "at"], ["top"], keepdims=0),
        node("Cast", ["top"], ["is"], to=TensorProto.BOOL),
    ]
    assert uncounted(*some, node("Compress", ["table", "is"], ["y"], name="read", axis=0)) == (
        "read",
    )
    assert uncounted(*some, node("Compress", ["scale", "is"], ["y"], name="vector")) == ()


def test_holders_of_subgraphs_are_named() -> None:
    out = helper.make_tensor_value_info("inner", TensorProto.FLOAT, (2, 4))
    branch = helper.make_graph([node("MatMul", ["x", "w"], ["inner"])], "branch", [], [out])
    nodes = [
        node("ReduceMax", ["x"], ["top"], keepdims=0),
        node("Cast", ["top"], ["is"], to=TensorProto.BOOL),
        node("If", ["is"], ["y"], name="if", then_branch=branch, else_branch=branch),
    ]
    assert uncounted(*nodes) == ("if",)


@pytest.mark.parametrize("by_shape", [False, True])
def test_the_cost_does_not_depend_on_how_the_file_was_exported(by_shape: bool) -> None:
    """Shape arithmetic makes the loader fold; batch norms are for tidy to fold, either way."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("BatchNormalization", ["a", "p", "q", "r", "s"], ["b"]),
        node("Shape", ["b"], ["to"]) if by_shape else node("Relu", ["b"], ["c"]),
        node("Reshape", ["b" if by_shape else "c", "to"], ["y"]),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1)} | {n: np.ones(4, np.float32) for n in "pqrs"}
    if not by_shape:
        weights["to"] = np.array([1, 4, 2, 2])
    network = network_of(nodes, inputs={"x": (1, 3, 2, 2)}, outputs=["y"], weights=weights)
    assert cost(network).parameters == 12 + 16


@pytest.mark.shared
def test_yolox_nano(shared: Path) -> None:
    """Its authors say 0.91 M parameters and 1.08 GFLOPs, which is half as many MACs, at 416."""
    path = next((shared / "models/yolox-nano").glob("*.onnx"))
    found = cost(load(str(path), labels="coco80"))
    assert found.parameters == pytest.approx(904_481, abs=20)
    assert found.gmacs == pytest.approx(0.54, rel=0.05)
