"""Focus and its convolution are one convolution; what is only like it is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from edgecut.network import Network
from edgecut.passes.focus_to_conv import focus_to_conv
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node


def phases_of(
    offsets: Sequence[tuple[int, int]], step: int, end: int, prefix: str = ""
) -> tuple[list[NodeProto], dict[str, np.ndarray], list[str]]:
    """Slices along both axes, one after the other, as PyTorch exports them."""
    nodes, weights, names = [], {}, []
    for i, (y, x) in enumerate(offsets):
        value = "x"
        for axis, start in ((2, y), (3, x)):
            name = f"{prefix}phase{i}_{axis}"
            numbers = (start, end, axis, step)
            weights |= {f"{name}_{j}": np.array([n]) for j, n in enumerate(numbers)}
            nodes.append(node("Slice", [value, *(f"{name}_{j}" for j in range(4))], [name]))
            value = name
        names.append(value)
    return nodes, weights, names


def focus(
    *,
    step: int = 2,
    size: int = 12,
    offsets: Sequence[tuple[int, int]] | None = None,
    kernel: int = 3,
    end: int = 2**31 - 1,
    group: int = 1,
    **attributes: Any,
) -> Network:
    chosen = list(product(range(step), repeat=2)) if offsets is None else list(offsets)
    nodes, weights, names = phases_of(chosen, step, end)
    channels = 3 * len(chosen)
    weights["w"] = conv_weights(4 * group, channels // group, kernel, kernel)
    weights["bias"] = conv_weights(4 * group)
    nodes += [
        node("Concat", names, ["joined"], axis=1),
        node("Conv", ["joined", "w", "bias"], ["y"], name="conv", group=group, **attributes),
    ]
    shape = {"x": (1, 3, size, size)}
    return network_of(nodes, inputs=shape, outputs=["y"], weights=weights)


def merged(full: Network) -> Network:
    small = focus_to_conv(full)
    assert [n.op_type for n in small.model.graph] == ["Conv"]
    feeds = random_inputs(full)
    np.testing.assert_allclose(run(small, feeds)["y"], run(full, feeds)["y"], rtol=1e-4, atol=1e-5)
    assert small.outputs == full.outputs
    assert focus_to_conv(small) is small
    return small


@pytest.mark.parametrize(
    "form",
    [
        {"pads": [1, 1, 1, 1]},
        {"pads": [1, 0, 2, 1]},
        {"kernel": 1},
        {"strides": [2, 1], "pads": [0, 1, 1, 0]},
        {"step": 3, "pads": [1, 1, 1, 1]},
        {"end": 12},
        # The order in which YOLOX joins them: down first.
        {"offsets": [(0, 0), (1, 0), (0, 1), (1, 1)], "pads": [1, 1, 1, 1]},
    ],
    ids=str,
)
def test_focus_is_one_convolution(form: dict[str, Any]) -> None:
    merged(focus(**form))


def test_both_axes_in_one_slice() -> None:
    nodes, weights, names = [], {"two": np.array([2, 2]), "axes": np.array([2, 3])}, []
    weights["end"] = np.array([99, 99])
    for y, x in product(range(2), repeat=2):
        weights[f"s{y}{x}"] = np.array([y, x])
        nodes.append(node("Slice", ["x", f"s{y}{x}", "end", "axes", "two"], [f"p{y}{x}"]))
        names.append(f"p{y}{x}")
    weights["w"] = conv_weights(4, 12, 3, 3)
    nodes += [node("Concat", names, ["j"], axis=1), node("Conv", ["j", "w"], ["y"])]
    merged(network_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=["y"], weights=weights))


def test_slices_of_slices() -> None:
    """Every fourth row and column, by halving twice."""
    nodes, weights = [], {"end": np.array([99, 99]), "axes": np.array([2, 3])}
    weights |= {"two": np.array([2, 2]), "w": conv_weights(4, 48, 3, 3)}
    weights |= {f"s{y}{x}": np.array([y, x]) for y, x in product(range(2), repeat=2)}
    halves = {"x": "x"}
    for _ in range(2):
        source, halves = halves, {}
        for name, value in source.items():
            for y, x in product(range(2), repeat=2):
                half = f"{name}_{y}{x}"
                bounds = [f"s{y}{x}", "end", "axes", "two"]
                nodes.append(node("Slice", [value, *bounds], [half]))
                halves[half] = half
    nodes += [node("Concat", list(halves), ["j"], axis=1), node("Conv", ["j", "w"], ["y"])]
    shape = {"x": (1, 3, 16, 16)}
    merged(network_of(nodes, inputs=shape, outputs=["y"], weights=weights))


@pytest.mark.parametrize(
    "form",
    [
        {"offsets": [(0, 0), (1, 0), (0, 1)]},
        {"offsets": [(0, 0), (1, 0), (0, 1), (0, 1)]},
        # Shifted by a whole step: every phase is there, but of another place.
        {"offsets": list(product((2, 3), repeat=2))},
        {"offsets": list(product((2, 3), repeat=2)), "kernel": 1},
        {"dilations": [2, 2]},
        {"group": 2},
        {"auto_pad": "SAME_UPPER"},
        {"end": 10},
    ],
    ids=str,
)
def test_what_is_only_like_it_is_left_alone(form: dict[str, Any]) -> None:
    full = focus(**form)
    assert focus_to_conv(full) is full


def test_an_odd_size_is_left_alone() -> None:
    """With an odd size the phases differ in size, so that only every other row fits: no Focus."""
    nodes, weights, names = phases_of(list(product(range(2), repeat=2)), 2, 6)
    weights["w"] = conv_weights(4, 12, 3, 3)
    nodes += [node("Concat", names, ["j"], axis=1), node("Conv", ["j", "w"], ["y"])]
    full = network_of(nodes, inputs={"x": (1, 3, 7, 7)}, outputs=["y"], weights=weights)
    assert focus_to_conv(full) is full


def test_a_join_that_others_read_is_left_alone() -> None:
    full = focus()
    nodes = [*full.to_proto().graph.node, node("Relu", ["joined"], ["z"])]
    weights, shape = weights_of(full), {"x": (1, 3, 12, 12)}
    both = network_of(nodes, inputs=shape, outputs=["y", "z"], weights=weights)
    assert focus_to_conv(both) is both


def test_phases_of_two_images_are_left_alone() -> None:
    first, weights, names = phases_of([(0, 0), (0, 1)], 2, 99)
    second, more, others = phases_of([(1, 0), (1, 1)], 2, 99, prefix="u")
    for slicing in second:
        slicing.input[0] = "u" if slicing.input[0] == "x" else slicing.input[0]
    weights |= {**more, "w": conv_weights(4, 12, 3, 3)}
    join = node("Concat", [*names, *others], ["j"], axis=1)
    nodes = [*first, *second, join, node("Conv", ["j", "w"], ["y"])]
    shape = {"x": (1, 3, 8, 8), "u": (1, 3, 8, 8)}
    full = network_of(nodes, inputs=shape, outputs=["y"], weights=weights)
    assert focus_to_conv(full) is full


def test_weights_that_are_computed_are_left_alone() -> None:
    full = focus()
    nodes = [*full.to_proto().graph.node]
    nodes[-1].input[1] = "computed"
    nodes.insert(0, node("Tanh", ["u"], ["computed"]))
    shape = {"x": (1, 3, 12, 12), "u": (4, 12, 3, 3)}
    other = network_of(nodes, inputs=shape, outputs=["y"], weights=weights_of(full))
    assert focus_to_conv(other) is other


def test_two_focus_convolutions_on_one_image() -> None:
    full = focus(pads=[1, 1, 1, 1])
    nodes = [*full.to_proto().graph.node]
    names = list(nodes[-2].input)
    nodes += [
        node("Concat", names, ["joined2"], axis=1),
        node("Conv", ["joined2", "w", "bias"], ["z"], name="conv2", pads=[1, 1, 1, 1]),
    ]
    shape = {"x": (1, 3, 12, 12)}
    both = network_of(nodes, inputs=shape, outputs=["y", "z"], weights=weights_of(full))
    small = focus_to_conv(both)
    assert [n.op_type for n in small.model.graph] == ["Conv", "Conv"]
    feeds = random_inputs(both)
    for name, value in run(both, feeds).items():
        np.testing.assert_allclose(run(small, feeds)[name], value, rtol=1e-4, atol=1e-5)


def weights_of(network: Network) -> dict[str, np.ndarray]:
    found = network.model.graph.initializers.items()
    return {name: v.const_value.numpy() for name, v in found if v.const_value is not None}
