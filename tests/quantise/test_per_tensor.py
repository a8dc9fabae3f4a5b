"""What is prepared for per-tensor int8, and that in float nothing changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import GraphProto, NodeProto, TensorProto, helper

from edgecut.discovery import with_categories
from edgecut.network import Network
from edgecut.quantise.per_tensor import SATURATION, Prepared, float_tail, prepare
from edgecut.quantise.ranges import channel_ranges
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node
SPREAD = np.array([0.02, 40.0, 1.0, 5.0], np.float32)


def detector() -> Network:
    """conv, SiLU, depthwise, and a head that joins boxes (raw) and scores (sigmoid)."""
    nodes = [
        node("Conv", ["x", "w"], ["z"], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["z"], ["g"]),
        node("Mul", ["z", "g"], ["h"]),
        node("Conv", ["h", "d"], ["e"], group=4),
        node("Conv", ["e", "box"], ["boxes"]),
        node("Conv", ["e", "cls"], ["logits"]),
        node("Sigmoid", ["logits"], ["scores"]),
        node("Concat", ["boxes", "scores"], ["y"], axis=1),
    ]
    weights = {
        "w": conv_weights(4, 3, 3, 3) * SPREAD.reshape(-1, 1, 1, 1),
        "d": conv_weights(4, 1, 3, 3),
        "box": conv_weights(4, 4, 1, 1),
        "cls": conv_weights(3, 4, 1, 1),
    }
    network = network_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=["y"], weights=weights)
    return with_categories(network, ["ant", "bee", "cat"], source="test")


def samples(network: Network) -> list[np.ndarray]:
    return [random_inputs(network, seed)["x"] for seed in range(3)]


def test_the_results_stay_in_float() -> None:
    network = detector()
    prepared = prepare(network, samples(network))
    assert prepared.network is not network
    feeds = random_inputs(network, 9)
    full, got = run(network, feeds)["y"], run(prepared.network, feeds)["y"]
    assert np.abs(got - full).max() < 1e-5 * np.abs(full).max()


def test_the_tail_of_a_mixed_output_is_float_from_its_last_products_on() -> None:
    assert set(float_tail(detector())) == {"y", "boxes", "scores", "logits"}


def test_an_output_of_categories_alone_has_no_tail() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Sigmoid", ["a"], ["y"])]
    weights = {"w": conv_weights(3, 3, 1, 1)}
    network = network_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=["y"], weights=weights)
    assert float_tail(network) == ()
    names = ["ant", "bee", "cat"]
    assert float_tail(with_categories(network, names, source="test", slots="y:1:3")) == ()


def test_gates_are_bounded_where_they_saturate() -> None:
    prepared = prepare(detector(), samples(detector()))
    low, high = prepared.bounds["z"]
    scale = prepared.network.model.graph.initializers["z/scale"].const_value
    assert scale is not None
    images = samples(detector())
    lows = channel_ranges(prepared.network, ["z"], images)["z"].low
    expected = min(np.maximum(lows, -SATURATION / scale.numpy()[0, :, 0, 0]))
    assert high == float("inf") and low == pytest.approx(expected)
    restored = [name for name in prepared.bounds if name != "z"]
    assert len(restored) == 1 and prepared.bounds[restored[0]] == (-SATURATION, SATURATION)


def gated(*steps: NodeProto, outputs: Sequence[str] = ("y",), **factors: object) -> Network:
    """conv -> z, then the given steps to y."""
    weights = {name: np.array(factor, np.float32) for name, factor in factors.items()}
    weights["w"] = conv_weights(4, 3, 1, 1) * 20
    nodes = [node("Conv", ["x", "w"], ["z"]), *steps]
    return network_of(nodes, inputs={"x": (1, 3, 6, 6)}, outputs=outputs, weights=weights)


SILU = [node("Sigmoid", ["z"], ["g"]), node("Mul", ["z", "g"], ["y"])]


def branch(name: str) -> GraphProto:
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, (1, 4, 6, 6))
    return helper.make_graph([node("Neg", ["z"], [f"{name}_out"])], name, [], [out])


READERS = {
    "an operation": [*SILU, node("Add", ["y", "z"], ["also"])],
    "an output": [*SILU, node("Identity", ["x"], ["also"])],
    "a subgraph": [
        *SILU,
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["flag"], to=TensorProto.BOOL),
        node("If", ["flag"], ["also"], then_branch=branch("yes"), else_branch=branch("no")),
    ],
}


@pytest.mark.parametrize("reader", READERS)
def test_what_others_read_below_saturation_is_not_clipped(reader: str) -> None:
    alone = gated(*SILU)
    assert prepare(alone, samples(alone)).bounds == {"z": (-SATURATION, float("inf"))}
    more = ["z"] if reader == "an output" else []
    shared = gated(*READERS[reader], outputs=["y", "also", *more])
    assert prepare(shared, samples(shared)).bounds == {}


@pytest.mark.parametrize(
    "factor", [1.702, [1.702], [[[1.702]]], np.full((1, 4, 1, 1), 1.702), np.full((4, 6, 6), 1.702)]
)
def test_a_factor_on_the_way_to_the_sigmoid(factor: object) -> None:
    """x * sigmoid(1.702 x), the quick form of GELU, however its factor is written."""
    steps = [
        node("Mul", ["z", "k"], ["m"]),
        node("Sigmoid", ["m"], ["g"]),
        node("Mul", ["z", "g"], ["y"]),
    ]
    network = gated(*steps, k=factor)
    bounds = prepare(network, samples(network)).bounds
    assert bounds["m"] == (-SATURATION, SATURATION)
    assert bounds["z"][0] == pytest.approx(-SATURATION / 1.702)


def test_factors_multiply() -> None:
    steps = [
        node("Mul", ["z", "k"], ["m"]),
        node("Mul", ["half", "m"], ["n"]),
        node("Sigmoid", ["n"], ["g"]),
        node("Mul", ["g", "z"], ["y"]),
    ]
    network = gated(*steps, k=np.array([4, 2, 4, 4]).reshape(4, 1, 1), half=0.5)
    bounds = prepare(network, samples(network)).bounds
    assert bounds["n"] == (-SATURATION, SATURATION)
    assert bounds["m"] == (-2 * SATURATION, 2 * SATURATION)
    # The second channel, whose factors come to 1, is the last to saturate.
    assert bounds["z"][0] == pytest.approx(-SATURATION)


def test_a_factor_that_turns_round_leaves_the_lower_side_alone() -> None:
    steps = [
        node("Mul", ["z", "k"], ["m"]),
        node("Sigmoid", ["m"], ["g"]),
        node("Mul", ["z", "g"], ["y"]),
    ]
    network = gated(*steps, k=-1.0)
    bounds = prepare(network, samples(network)).bounds
    found = channel_ranges(network, ["z"], samples(network))["z"]
    assert bounds["z"][0] == pytest.approx(found.low.min()) and found.low.min() < -SATURATION


def test_a_factor_of_the_model_beside_one_of_the_equaliser() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["z"]),
        node("Mul", ["z", "k"], ["m"]),
        node("Sigmoid", ["m"], ["g"]),
        node("Mul", ["z", "g"], ["h"]),
        node("Conv", ["h", "d"], ["y"], group=4),
    ]
    weights = {
        "w": conv_weights(4, 3, 1, 1) * SPREAD.reshape(-1, 1, 1, 1),
        "d": conv_weights(4, 1, 3, 3),
        "k": np.array(1.702, np.float32),
    }
    network = network_of(nodes, inputs={"x": (1, 3, 6, 6)}, outputs=["y"], weights=weights)
    prepared = prepare(network, samples(network))
    assert set(prepared.bounds) == {"z", "z/restored", "m"}
    high = SATURATION / np.float32(1.702)
    assert prepared.bounds["z/restored"] == pytest.approx((-high, high))


def test_values_beyond_the_bound_do_not_reach_the_output() -> None:
    """y = z * sigmoid(z) at and below -8 is less than 0.003 in size."""
    z = np.linspace(-60, -SATURATION, 100)
    assert np.abs(z / (1 + np.exp(-z))).max() < 0.003


@pytest.mark.parametrize(
    ("span", "bound", "expected"),
    [
        ((-60.0, 15.0), (-8.0, float("inf")), (-8.0, 15.0)),
        ((-2.0, 15.0), (-8.0, 8.0), (-2.0, 8.0)),
        ((-60.0, -20.0), (-8.0, 8.0), (-60.0, -20.0)),
        ((-1.0, 1.0), None, (-1.0, 1.0)),
    ],
)
def test_measured_ranges_are_clipped(
    span: tuple[float, float], bound: tuple[float, float] | None, expected: tuple[float, float]
) -> None:
    bounds = {} if bound is None else {"z": bound}
    prepared = Prepared(network=detector(), bounds=bounds, float_tail=())
    assert prepared.clipped({"z": span}) == {"z": expected}


def test_a_network_without_gates_and_depthwise_convolutions_is_left_alone() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])]
    weights = {"w": conv_weights(4, 3, 1, 1)}
    network = network_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=["y"], weights=weights)
    prepared = prepare(network, samples(network))
    assert prepared.network is network and not prepared.bounds and prepared.float_tail == ()
