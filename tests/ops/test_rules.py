"""What the contract test cannot see: forms that a rule must refuse, and how little it asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgecut.cost import macs_of
from edgecut.demand import Demand, demand
from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network
from edgecut.ops import rule_for
from edgecut.ops.movement import blocks
from edgecut.ops.region import Region
from edgecut.ops.rule import Unsupported, shape_of
from edgecut.passes.narrow import narrow
from tests.graphs import conv_weights, network_of, proto_of, random_inputs, run


def one(
    op_type: str,
    shape: Sequence[int],
    *constants: np.ndarray | None,
    outputs: int = 1,
    opset: int = 18,
    **attributes: Any,
) -> Network:
    """A network of one node with one variable input."""
    names = ["x", *("" if c is None else f"c{i}" for i, c in enumerate(constants))]
    weights = {f"c{i}": c for i, c in enumerate(constants) if c is not None}
    made = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op_type, names, made, name="node", **attributes)
    return network_of([node], inputs={"x": shape}, outputs=made, weights=weights, opset=opset)


def narrowed(network: Network, axes: Mapping[int, Sequence[int]]) -> tuple[Network, Demand]:
    """The network cut to a region of its first output, checked against selection."""
    region = Region()
    for axis, places in axes.items():
        region = region.with_axis(axis, tuple(places))
    wanted = {network.outputs[0].name: region}
    need = demand(network, wanted)
    small = narrow(network, need, wanted)
    feeds = random_inputs(network)
    expected = next(iter(run(network, feeds).values()))
    for axis, places in axes.items():
        expected = np.take(expected, places, axis=axis)
    got = next(iter(run(small, feeds).values()))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    return small, need


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def shapes(network: Network) -> list[tuple[int, ...]]:
    return [tuple(v.shape) for v in network.model.graph.initializers.values()]  # type: ignore


def filters(network: Network) -> tuple[int, ...]:
    """The shape of the weights of the only convolution."""
    (conv,) = (n for n in network.model.graph if n.op_type == "Conv")
    return tuple(conv.inputs[1].shape)  # type: ignore


# Squeeze without axes takes away whatever has size 1, and that may be what was narrowed.


@pytest.mark.parametrize("axes", [(), (ints(2),)])
def test_squeeze_of_an_axis_narrowed_to_one(axes: tuple[np.ndarray, ...]) -> None:
    small, _ = narrowed(one("Squeeze", (2, 6, 1, 3), *axes), {1: [4]})
    assert small.outputs[0].shape == (2, 1, 3)


# Resize.


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_that_moves_channels_without_changing_their_number(mode: str) -> None:
    scales = np.array([2, 1.1], np.float32)
    narrowed(one("Resize", (4, 8), None, scales, mode=mode), {1: [6, 7]})


def test_resize_by_a_scale_near_one_moves_an_axis_that_is_counted_from_the_end() -> None:
    scales = np.array([1.1], np.float32)
    network = one("Resize", (4, 8), None, scales, mode="linear", axes=[-1])
    _, need = narrowed(network, {0: [1], 1: [6, 7]})
    assert need.regions["x"].axes == ((1,), None)


def test_resize_with_crop_is_refused() -> None:
    network = one(
        "Resize",
        (1, 6, 4, 4),
        np.array([0, 0.3, 0, 0, 1, 1, 1, 1], np.float32),
        None,
        ints(1, 6, 4, 4),
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
    )
    _, need = narrowed(network, {1: [1, 2]})
    assert need.refusals


def test_resize_that_keeps_an_aspect_ratio_is_refused() -> None:
    network = one(
        "Resize",
        (1, 6, 4, 4),
        None,
        None,
        ints(7, 5),
        axes=[2, 3],
        mode="nearest",
        keep_aspect_ratio_policy="not_larger",
    )
    _, need = narrowed(network, {1: [1, 2]})
    assert need.refusals


# Convolutions.


def test_conv_slices_rows_and_bias() -> None:
    weights, bias = conv_weights(6, 3, 1, 1), conv_weights(6)
    small, _ = narrowed(one("Conv", (1, 3, 4, 4), weights, bias), {1: [0, 5]})
    assert shapes(small) == [(2, 3, 1, 1), (2,)]


def test_grouped_conv_drops_whole_groups_and_their_inputs() -> None:
    network = one("Conv", (1, 6, 4, 4), conv_weights(9, 2, 1, 1), group=3)
    small, need = narrowed(network, {1: [0, 1, 2, 6, 7, 8]})
    assert need.regions["x"].axis(1) == (0, 1, 4, 5)
    assert next(n for n in small.model.graph if n.op_type == "Conv").attributes["group"].value == 2


@pytest.mark.parametrize(
    ("wanted", "rows"), [([0, 3], 2), ([0, 1, 3], 4), ([0, 1, 2], 3), ([0, 4, 5, 8], 6)]
)
def test_unequal_groups_compute_no_more_than_they_must(wanted: list[int], rows: int) -> None:
    network = one("Conv", (1, 6, 4, 4), conv_weights(9, 2, 1, 1), conv_weights(9), group=3)
    small, _ = narrowed(network, {1: wanted})
    assert filters(small)[0] == rows


def test_depthwise_conv_keeps_its_own_channel_alone() -> None:
    network = one("Conv", (1, 5, 4, 4), conv_weights(5, 1, 3, 3), group=5)
    small, need = narrowed(network, {1: [3]})
    assert need.regions["x"].axis(1) == (3,)
    assert filters(small) == (1, 1, 3, 3)


def test_transposed_conv_slices_columns() -> None:
    weights, bias = conv_weights(3, 6, 2, 2), conv_weights(6)
    small, _ = narrowed(one("ConvTranspose", (1, 3, 4, 4), weights, bias), {1: [1, 4]})
    assert shapes(small)[:2] == [(3, 2, 2, 2), (2,)]


@pytest.mark.parametrize(
    ("wanted", "weights"), [([4], (2, 1)), ([1, 4], (4, 1)), ([1, 3], (4, 2)), ([6], (2, 1))]
)
def test_grouped_transposed_conv_slices_groups_and_places(
    wanted: list[int], weights: tuple[int, int]
) -> None:
    network = one("ConvTranspose", (1, 6, 3, 3), conv_weights(6, 3, 2, 2), group=3)
    small, _ = narrowed(network, {1: wanted})
    assert next(s for s in shapes(small) if len(s) == 4)[:2] == weights


def test_conv_keeps_all_of_the_space() -> None:
    _, need = narrowed(one("Conv", (1, 3, 5, 5), conv_weights(4, 3, 3, 3)), {2: [0], 1: [1]})
    assert need.regions["x"].is_whole


@pytest.mark.parametrize("wanted", [[1], [0, 2], [3]])
def test_transposed_conv_of_two_groups(wanted: list[int]) -> None:
    small, _ = narrowed(
        one("ConvTranspose", (1, 4, 3, 3), conv_weights(4, 2, 2, 2), group=2), {1: wanted}
    )
    assert small.outputs[0].shape[1] == len(wanted)


# Reshapes.


def test_anchors_interleaved_with_slots_part_exactly() -> None:
    """(1, 3 anchors x 4 slots, 2, 2): a slot of every anchor is one in four channels."""
    network = one("Reshape", (1, 12, 2, 2), ints(1, 3, 4, 4))
    small, need = narrowed(network, {2: [1, 3]})
    assert need.regions["x"].axis(1) == (1, 3, 5, 7, 9, 11)
    assert not need.refusals and small.outputs[0].shape == (1, 3, 2, 4)


def test_a_reshape_that_mixes_asks_for_the_smallest_product_and_says_so() -> None:
    _, need = narrowed(one("Reshape", (3, 4), ints(12)), {0: [0, 5]})
    assert need.regions["x"].axes == ((0, 1), (0, 1))
    assert "mixes" in need.refusals[0].reason


def test_flatten_and_minus_one_follow_what_is_left() -> None:
    narrowed(one("Flatten", (1, 6, 2, 2)), {1: [0, 1, 2, 3, 20, 21, 22, 23]})
    narrowed(one("Reshape", (1, 6, 2, 2), ints(0, -1)), {1: [4, 5, 6, 7]})


# Selections.


@pytest.mark.parametrize("bounds", [(1, 7, 2), (-1, -100, -1), (-3, 100, 1), (6, 0, -2)])
def test_slices_of_every_direction(bounds: tuple[int, int, int]) -> None:
    start, end, step = bounds
    network = one("Slice", (1, 8, 2), ints(start), ints(end), ints(-2), ints(step))
    count = network.outputs[0].shape[1]
    _, need = narrowed(network, {1: [0, count - 1]})
    assert len(need.regions["x"].axis(1) or ()) == 2


def test_a_slice_passes_on_what_is_wanted_of_other_axes() -> None:
    network = one("Slice", (3, 8, 5), ints(1), ints(7), ints(1), ints(2))
    _, need = narrowed(network, {0: [2], 1: [0, 2], 2: [1, 3]})
    assert need.regions["x"].axes == ((2,), (1, 5), (1, 3))


def test_gather_of_repeated_places() -> None:
    small, need = narrowed(one("Gather", (1, 5, 2), ints(4, 0, 4, -1), axis=1), {1: [0, 2, 3]})
    assert need.regions["x"].axis(1) == (4,)
    assert small.outputs[0].shape == (1, 3, 2)


def test_gather_along_the_first_axis() -> None:
    _, need = narrowed(one("Gather", (3, 4), ints(2, 0)), {0: [1], 1: [1, 3]})
    assert need.regions["x"].axes == ((0,), (1, 3))


def test_gather_of_one_place_from_what_was_narrowed() -> None:
    """The places are looked up in what is left, which other readers share."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Gather", ["a", "third"], ["y"], axis=1),
        helper.make_node("Gather", ["a", "square"], ["b"], axis=1),
        helper.make_node("ReduceSum", ["b"], ["z"], keepdims=0),
    ]
    weights = {"w": conv_weights(6, 3, 1, 1), "third": np.array(3), "square": ints(5, 1, 3, 5)}
    weights["square"] = weights["square"].reshape(2, 2)
    shape = {"x": (1, 3, 4, 4)}
    network = network_of(nodes, inputs=shape, outputs=["y", "z"], weights=weights)
    small, need = narrowed(network, {1: [0, 2]})
    assert filters(small)[0] == 3 and need.regions["a"].axis(1) == (1, 3, 5)
    assert [n.op_type for n in small.model.graph].count("Gather") == 2
    feeds = random_inputs(network)
    np.testing.assert_allclose(run(small, feeds)["z"], run(network, feeds)["z"], rtol=1e-4)


