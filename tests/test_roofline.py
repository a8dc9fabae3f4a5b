"""Bytes moved, and the roof over what a network can reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgecut.artifact import Port
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.roofline import Point, point, traffic
from tests.graphs import conv_weights, network_of

node = helper.make_node

# x (3 * 64) -> conv a (4 * 64) -> relu b -> sigmoid c; b * c = d -> flatten -> gemm y (5)
IMAGE, MAPS, RESULT = 3 * 64, 4 * 64, 5
CONV, BIAS, GEMM = 4 * 27, 4, 5 * 256


def example() -> Network:
    nodes = [
        node("Conv", ["x", "w", "bias"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("Sigmoid", ["b"], ["c"]),
        node("Mul", ["b", "c"], ["d"]),
        node("Flatten", ["d"], ["e"]),
        node("Gemm", ["e", "v"], ["y"], transB=1),
    ]
    weights = {
        "w": conv_weights(4, 3, 3, 3),
        "bias": conv_weights(4),
        "v": conv_weights(5, 256),
    }
    return network_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=["y"], weights=weights)


# conv: x and a; sigmoid: b and c; mul: b, c and d; gemm: e and y. Relu and Flatten move nothing.
ACTIVATIONS = (IMAGE + MAPS) + 2 * MAPS + 3 * MAPS + (MAPS + RESULT)


def test_every_weight_once_and_every_activation_as_often_as_it_is_touched() -> None:
    found = traffic(example(), "float32")
    assert found.weight_bytes == 4 * (CONV + BIAS + GEMM)
    assert found.activation_bytes == 4 * ACTIVATIONS
    assert found.boundary_bytes == 4 * (IMAGE + RESULT)
    assert found.bytes_moved == found.weight_bytes + found.activation_bytes
    assert found.least_bytes == found.weight_bytes + found.boundary_bytes
    assert found.uncounted == ()


def test_int8_takes_a_byte_but_for_biases() -> None:
    found = traffic(example(), "int8")
    assert found.weight_bytes == CONV + 4 * BIAS + GEMM
    assert (found.activation_bytes, found.boundary_bytes) == (ACTIVATIONS, IMAGE + RESULT)


def test_float16_moves_what_float32_moves() -> None:
    assert traffic(example(), "float16") == traffic(example(), "float32")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(EdgecutError) as caught:
        traffic(example(), "int4")
    assert caught.value.code == "unknown-scheme"


def test_a_relu_beside_another_reader_moves_its_own() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Add", ["a", "b"], ["y"]),
    ]
    weights = {"w": conv_weights(3, 3, 1, 1)}
    network = network_of(nodes, inputs={"x": (1, 3, 2, 2)}, outputs=["y"], weights=weights)
    assert traffic(network, "float32").activation_bytes == 4 * 12 * (2 + 2 + 3)


def test_a_relu_of_the_input_moves_its_own() -> None:
    network = network_of([node("Relu", ["x"], ["y"])], inputs={"x": (1, 3)}, outputs=["y"])
    assert traffic(network, "float32").activation_bytes == 4 * 6


def test_what_is_read_twice_by_one_operation_is_read_once() -> None:
    network = network_of([node("Mul", ["x", "x"], ["y"])], inputs={"x": (1, 3)}, outputs=["y"])
    assert traffic(network, "float32").activation_bytes == 4 * 6


def test_shared_weights_are_read_once() -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["y"])]
    weights = {"w": conv_weights(4, 4)}
    network = network_of(nodes, inputs={"x": (1, 4)}, outputs=["y"], weights=weights)
    assert traffic(network, "int8").weight_bytes == 16


def test_indices_keep_their_width() -> None:
    nodes = [
        node("ArgMax", ["x"], ["at"], axis=1, keepdims=0),
        node("Cast", ["at"], ["y"], to=TensorProto.FLOAT),
    ]
    network = network_of(nodes, inputs={"x": (1, 7)}, outputs=["y"])
    assert traffic(network, "int8").activation_bytes == (7 + 8) + (8 + 1)


def test_nodes_without_shapes_are_named() -> None:
    nodes = [
        node("NonZero", ["x"], ["where"], name="where"),
        node("Cast", ["where"], ["rows"], to=TensorProto.FLOAT, name="cast"),
        node("ReduceSum", ["rows"], ["y"], keepdims=0, name="sum"),
    ]
    network = network_of(nodes, inputs={"x": (1, 4)}, outputs=["y"])
    assert traffic(network, "float32").uncounted == ("where", "cast", "sum")


def a_point(**changes: float) -> Point:
    plain = Point(
        macs=6_000_000,
        bytes_moved=2_000_000,
        least_bytes=500_000,
        latency_ms=1.0,
        peak_gmacs_per_s=24.0,
        bandwidth_gb_per_s=4.0,
    )
    return replace(plain, **changes)


def test_under_the_slope_memory_is_the_bound() -> None:
    found = a_point()
    assert found.intensity == 3.0
    assert found.attainable_gmacs_per_s == 12.0 and found.bound == "memory"
    assert found.ceiling_gmacs_per_s == 24.0
    assert found.achieved_gmacs_per_s == 6.0
    assert (found.share_of_peak, found.share_of_attainable) == (0.25, 0.5)


def test_under_the_flat_roof_compute_is_the_bound() -> None:
    found = a_point(bandwidth_gb_per_s=40.0)
    assert found.attainable_gmacs_per_s == 24.0 and found.bound == "compute"


def test_a_share_above_one_is_told_as_it_is() -> None:
    assert a_point(latency_ms=0.2).share_of_peak == 1.25


def test_a_network_without_products_reaches_nothing() -> None:
    found = a_point(macs=0)
    assert (found.achieved_gmacs_per_s, found.share_of_attainable) == (0.0, 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"latency_ms": 0.0},
        {"latency_ms": float("nan")},
        {"peak_gmacs_per_s": 0.0},
        {"bandwidth_gb_per_s": -1.0},
        {"least_bytes": 0},
        {"least_bytes": 3_000_000},
        {"macs": -1},
    ],
)
def test_what_no_rate_comes_of_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(EdgecutError) as caught:
        a_point(**changes)
    assert caught.value.code == "bad-roofline"


def test_the_point_of_a_network() -> None:
    found = point(example(), "int8", latency_ms=0.5, peak_gmacs_per_s=24.0, bandwidth_gb_per_s=4.0)
    assert found.macs == 64 * CONV + GEMM
    assert found.bytes_moved == traffic(example(), "int8").bytes_moved
    told = found.to_json()
    assert told["achieved_gmacs_per_s"] == found.macs / 0.5 / 1e6
    assert all(np.isfinite(value) for value in told.values() if not isinstance(value, str))


def test_ports_that_are_wider_than_the_scheme_move_more() -> None:
    rates = {"latency_ms": 0.5, "peak_gmacs_per_s": 24.0, "bandwidth_gb_per_s": 4.0}
    x, y = ("int8", (1, 8, 8, 3)), ("float32", (1, 5))
    ports = [
        Port(network_name=n, artifact_name=n, shape=shape, dtype=dtype, permutation=())
        for n, (dtype, shape) in (("x", x), ("y", y))
    ]
    narrow, wide = (point(example(), "int8", ports=given, **rates) for given in ([], ports))
    assert wide.bytes_moved - narrow.bytes_moved == 3 * RESULT
    assert wide.least_bytes - narrow.least_bytes == 3 * RESULT
