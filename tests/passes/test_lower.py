"""A runtime's preferences: a whole network lowered for each format gives the same results."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from edgecut.network import Network
from edgecut.passes.lower import PASSES, lower
from edgecut.target import FORMATS
from tests.graphs import conv_weights, network_of, random_inputs, run
from tests.passes.test_focus_to_conv import focus

node = helper.make_node


def test_every_format_has_its_passes() -> None:
    assert set(PASSES) == set(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "network", [focus(pads=[1, 1, 1, 1]), focus(size=12, step=4)], ids=["2", "4"]
)
def test_the_results_stay(network: Network, format: str) -> None:
    small = lower(network, format)
    feeds = random_inputs(network)
    full, got = run(network, feeds), run(small, feeds)
    for name, value in full.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-5)
    assert (small.inputs, small.outputs) == (network.inputs, network.outputs)
    if network.model.graph[-1].op_type == "Conv":
        assert len(small.model.graph) < len(network.model.graph)


@pytest.mark.parametrize("format", FORMATS)
def test_lowering_again_changes_nothing(format: str) -> None:
    once = lower(focus(pads=[1, 1, 1, 1]), format)
    assert lower(once, format).to_bytes() == once.to_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_a_network_without_patterns_is_left_alone(format: str) -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])]
    weights = {"w": conv_weights(4, 8, 3, 3)}
    network = network_of(nodes, inputs={"x": (1, 8, 6, 6)}, outputs=["y"], weights=weights)
    assert lower(network, format) is network