def test_concat_leaves_out_what_gives_nothing() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Tanh", ["x"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["y"], axis=-1),
    ]
    small, _ = narrowed(network_of(nodes, inputs={"x": (1, 2, 4)}, outputs=["y"]), {2: [1, 3]})
    assert [n.op_type for n in small.model.graph].count("Tanh") == 0


def test_split_of_which_one_part_is_read() -> None:
    nodes = [
        helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    network = network_of(nodes, inputs={"x": (1, 7)}, outputs=["y"], weights={"sizes": ints(3, 4)})
    _, need = narrowed(network, {1: [0, 2]})
    assert need.regions["x"].axis(1) == (3, 5)


def test_split_along_the_first_axis() -> None:
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b", "c"], num_outputs=3),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    network = network_of(nodes, inputs={"x": (6, 2)}, outputs=["y"])
    _, need = narrowed(network, {0: [1], 1: [0]})
    assert need.regions["x"].axes == ((3,), (0,))


def test_padded_axes_are_counted_from_the_end() -> None:
    _, need = narrowed(one("Pad", (2, 4, 3), ints(1, 0), None, ints(-1)), {1: [0, 2], 2: [1]})
    assert need.regions["x"].axes == (None, (0, 2), None)


@pytest.mark.parametrize("pads", [(0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 1, 0), (0, -1, 0, 0, 0, 0)])
def test_padded_axis_is_needed_whole(pads: tuple[int, ...]) -> None:
    _, need = narrowed(one("Pad", (1, 4, 3), ints(*pads)), {1: [0, 2], 2: [1]})
    assert need.regions["x"].axes == (None, None, (1,))


def test_pad_whose_amounts_are_computed_is_refused() -> None:
    nodes = [
        helper.make_node("Cast", ["amounts"], ["pads"], to=7),
        helper.make_node("Pad", ["x", "pads"], ["y"], name="pad"),
        helper.make_node("ReduceMax", ["y"], ["z"], keepdims=0),
    ]
    network = network_of(nodes, inputs={"x": (1, 4), "amounts": (4,)}, outputs=["z"])
    need = demand(network, {})
    assert need.refusals[0].node == "pad"


# Broadcasting, reductions, products.


def test_an_operand_of_size_one_serves_every_index() -> None:
    nodes = [helper.make_node("Mul", ["x", "s"], ["y"])]
    network = network_of(nodes, inputs={"x": (1, 6, 2), "s": (6, 1)}, outputs=["y"])
    _, need = narrowed(network, {1: [2], 2: [1]})
    assert need.regions["s"].axes[:1] == ((2,),) and need.regions["s"].axis(1) is None


def test_reduction_asks_for_all_of_what_it_reduces() -> None:
    _, need = narrowed(one("ReduceMean", (2, 5, 3), ints(-1), keepdims=0), {1: [1, 2]})
    assert need.regions["x"].axes == (None, (1, 2), None)
    _, need = narrowed(one("ReduceMax", (2, 5, 3), ints(1), keepdims=0), {1: [2]})
    assert need.regions["x"].axes == (None, None, (2,))


def test_reduction_without_axes_may_do_nothing() -> None:
    network = one("ReduceSum", (1, 5), None, noop_with_empty_axes=1)
    _, need = narrowed(network, {1: [3]})
    assert need.regions["x"].axis(1) == (3,)


@pytest.mark.parametrize("bias", [(7,), (1,), (1, 7), ()])
def test_gemm_with_every_shape_of_bias(bias: tuple[int, ...]) -> None:
    network = one("Gemm", (1, 5), conv_weights(7, 5), np.ones(bias, np.float32), transB=1, beta=0.5)
    small, _ = narrowed(network, {1: [2, 6]})
    assert (2, 5) in shapes(small)


def test_max_pool_whose_places_are_read_is_refused() -> None:
    network = one("MaxPool", (1, 4, 4, 4), outputs=1, kernel_shape=[2, 2])
    assert not narrowed(network, {1: [1]})[1].refusals
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y", "places"], name="pool", kernel_shape=[2, 2]),
        helper.make_node("Cast", ["places"], ["z"], to=1),
    ]
    network = network_of(nodes, inputs={"x": (1, 4, 4, 4)}, outputs=["y", "z"])
    _, need = narrowed(network, {1: [1]})
    assert [refusal.node for refusal in need.refusals] == ["pool"]


