"""Channel ranges, against what numpy finds in the tensors themselves."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.quantise.ranges import ChannelRange, channel_ranges
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node


def example(opset: int = 18) -> Network:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Tanh", ["a"], ["b"]),
        node("GlobalAveragePool", ["b"], ["c"]),
        node("Flatten", ["c"], ["y"]),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1)}
    outputs = ["a", "b", "y"]
    shape = {"x": (1, 3, 6, 6)}
    return network_of(nodes, inputs=shape, outputs=outputs, weights=weights, opset=opset)


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_means_over_the_samples_of_each_channels_extremes(opset: int) -> None:
    network = example(opset)
    feeds = [random_inputs(network, seed) for seed in range(3)]
    found = channel_ranges(network, ["a", "b", "x", "y"], [f["x"] for f in feeds])
    for name in ("a", "b", "x", "y"):
        values = [{**f, **run(network, f)}[name] for f in feeds]
        space = (0, 2, 3)[: values[0].ndim - 1]
        lows, highs = ([getattr(v, k)(axis=space) for v in values] for k in ("min", "max"))
        np.testing.assert_allclose(found[name].low, np.mean(lows, axis=0), rtol=1e-5)
        np.testing.assert_allclose(found[name].high, np.mean(highs, axis=0), rtol=1e-5)


def test_the_peak_is_the_larger_side() -> None:
    found = ChannelRange(low=np.array([-3.0, 1.0, -1.0]), high=np.array([2.0, 5.0, -0.5]))
    assert found.peak.tolist() == [3.0, 5.0, 1.0]


def test_samples_are_read_once_and_one_at_a_time() -> None:
    read = []

    def samples():  # type: ignore[no-untyped-def]
        for seed in range(3):
            read.append(seed)
            yield random_inputs(example(), seed)["x"]

    channel_ranges(example(), ["a"], samples())
    assert read == [0, 1, 2]


def test_nothing_asked_nothing_read() -> None:
    assert channel_ranges(example(), [], iter(())) == {}


def test_the_network_is_left_alone() -> None:
    network = example()
    before = network.to_bytes()
    channel_ranges(network, ["a"], [random_inputs(network)["x"]])
    assert network.to_bytes() == before


def test_inputs_beside_the_image_are_fed_by_name() -> None:
    nodes = [node("Mul", ["x", "factor"], ["y"])]
    shapes = {"x": (1, 3, 6, 6), "factor": (1, 1)}
    network = network_of(nodes, inputs=shapes, outputs=["y"])
    feeds = [
        {**random_inputs(network, 0), "factor": np.full((1, 1), f, np.float32)} for f in (1, 3)
    ]
    one, mean = (channel_ranges(network, ["y"], given)["y"].high for given in (feeds[:1], feeds))
    np.testing.assert_allclose(mean, 2 * one, rtol=1e-6)


def test_an_input_beside_the_image_is_refused() -> None:
    nodes = [node("Mul", ["x", "factor"], ["y"])]
    shapes = {"x": (1, 3, 6, 6), "factor": (1,)}
    network = network_of(nodes, inputs=shapes, outputs=["y"])
    with pytest.raises(EdgecutError, match="'factor' beside its image") as caught:
        channel_ranges(network, ["y"], [random_inputs(network)["x"]])
    assert caught.value.code == "several-inputs"
