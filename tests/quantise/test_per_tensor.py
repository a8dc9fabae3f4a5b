"""What is prepared for per-tensor int8, and that in float nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

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