@pytest.mark.parametrize(
    ("network", "macs"),
    [
        (one("Conv", (1, 4, 5, 5), conv_weights(6, 2, 3, 3), group=2), 6 * 9 * 2 * 9),
        (one("ConvTranspose", (1, 4, 5, 5), conv_weights(4, 6, 2, 2)), 4 * 25 * 6 * 4),
        (one("Gemm", (3, 5), conv_weights(5, 7)), 3 * 5 * 7),
        (one("Gemm", (5, 3), conv_weights(5, 7), transA=1), 3 * 5 * 7),
        (one("MatMul", (2, 3, 5), conv_weights(5, 7)), 2 * 3 * 5 * 7),
        (one("Softmax", (1, 9)), 0),
        (one("LRN", (1, 9, 2, 2), size=3), 0),
    ],
    ids=lambda value: "" if isinstance(value, int) else value.model.graph[0].op_type,
)
def test_macs_are_what_the_counting_rule_says(network: Network, macs: int) -> None:
    assert macs_of(network.model.graph[0]) == macs


# What is too large, and what is nothing.


def test_a_reshape_too_large_to_follow_is_not_followed() -> None:
    network = one("Reshape", (1, 20000, 20000), ints(1, 2, 200_000_000))
    need = demand(network, {"y0": Region((None, (0,)))})
    (refusal,) = need.refusals
    assert "too large" in refusal.reason and need.regions["x"].is_whole


