"""Columns in pairs: the same numbers where it applies, and nothing changed elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgecut.network import Network
from edgecut.passes.pair_columns import MOST_CHANNELS, pair_columns
from tests.graphs import conv_weights, network_of, random_inputs, run
from tests.passes.test_channels import foreign

node = helper.make_node


def strided(
    *,
    size: tuple[int, int] = (9, 12),
    channels: int = 3,
    kernel: tuple[int, int] = (3, 4),
    bias: bool = True,
    group: int = 1,
    strides: tuple[int, int] = (2, 2),
    **attributes: Any,
) -> Network:
    """One strided convolution on an image."""
    weights = {"w": conv_weights(4 * group, channels // group, *kernel), "b": conv_weights(4)}
    inputs = ["x", "w", "b"] if bias and group == 1 else ["x", "w"]
    conv = node("Conv", inputs, ["y"], name="conv", group=group, strides=strides, **attributes)
    return network_of([conv], inputs={"x": (1, channels, *size)}, outputs=["y"], weights=weights)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"bias": False},
        {"kernel": (2, 2)},
        {"kernel": (1, 6)},
        {"kernel": (5, 4), "strides": (1, 2)},
        {"kernel": (3, 6), "strides": (2, 3)},
        {"kernel": (3, 4), "strides": (2, 4)},
        {"pads": [1, 2, 1, 2]},
        {"pads": [1, 2, 0, 0]},
        {"pads": [0, 0, 2, 1]},
        {"pads": [1, 2, 1, 1]},
        {"kernel": (6, 6), "pads": [2, 2, 2, 2], "size": (12, 12)},
        {"channels": 1},
        {"channels": MOST_CHANNELS},
    ],
    ids=str,
)
def test_the_numbers_are_the_same_and_the_row_has_stride_one(form: dict[str, Any]) -> None:
    full = strided(**form)
    small = pair_columns(full)
    kinds = [n.op_type for n in small.model.graph]
    assert kinds == ["Reshape", "Transpose", "Reshape", "Conv"]
    assert small.model.graph[-1].attributes["strides"].value[1] == 1
    feeds = random_inputs(full)
    np.testing.assert_allclose(run(small, feeds)["y"], run(full, feeds)["y"], rtol=1e-4, atol=1e-5)
    assert small.outputs == full.outputs
    assert pair_columns(small) is small


def test_weights_move_and_none_is_added() -> None:
    full = strided(kernel=(6, 6), pads=[2, 2, 2, 2])
    (kernel,) = [
        tuple(value.shape or ())
        for name, value in pair_columns(full).model.graph.initializers.items()
        if name.startswith("y/paired")
    ]
    assert kernel == (4, 6, 6, 3)


@pytest.mark.parametrize(
    "form",
    [
        {"size": (9, 11)},
        {"kernel": (3, 3)},
        {"pads": [1, 1, 1, 1]},
        {"strides": (2, 1)},
        {"dilations": [1, 2]},
        {"auto_pad": "SAME_UPPER"},
        {"channels": MOST_CHANNELS + 1},
        {"channels": 4, "group": 2},
    ],
    ids=str,
)
def test_elsewhere_nothing_changes(form: dict[str, Any]) -> None:
    full = strided(**form)
    assert pair_columns(full) is full


def test_one_dimension_is_left_alone() -> None:
    weights = {"w": conv_weights(4, 3, 4)}
    conv = node("Conv", ["x", "w"], ["y"], strides=[2])
    full = network_of([conv], inputs={"x": (1, 3, 12)}, outputs=["y"], weights=weights)
    assert pair_columns(full) is full


def test_weights_that_are_computed_are_left_alone() -> None:
    nodes = [node("Conv", ["x", "w"], ["y"], strides=[2, 2])]
    shapes = {"x": (1, 3, 12, 12), "w": (4, 3, 2, 2)}
    full = network_of(nodes, inputs=shapes, outputs=["y"])
    assert pair_columns(full) is full


def test_a_convolution_of_another_domain_is_left_alone() -> None:
    other = foreign(strided(), "Conv")
    assert pair_columns(other) is other
