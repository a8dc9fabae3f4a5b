"""Constant channels go, their shares join the biases, and the numbers stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import NodeProto, helper

from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network
from edgecut.passes.constant_channels import constant_channels
from edgecut.passes.tidy import tidy
from tests import strategies
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node
BIAS = np.array([1.0, -1.0, 0.5, 0.25, -2.0, 3.0], np.float32)
OFF = (1, 3, 4)  # filters of the stem whose weights are zero
PAD = {"pads": [1, 1, 1, 1]}


def stem() -> np.ndarray:
    weights = conv_weights(6, 3, 1, 1)
    weights[list(OFF)] = 0
    return weights


def network(*nodes: NodeProto, outputs: tuple[str, ...] = ("y",), **weights: np.ndarray) -> Network:
    """A stem ``a`` of six channels, three of them constant, and what follows it."""
    first = node("Conv", ["x", "w", "b"], ["a"], name="stem")
    return network_of(
        [first, *nodes],
        inputs={"x": (1, 3, 4, 4)},
        outputs=outputs,
        weights={"w": stem(), "b": BIAS, **weights},
    )


def sizes(network: Network) -> dict[str, int]:
    """Of each convolution or product, how many channels it gives, by node."""
    return {
        str(n.name): n.outputs[0].shape.numpy()[-1 if n.op_type == "MatMul" else 1]  # type: ignore[union-attr]
        for n in network.model.graph
        if n.op_type in ("Conv", "Gemm", "MatMul")
    }


def require_same(full: Network, small: Network) -> None:
    assert (small.inputs, small.outputs) == (full.inputs, full.outputs)
    feeds = random_inputs(full)
    for name, expected in run(full, feeds).items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(run(small, feeds)[name], expected, atol=1e-5 * max(scale, 1))


def head(*shape: int) -> np.ndarray:
    return conv_weights(*shape, seed=1)


CASES = {
    "a function between": (
        [node("Sigmoid", ["a"], ["b1"]), node("Conv", ["b1", "v"], ["y"], name="head")],
        {"v": head(4, 6, 1, 1)},
        3,
    ),
    "a bias there already": (
        [node("Conv", ["a", "v", "c"], ["y"], name="head")],
        {"v": head(4, 6, 3, 3), "c": np.ones(4, np.float32)},
        3,
    ),
    "padding beside constants that are not zero": (
        [node("Conv", ["a", "v"], ["y"], name="head", **PAD)],
        {"v": head(4, 6, 3, 3)},
        6,
    ),
    "padding beside zeros": (
        [node("Relu", ["a"], ["r"]), node("Conv", ["r", "v"], ["y"], name="head", **PAD)],
        {"v": head(4, 6, 3, 3)},
        4,  # of the three, one is above zero
    ),
    "a depthwise convolution between": (
        [
            node("Conv", ["a", "d"], ["e"], name="depthwise", group=6),
            node("Conv", ["e", "v"], ["y"], name="head"),
        ],
        {"d": head(6, 1, 3, 3), "v": head(4, 6, 1, 1)},
        3,
    ),
    "pooled and flattened": (
        [
            node("MaxPool", ["a"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", ["p"], ["f"]),
            node("Gemm", ["f", "v", "c"], ["y"], name="head", transB=1, alpha=0.5),
        ],
        {"v": head(4, 24), "c": np.ones(4, np.float32)},
        3,
    ),
    "tokens": (
        [
            node("Reshape", ["a", "flat"], ["f"]),
            node("Transpose", ["f"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["t", "v"], ["m"], name="head"),
            node("Add", ["c", "m"], ["y"]),
        ],
        {"flat": np.array([1, 6, 16]), "v": head(6, 4), "c": np.ones(4, np.float32)},
        3,
    ),
    "tokens without a bias": (
        [
            node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1]),
            node("Relu", ["t"], ["r"]),
            node("MatMul", ["r", "v"], ["y"], name="head"),
        ],
        {"v": head(6, 4)},
        4,
    ),
    "joined and scaled": (
        [
            node("Concat", ["a", "x"], ["j"], axis=1),
            node("Mul", ["j", "s"], ["k"]),
            node("Conv", ["k", "v"], ["y"], name="head"),
        ],
        {"s": np.arange(9, dtype=np.float32).reshape(9, 1, 1), "v": head(4, 9, 1, 1)},
        2,  # one more is multiplied with zero
    ),
    "a normalisation that scales by zero": (
        [
            node("BatchNormalization", ["a", "g", "h", "h", "g1"], ["n"]),
            node("Conv", ["n", "v"], ["y"], name="head"),
        ],
        {
            "g": np.array([0, 1, 1, 1, 1, 0], np.float32),
            "g1": np.ones(6, np.float32),
            "h": BIAS,
            "v": head(4, 6, 1, 1),
        },
        4,
    ),
    "added to what is no constant": (
        [
            node("Conv", ["x", "v"], ["e"], name="other"),
            node("Add", ["a", "e"], ["s"]),
            node("Conv", ["s", "u"], ["y"], name="head"),
        ],
        {"v": head(6, 3, 1, 1), "u": head(4, 6, 1, 1)},
        6,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_goes_and_what_stays(case: str) -> None:
    nodes, weights, left = CASES[case]
    full = network(*nodes, **weights)
    small = constant_channels(full)
    assert sizes(small)["stem"] == left
    assert sizes(small)["head"] == sizes(full)["head"]
    require_same(full, small)


@pytest.mark.parametrize("case", CASES)
def test_again_changes_nothing(case: str) -> None:
    nodes, weights, _ = CASES[case]
    once = constant_channels(network(*nodes, **weights))
    assert constant_channels(once) is once
    once = tidy(network(*nodes, **weights))
    assert tidy(once).to_bytes() == once.to_bytes()


def test_a_channel_that_another_reader_needs_stays_without_selections() -> None:
    nodes = [
        node("Sigmoid", ["a"], ["b1"]),
        node("Conv", ["b1", "v"], ["y"], name="head"),
        node("Softmax", ["a"], ["z"], axis=1),
    ]
    full = network(*nodes, outputs=("y", "z"), v=head(4, 6, 1, 1))
    assert constant_channels(full) is full


def test_where_all_channels_are_constant_one_is_left() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], ["a"], name="stem"),
        node("Conv", ["a", "v"], ["y"], name="head"),
    ]
    weights = {"w": np.zeros((6, 3, 1, 1), np.float32), "b": BIAS, "v": head(4, 6, 1, 1)}
    full = network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y"], weights=weights)
    small = constant_channels(full)
    assert sizes(small) == {"stem": 1, "head": 4}
    require_same(full, small)
    assert constant_channels(small) is small


def test_an_output_keeps_its_constant_channels() -> None:
    nodes, weights, _ = CASES["a function between"]
    full = network(*nodes, outputs=("y", "a"), **weights)
    small = constant_channels(full)
    assert sizes(small)["stem"] == 6
    require_same(full, small)


FUNCTIONS = (
    *(strategies.unary, strategies.binary, strategies.broadcast, strategies.batch_norm),
    *(strategies.concat, strategies.slicing, strategies.pool, strategies.resize, strategies.pad),
    *(strategies.reshape, strategies.transpose, strategies.squeeze, strategies.split),
)
PRODUCTS = (strategies.conv, strategies.product)


@st.composite
def pruned(draw: st.DrawFn) -> Network:
    """Products with filters that are off, and functions between them."""
    builder = strategies.Builder(draw)
    builder.shapes["image"] = (1, 3, 6, 6)
    steps = draw(st.lists(st.sampled_from(FUNCTIONS + PRODUCTS), max_size=6))
    shapes = dict(builder.shapes)
    for step in (strategies.conv, *steps, *PRODUCTS):
        before = dict(builder.shapes)
        step(builder)
        made = {n: s for n, s in builder.shapes.items() if n not in before}
        shapes |= made
        # Most steps go on from the last one.
        builder.shapes = (before | made) if draw(st.integers(0, 3)) == 0 else (made or before)
    assume(max(map(np.prod, shapes.values())) <= strategies.MOST_ELEMENTS)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    for one in builder.nodes:
        if one.op_type in ("Conv", "Gemm", "MatMul"):
            array = builder.weights[one.input[1]]
            rows = array.T if one.op_type == "MatMul" else array
            rows[random.random(len(rows)) < 0.4] = 0
    last = builder.nodes[-1].output[0]
    builder.shapes = shapes
    proto = strategies.proto_of(builder, {last: shapes[last]})
    return from_proto(proto, name="pruned", where="it", digest="0" * 64)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(pruned())
def test_any_network_stays_the_same(full: Network) -> None:
    small = constant_channels(full)
    require_same(full, small)
    assert constant_channels(small) is small


def test_a_tensor_that_is_too_large_to_look_at_is_left_alone() -> None:
    nodes = [node("Conv", ["x", "w", "b"], ["a"]), node("Conv", ["a", "v"], ["y"])]
    weights = {"w": stem(), "b": BIAS, "v": head(4, 6, 1, 1)}
    shape = (1, 3, 2**12, 2**13)
    full = network_of(nodes, inputs={"x": shape}, outputs=["y"], weights=weights)
    assert constant_channels(full) is full