def test_a_large_reshape_of_few_wanted_elements_is_followed() -> None:
    network = one("Reshape", (1, 20000, 20000), ints(1, 4, 100_000_000))
    need = demand(network, {"y0": Region((None, (1,), (0, 5)))})
    assert not need.refusals and need.regions["x"].axis(1) == (5000,)


@pytest.mark.parametrize("op_type", ["Slice", "Gather", "Split"])
def test_selecting_nothing_leaves_what_comes_before_whole(op_type: str) -> None:
    constants = {
        "Slice": [ints(2), ints(2), ints(1)],
        "Gather": [ints()],
        "Split": [ints(0, 6)],
    }[op_type]
    names = [f"c{i}" for i in range(len(constants))]
    how = {} if op_type == "Slice" else {"axis": 1}
    made = ["a", "rest"] if op_type == "Split" else ["a"]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"]),
        helper.make_node(op_type, ["h", *names], made, **how),
        helper.make_node("Concat", ["a", "x"], ["y"], axis=1),
    ]
    weights = dict(zip(names, constants, strict=True), w=conv_weights(6, 3, 1, 1))
    network = network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y", "a"], weights=weights)
    small, need = narrowed(network, {1: [0, 2]})
    assert "selects nothing" in need.refusals[0].reason and filters(small) == (6, 3, 1, 1)


