"""An input bound to a number: what is folded, and what must stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgecut.network import Network
from edgecut.passes.bind_input import bind_input
from tests.graphs import network_of, random_inputs, run

node = helper.make_node
X = {"x": (1, 3, 4, 4)}


def bound(number: float, nodes: list[Any], *, shape: tuple[int, ...] = (1, 2), **graph: Any) -> Any:
    """The network with its input ``g`` bound, which gives what it gave under that number."""
    network = network_of(
        nodes, inputs={**X, "g": shape}, outputs=graph.pop("outputs", ["y"]), **graph
    )
    before = network.to_bytes()
    small = bind_input(network, "g", number)
    assert network.to_bytes() == before
    assert [spec.name for spec in small.inputs] == ["x"]
    feeds = random_inputs(small)
    full = run(network, {**feeds, "g": np.full(shape, number, np.float32)})
    got = run(small, feeds)
    for name, value in full.items():
        np.testing.assert_array_equal(got[name], value)
    return small


def operations(network: Network) -> list[str]:
    return [n.op_type for n in network.model.graph]


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_multiplication_by_one_goes_with_all_that_leads_to_it() -> None:
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Split", ["g"], ["a", "b"], axis=1, num_outputs=2),
        node("Unsqueeze", ["b", "axes"], ["u"]),
        node("Mul", ["u", "r"], ["m"]),
        node("Tanh", ["m"], ["y"]),
    ]
    small = bound(1.0, nodes, weights={"axes": ints(2, 3)})
    assert operations(small) == ["Relu", "Tanh"]
    assert not small.model.graph.initializers


def test_another_number_stays_as_a_factor() -> None:
    nodes = [node("Reshape", ["g", "to"], ["f"]), node("Mul", ["x", "f"], ["y"])]
    small = bound(2.0, nodes, shape=(1, 1), weights={"to": ints(1, 1, 1, 1)})
    assert operations(small) == ["Mul"]


def test_ones_that_spread_the_other_factor_stay() -> None:
    nodes = [
        node("ReduceMean", ["x"], ["m"], keepdims=1),
        node("Reshape", ["g", "to"], ["f"]),
        node("Mul", ["m", "f"], ["y"]),
    ]
    assert "Mul" in operations(bound(1.0, nodes, weights={"to": ints(1, 2, 1, 1)}))


def test_the_name_of_an_output_stays() -> None:
    nodes = [node("Reshape", ["g", "to"], ["f"]), node("Mul", ["x", "f"], ["y"])]
    small = bound(1.0, nodes, shape=(1, 1), weights={"to": ints(1, 1, 1, 1)})
    assert operations(small) == ["Identity"]


@pytest.mark.parametrize("number", [1.0, 0.5])
def test_what_computes_reads_a_constant(number: float) -> None:
    nodes = [
        node("Sigmoid", ["g"], ["s"]),
        node("Reshape", ["s", "to"], ["f"]),
        node("Mul", ["x", "f"], ["m"]),
        node("Add", ["m", "g2"], ["y"]),
        node("Identity", ["g"], ["z"]),
    ]
    weights = {"to": ints(1, 1, 1, 1), "g2": np.ones((1, 1, 1, 1), np.float32)}
    small = bound(number, nodes, shape=(1, 1), weights=weights, outputs=["y", "z"])
    assert operations(small) == ["Sigmoid", "Reshape", "Mul", "Add", "Identity"]


def test_a_join_with_other_values_is_no_move() -> None:
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("Concat", ["f", "g"], ["c"], axis=1),
        node("Mul", ["c", "c"], ["y"]),
    ]
    assert operations(bound(1.0, nodes)) == ["Flatten", "Concat", "Mul"]
