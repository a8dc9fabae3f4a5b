"""Transposes move down until opposite ones meet; the numbers stay."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import helper

from edgecut.loaders.transposes import without_transposes
from edgecut.network import Network
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node
LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
# Each takes 'a' (1, 6, 5, 4), channels last, and gives 'b' of four axes.
BETWEEN: dict[str, list[onnx.NodeProto]] = {
    "elementwise": [node("Mul", ["a", "row"], ["m"]), node("Sigmoid", ["m"], ["b"])],
    "a constant first": [node("Sub", ["row", "a"], ["b"])],
    "one number": [node("Div", ["a", "one"], ["b"])],
    "two branches": [node("Relu", ["a"], ["r"]), node("Add", ["a", "r"], ["b"])],
    "a wide constant": [node("Add", ["a", "wide"], ["b"])],
    "concat": [node("Tanh", ["a"], ["t"]), node("Concat", ["a", "t"], ["b"], axis=-1)],
    "concat of a constant": [node("Concat", ["a", "wide"], ["b"], axis=3)],
    "softmax": [node("Softmax", ["a"], ["b"])],
    "split": [
        node("Split", ["a"], ["s", "t"], axis=3, num_outputs=2),
        node("Mul", ["s", "t"], ["b"]),
    ],
    "pad": [node("Pad", ["a", "pads"], ["b"])],
    "slice": [node("Slice", ["a", "start", "end", "axes", "step"], ["b"])],
    "mean of places": [
        node("ReduceMean", ["a", "places"], ["m"]),
        node("Mul", ["a", "m"], ["b"]),
    ],
    "mean of channels": [node("ReduceMean", ["a", "last"], ["b"])],
}
WEIGHTS = {
    "row": conv_weights(4, seed=1),
    "one": np.array(2, np.float32),
    "wide": conv_weights(1, 6, 5, 4, seed=2),
    "pads": np.array([0, 1, 0, 0, 0, 2, 0, 1]),
    "start": np.array([1, 0]),
    "end": np.array([5, 4]),
    "axes": np.array([1, -1]),
    "step": np.array([2, 1]),
    "places": np.array([1, 2]),
    "last": np.array([-1]),
}


def network(between: list[onnx.NodeProto], after: list[onnx.NodeProto] | None = None) -> Network:
    end = [node("Transpose", ["b"], ["y"], perm=FIRST)]
    used = {name for one in (*between, *(after or end)) for name in one.input}
    return network_of(
        [node("Transpose", ["x"], ["a"], perm=LAST), *between, *(after or end)],
        inputs={"x": (1, 4, 6, 5)},
        outputs=["y"],
        weights={name: array for name, array in WEIGHTS.items() if name in used},
    )


def kinds(network: Network) -> Counter[str]:
    return Counter(node.op_type for node in network.model.graph)


def same_numbers(one: Network, other: Network) -> None:
    feeds = random_inputs(one)
    expected, got = run(one, feeds), run(other, feeds)
    assert list(expected) == list(got)
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-6, atol=1e-6)
    assert [(s.name, s.shape) for s in one.outputs] == [(s.name, s.shape) for s in other.outputs]


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_what_stands_between_two_lets_them_meet(between: list[onnx.NodeProto]) -> None:
    before = network(between)
    after = without_transposes(before)
    assert kinds(before)["Transpose"] == 2
    assert kinds(after)["Transpose"] == 0
    same_numbers(before, after)


def test_a_mean_without_its_axes_leaves_nothing_to_transpose() -> None:
    mean = [node("ReduceMean", ["a", "places"], ["y"], keepdims=0)]
    before = network([], mean)
    after = without_transposes(before)
    assert kinds(after)["Transpose"] == 0
    same_numbers(before, after)


def test_an_output_keeps_its_order_and_its_name() -> None:
    before = network(
        [node("Transpose", ["a"], ["c"], perm=FIRST)],
        [
            node("Relu", ["c"], ["r"]),
            node("Transpose", ["r"], ["y"], perm=LAST),
        ],
    )
    after = without_transposes(before)
    assert kinds(after)["Transpose"] == 1
    same_numbers(before, after)


def test_what_looks_at_the_order_stops_them() -> None:
    """Where none can go, nothing changes: two branches would only have one each."""
    flat = [node("Relu", ["a"], ["r"]), node("Flatten", ["r"], ["y"])]
    before = network([], flat)
    assert without_transposes(before) is before


def test_axes_of_length_one_are_reshaped() -> None:
    nodes = [
        node("Transpose", ["x"], ["a"], perm=LAST),
        node("ReduceMean", ["a", "places"], ["m"], keepdims=0),
        node("Reshape", ["m", "to"], ["r"]),
        node("Transpose", ["r"], ["s"], perm=FIRST),
        node("Mul", ["x", "s"], ["y"]),
    ]
    weights = {"places": WEIGHTS["places"], "to": np.array([1, 1, 1, 4])}
    before = network_of(nodes, inputs={"x": (1, 4, 6, 5)}, outputs=["y"], weights=weights)
    after = without_transposes(before)
    assert kinds(after) == {"ReduceMean": 1, "Reshape": 2, "Mul": 1}
    same_numbers(before, after)