def test_a_reshape_of_nothing_is_carried_along() -> None:
    nodes = [
        helper.make_node("Slice", ["x", "none", "none", "axis"], ["a"]),
        helper.make_node("Reshape", ["a", "shape"], ["b"]),
        helper.make_node("Concat", ["b", "b"], ["y"], axis=0),
    ]
    weights = {"none": ints(0), "axis": ints(1), "shape": ints(5, 0)}
    weights["shape"] = ints(1, 0)
    network = network_of(nodes, inputs={"x": (1, 5, 3)}, outputs=["y"], weights=weights)
    narrowed(network, {0: [1]})


def test_an_operation_of_another_domain_has_no_rule() -> None:
    network = one("Relu", (1, 3))
    (relu,) = network.model.graph
    assert rule_for(relu) is not None
    relu.domain = "acme"
    assert rule_for(relu) is None


# Weights that are zero.


def block_diagonal() -> np.ndarray:
    weights = conv_weights(4, 6)
    weights[:2, 3:] = weights[2:, :3] = 0
    return weights


@pytest.mark.parametrize(
    ("op_type", "shape", "weights", "attributes"),
    [
        ("Gemm", (1, 6), block_diagonal(), {"transB": 1}),
        ("Gemm", (6, 1), block_diagonal().T.copy(), {"transA": 1}),
        ("MatMul", (1, 6), block_diagonal().T.copy(), {}),
        ("MatMul", (1, 6), block_diagonal().T.copy()[None], {}),
        ("Conv", (1, 6, 4, 4), block_diagonal()[:, :, None, None], {}),
    ],
)
def test_of_block_diagonal_weights_only_the_block_is_needed(
    op_type: str, shape: tuple[int, ...], weights: np.ndarray, attributes: dict[str, Any]
) -> None:
    network = one(op_type, shape, weights, **attributes)
    axis = len(network.outputs[0].shape) - 1 if op_type != "Conv" else 1
    small, need = narrowed(network, {axis: [2, 3]})
    wanted = need.regions["x"]
    assert (3, 4, 5) in wanted.axes and not need.refusals
    assert all(math.prod(s) <= 2 * 6 for s in shapes(small))


