"""Graph inputs that may be narrowed: those that are named, to what is demanded of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from edgecut.demand import demand
from edgecut.network import Network
from edgecut.ops.region import Region
from edgecut.passes.narrow import narrow
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node
INPUTS = {"x": (1, 4, 3, 3), "g": (1, 4)}


def only(*places: int, axis: int = 1) -> Region:
    return Region().with_axis(axis, places)


def channels() -> Network:
    """Each channel of ``y`` reads one gain, and no gain is read by ``z``."""
    nodes = [
        node("Unsqueeze", ["g", "axes"], ["f"]),
        node("Mul", ["x", "f"], ["m"]),
        node("Conv", ["m", "w"], ["y"], group=4),
        node("Relu", ["x"], ["z"]),
    ]
    weights = {"axes": np.array([2, 3], np.int64), "w": conv_weights(4, 1, 1, 1)}
    return network_of(nodes, inputs=INPUTS, outputs=["y", "z"], weights=weights)


def narrowed(network: Network, wanted: dict[str, Region], *inputs: str) -> Network:
    return narrow(network, demand(network, wanted), wanted, inputs=inputs)


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    return {spec.name: spec.shape for spec in network.inputs}


def test_an_input_that_is_named_holds_what_is_demanded() -> None:
    network = channels()
    wanted = {"y": only(1, 3), "z": only(2)}
    small = narrowed(network, wanted, "g")
    assert shapes(small) == {"x": (1, 4, 3, 3), "g": (1, 2)}
    feeds = random_inputs(network)
    full = run(network, feeds)
    got = run(small, {"x": feeds["x"], "g": feeds["g"][:, [1, 3]]})
    np.testing.assert_allclose(got["y"], full["y"][:, [1, 3]], rtol=1e-6)
    np.testing.assert_array_equal(got["z"], full["z"][:, [2]])


def test_an_input_that_is_not_named_keeps_its_shape() -> None:
    small = narrowed(channels(), {"y": only(1, 3)})
    assert shapes(small) == INPUTS
    assert shapes(narrowed(channels(), {"y": only(0)}, "x")) == {"x": (1, 4, 3, 3), "g": (1, 4)}


def test_several_inputs_may_be_named() -> None:
    network = channels()
    wanted = {"y": only(0, 2), "z": only(0)}
    small = narrowed(network, wanted, "x", "g")
    assert shapes(small) == {"x": (1, 2, 3, 3), "g": (1, 2)}
    feeds = random_inputs(network)
    part = {name: value[:, [0, 2]] for name, value in feeds.items()}
    np.testing.assert_allclose(
        run(small, part)["y"], run(network, feeds)["y"][:, [0, 2]], rtol=1e-6
    )


def test_a_named_input_that_nothing_needs_goes() -> None:
    nodes = [
        node("Flatten", ["x"], ["a"]),
        node("Mul", ["g", "g"], ["b"]),
        node("Concat", ["a", "b"], ["y"], axis=1),
    ]
    network = network_of(nodes, inputs=INPUTS, outputs=["y"])
    wanted = {"y": only(*range(36))}
    assert shapes(narrowed(network, wanted, "g")) == {"x": (1, 4, 3, 3)}
    assert shapes(narrowed(network, wanted)) == INPUTS


def test_what_is_not_understood_needs_all_of_a_named_input() -> None:
    nodes: list[Any] = [
        node("CumSum", ["g", "axis"], ["c"]),
        node("Unsqueeze", ["c", "axes"], ["f"]),
        node("Mul", ["x", "f"], ["y"]),
    ]
    weights = {"axes": np.array([2, 3], np.int64), "axis": np.array(1, np.int64)}
    network = network_of(nodes, inputs=INPUTS, outputs=["y"], weights=weights)
    wanted = {"y": only(1)}
    small = narrowed(network, wanted, "g")
    assert shapes(small) == INPUTS
    feeds = random_inputs(network)
    np.testing.assert_array_equal(run(small, feeds)["y"], run(network, feeds)["y"][:, [1]])


def test_an_input_that_is_demanded_whole_is_left_as_it_is() -> None:
    network = channels()
    whole = narrowed(network, {}, "x", "g")
    assert shapes(whole) == INPUTS
    assert [n.op_type for n in whole.model.graph] == [n.op_type for n in network.model.graph]