def test_what_others_need_is_not_picked_from_for_zeros() -> None:
    """A copy of the input without a channel would cost more than its zero weights."""
    weights = conv_weights(4, 6, 1, 1)
    weights[:, 2] = 0
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Conv", ["a", "w"], ["y"]),
        helper.make_node("Sigmoid", ["a"], ["z"]),
    ]
    network = network_of(
        nodes, inputs={"x": (1, 6, 4, 4)}, outputs=["y", "z"], weights={"w": weights}
    )
    small, _ = narrowed(network, {1: [0, 3]})
    assert [n.op_type for n in small.model.graph] == ["Relu", "Conv", "Sigmoid"]
    assert filters(small) == (2, 6, 1, 1)


@pytest.mark.parametrize(
    ("op_type", "attributes"), [("Gemm", {}), ("Gemm", {"transA": 1, "transB": 1}), ("MatMul", {})]
)
def test_products_do_not_pick_from_what_others_need_either(
    op_type: str, attributes: dict[str, int]
) -> None:
    weights, shape = conv_weights(6, 4), (3, 6)
    weights[2] = 0
    if attributes:
        weights, shape = weights.T.copy(), (6, 3)
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node(op_type, ["a", "w"], ["y"], **attributes),
        helper.make_node("Sigmoid", ["a"], ["z"]),
    ]
    network = network_of(nodes, inputs={"x": shape}, outputs=["y", "z"], weights={"w": weights})
    small, need = narrowed(network, {1: [0, 3]})
    assert [n.op_type for n in small.model.graph] == ["Relu", op_type, "Sigmoid"]
    assert (0, 1, 3, 4, 5) in need.regions["w"].axes


def test_rows_of_zeros_leave_one_channel_to_compute_them_from() -> None:
    weights = conv_weights(4, 6, 1, 1)
    weights[1] = 0
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Conv", ["a", "w"], ["y"])]
    network = network_of(nodes, inputs={"x": (1, 6, 4, 4)}, outputs=["y"], weights={"w": weights})
    small, need = narrowed(network, {1: [1]})
    assert need.regions["a"].axis(1) == (0,) and filters(small) == (1, 1, 1, 1)


def test_an_operation_without_a_rule_is_no_refusal_where_all_of_it_is_wanted() -> None:
    network = one("LRN", (1, 6, 4, 4), size=3)
    assert not demand(network, {}).refusals
    assert narrowed(network, {1: [1]})[1].refusals


@pytest.mark.parametrize(("before", "after"), [((2, 3), (4,)), ((2, 3), (2, 3, 2)), ((0, 3), (0,))])
def test_shapes_that_no_reshape_joins_are_not_understood(
    before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    with pytest.raises(Unsupported):
        list(blocks(before, after))


def test_a_shape_that_is_not_known_is_told_by_name() -> None:
    with pytest.raises(Unsupported, match="an absent input"):
        shape_of(None)
    with pytest.raises(Unsupported, match="'x'"):
        shape_of(ir.Value(name="x"))


def test_scales_of_blocks_are_refused() -> None:
    scale = np.array([0.1, 0.2], np.float32)
    network = one("QuantizeLinear", (8,), scale, opset=21, axis=0, block_size=4)
    assert "blocks" in narrowed(network, {0: [1, 6]})[1].refusals[0].reason


def test_a_batch_normalisation_that_is_still_in_training_is_refused() -> None:
    numbers = {name: np.ones(6, np.float32) for name in "abcd"}
    nodes = [
        helper.make_node(
            "BatchNormalization", ["x", *numbers], ["y", "mean", "variance"], training_mode=1
        )
    ]
    network = network_of(nodes, inputs={"x": (3, 6)}, outputs=["y"], weights=numbers)
    assert "in training" in narrowed(network, {0: [1]})[1].refusals[0].reason


def test_a_dropout_that_is_still_in_training_is_refused() -> None:
    def dropout(training: bool) -> Network:
        return one("Dropout", (3, 6), np.array(0.5, np.float32), np.array(training))

    assert "at random" in demand(dropout(True), {"y0": Region(((1,),))}).refusals[0].reason
    assert not narrowed(dropout(False), {0: [1]})[1].refusals


# Single elements.


def test_elements_are_scattered_along_an_axis_that_is_counted_from_the_end() -> None:
    places = np.random.default_rng(0).permuted(np.tile(np.arange(4), (3, 1)), axis=1)
    updates = conv_weights(3, 4)
    _, need = narrowed(
        one("ScatterElements", (3, 4), places, updates, axis=-1), {0: [1], 1: [0, 2]}
    )
    assert need.regions["x"].axes == ((1,), None)


def test_elements_are_gathered_along_an_axis_that_is_counted_from_the_end() -> None:
    places = np.random.default_rng(0).integers(0, 4, (3, 4))
    _, need = narrowed(one("GatherElements", (3, 4), places, axis=-1), {0: [1], 1: [0, 2]})
    assert need.regions["x"].axes == ((1,), None)


def test_what_lies_behind_named_places_passes_demand_on() -> None:
    places, updates = np.array([[0, 3], [4, 1], [2, 2]]), conv_weights(3, 6)
    _, need = narrowed(one("ScatterND", (5, 4, 6), places, updates), {0: [1, 4], 2: [1, 2]})
    assert need.regions["x"].axes == (None, None, (1, 2))
    assert need.regions["c1"].axes == (None, (1, 2))
    batches = np.array([[[4], [1]], [[0], [0]], [[2], [3]]])
    _, need = narrowed(one("GatherND", (3, 5, 4), batches, batch_dims=1), {0: [0, 2], 2: [1, 3]})
    assert need.regions["x"].axes == ((0, 2), None, (1, 3))
    assert need.regions["c0"].axes == ((0, 2), None, None)


@pytest.mark.parametrize("op_type", ["ScatterElements", "GatherElements"])
def test_elements_along_the_first_axis(op_type: str) -> None:
    places = np.random.default_rng(0).permuted(np.tile(np.arange(3), (3, 1)), axis=1).T.copy()
    more = [conv_weights(3, 3)] if op_type == "ScatterElements" else []
    _, need = narrowed(one(op_type, (3, 3), places, *more), {0: [1], 1: [0, 2]})
    assert need.regions["x"].axes == (None, (0, 2))


@pytest.mark.parametrize(
    ("op_type", "inputs"), [("Expand", ["x", "shape"]), ("Resize", ["x", "", "", "shape"])]
)
def test_what_takes_a_shape_that_is_computed_is_refused(op_type: str, inputs: list[str]) -> None:
    nodes = [
        helper.make_node("Cast", ["sizes"], ["shape"], to=TensorProto.INT64),
        helper.make_node(op_type, inputs, ["y"], name="node"),
    ]
    proto = proto_of(nodes, inputs={"x": (1, 6), "sizes": (2,)}, outputs=["y"])
    shown = helper.make_tensor_value_info("y", TensorProto.FLOAT, (3, 6))
    proto.graph.output[0].CopyFrom(shown)
    network = from_proto(proto, name="graph", where="graph.onnx", digest="")
    (refusal,) = demand(network, {"y": Region((None, (1,)))}).refusals
    assert refusal.node == "node" and "not a constant" in refusal.reason


def test_an_axis_that_is_not_repeated_passes_demand_on() -> None:
    _, need = narrowed(one("Tile", (3, 4, 5), ints(1, 2, 1)), {0: [1], 1: [0, 5], 2: [2, 3]})
    assert need.regions["x"].axes == ((1,), None, (2, 3))


# What of an input is asked for, and whether an axis is said to stop the cut.

SIX = np.linspace(0.5, 2, 6, dtype=np.float32)
NORMAL = one("BatchNormalization", (2, 6, 3), *[SIX] * 4)
GROUPED = one("GroupNormalization", (2, 6, 3), SIX, SIX, num_groups=2, opset=21)
LAYERED = one("LayerNormalization", (2, 5, 6), SIX)
RECURRENT = one("RNN", (5, 2, 3), conv_weights(1, 4, 3), conv_weights(1, 4, 4), hidden_size=4)
DOUBLED = one("Resize", (2, 5, 6), None, np.array([1, 1, 2], np.float32))
OF_UNIT_LENGTH = one("LpNormalization", (2, 5, 6))


@pytest.mark.parametrize(
    ("network", "wanted", "asked"),
    [
        (NORMAL, {0: [1], 1: [2], 2: [0, 1]}, ((1,), (2,), (0, 1))),
        (one("InstanceNormalization", (2, 6, 3), SIX, SIX), {0: [1], 1: [2]}, ((1,), (2,), None)),
        (GROUPED, {0: [1], 1: [3, 4, 5]}, ((1,), (3, 4, 5), None)),
        (LAYERED, {0: [1], 1: [2, 3]}, ((1,), (2, 3), None)),
        (one("LayerNormalization", (2, 6), SIX, axis=1), {0: [1]}, ((1,), None)),
        (OF_UNIT_LENGTH, {0: [1], 1: [2, 3]}, ((1,), (2, 3), None)),
        (one("Softmax", (2, 5, 6)), {0: [1], 1: [2, 3]}, ((1,), (2, 3), None)),
        (one("CumSum", (2, 5, 6), ints(-1)), {0: [1], 1: [2, 3]}, ((1,), (2, 3), None)),
        (one("MaxPool", (2, 6, 4), kernel_shape=[2]), {0: [1], 1: [2]}, ((1,), (2,), None)),
        (one("QuantizeLinear", (2, 6, 3), SIX), {0: [1], 1: [2, 3]}, ((1,), (2, 3), None)),
        (DOUBLED, {0: [1], 1: [2]}, ((1,), (2,), None)),
        (one("ArgMax", (2, 5, 6), axis=-1), {0: [1], 1: [2, 3]}, ((1,), (2, 3), None)),
    ],
    ids=lambda value: value.model.graph[0].op_type if isinstance(value, Network) else "",
)
def test_axes_that_nothing_couples_pass_demand_on(
    network: Network, wanted: Mapping[int, Sequence[int]], asked: tuple[object, ...]
) -> None:
    _, need = narrowed(network, wanted)
    assert need.regions["x"].axes == asked and not need.refusals


@pytest.mark.parametrize(
    ("network", "wanted", "asked"),
    [
        (GROUPED, {1: [4]}, (None, (3, 4, 5), None)),
        (LAYERED, {1: [1], 2: [3]}, (None, (1,), None)),
        (OF_UNIT_LENGTH, {1: [1], 2: [3]}, (None, (1,), None)),
        (one("CumSum", (2, 5, 6), ints(2)), {1: [1], 2: [3]}, (None, (1,), None)),
        (RECURRENT, {3: [1]}, (None, None, None)),
    ],
    ids=lambda value: value.model.graph[0].op_type if isinstance(value, Network) else "",
)
def test_axes_that_are_coupled_are_needed_whole_and_said_to_stop_the_cut(
    network: Network, wanted: Mapping[int, Sequence[int]], asked: tuple[object, ...]
) -> None:
    _, need = narrowed(network, wanted)
    assert need.regions["x"].axes == asked
    (refusal,) = need.refusals
    assert refusal.op_type in refusal.reason
