"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters import layout
from edgecut.emitters.tflite_graph import Array
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    operand,
    padded,
    shape_of,
    sole_consumer,
)
from edgecut.emitters.tflite_ops.activation import fused

if TYPE_CHECKING:
    import onnx_ir as ir


def gemm(ctx: Lowering, node: ir.Node) -> None:
    """FULLY_CONNECTED with constant weights and bias."""
    weights = ctx.array(operand(node, 1), "weights")
    if node.attributes.get_int("transA", 0):
        raise Unsupported("a transposed first operand is not emitted")
    if node.attributes.get_int("transB", 0):
        weights = weights.T
    weights = weights * np.float32(node.attributes.get_float("alpha", 1.0))
    bias: Array = np.zeros(weights.shape[1], np.float32)
    if operand(node, 2) is not None:
        given = ctx.array(operand(node, 2), "bias")
        bias = bias + np.float32(node.attributes.get_float("beta", 1.0)) * _row(given)
    _fully_connected(ctx, node, weights, bias, node)


def matmul(ctx: Lowering, node: ir.Node) -> None:
    """FULLY_CONNECTED where the second operand is a constant matrix, else BATCH_MATMUL."""
    weights = ctx.constant(operand(node, 1))
    if weights is None or not _is_matrix(weights) or ctx.constant(first(node)) is not None:
        _batch_matmul(ctx, node)
        return
    last, bias = _added_bias(ctx, node, weights.shape[1])
    _fully_connected(ctx, node, weights, bias, last)


def _fully_connected(
    ctx: Lowering, node: ir.Node, weights: Array, bias: Array, last: ir.Node
) -> None:
    """Multiply by ``weights`` (inputs, outputs) and store what node ``last`` produces."""
    tensor, order, weights = _features(ctx, first(node), weights)
    value = node.inputs[1]
    assert value is not None
    if last is not node:
        ctx.absorbed.add(last)
    result, activation = fused(ctx, last)
    rank = len(order)
    inputs = [
        tensor,
        ctx.graph.constant(str(value.name), np.ascontiguousarray(weights.T)),
        ctx.graph.constant(f"{result.name}/bias", bias.astype(np.float32)),
    ]
    ctx.graph.operator(
        "FULLY_CONNECTED",
        inputs,
        [ctx.output(result, order)],
        version=1 if rank == 2 else 5,
        options="FullyConnectedOptions",
        keepNumDims=rank > 2,
        fusedActivationFunction=activation,
    )


def _features(
    ctx: Lowering, value: ir.Value, weights: Array
) -> tuple[int, layout.Permutation, Array]:
    """The operand with its features stored last, and the weights in the features' order."""
    rank = len(shape_of(value))
    flattened = value.producer()
    if flattened is not None and keeps_order(ctx, flattened):
        source = first(flattened)
        view = ctx.view(source)
        shape = shape_of(source)
        order = view.permutation[1:]
        rows = np.arange(weights.shape[0]).reshape(shape[1:]).transpose([a - 1 for a in order])
        return ctx.reshaped(view.tensor, shape_of(value)), (0, 1), weights[rows.ravel()]
    outer = [axis for axis in ctx.view(value).permutation if axis != rank - 1]
    permutation = (*outer, rank - 1)
    return ctx.stored(value, permutation), permutation, weights


def keeps_order(ctx: Lowering, node: ir.Node) -> bool:
    """Whether a flattening need not move data, as all that reads it are products with weights.

    Their rows can be put into the order in which the image is stored.
    """
    if node.op_type not in ("Flatten", "Reshape"):
        return False
    before, after = shape_of(first(node)), shape_of(node.outputs[0])
    if len(before) < 3 or len(after) != 2 or before[0] != after[0]:
        return False
    if node.outputs[0].is_graph_output() or ctx.view(first(node)).permutation[0] != 0:
        return False
    return all(
        use.idx == 0
        and use.node.op_type in ("Gemm", "MatMul")
        and not use.node.attributes.get_int("transA", 0)
        and _is_matrix(ctx.constant(operand(use.node, 1)))
        for use in node.outputs[0].uses()
    )


def _batch_matmul(ctx: Lowering, node: ir.Node) -> None:
    left, right = first(node), operand(node, 1)
    assert right is not None
    rank = max(len(shape_of(left)), len(shape_of(right)))
    if min(len(shape_of(left)), len(shape_of(right))) < 2:
        raise Unsupported("it multiplies by a vector")
    (x, flip_x), (y, flip_y) = (_matrices(ctx, value, rank) for value in (left, right))
    output = ctx.output(node.outputs[0], layout.logical(rank))
    ctx.graph.operator(
        "BATCH_MATMUL",
        [x, y],
        [output],
        options="BatchMatMulOptions",
        adjX=flip_x,
        adjY=flip_y,
    )


def _matrices(ctx: Lowering, value: ir.Value, rank: int) -> tuple[int, bool]:
    """The operand with matrices last, and whether they are stored transposed."""
    straight = layout.logical(rank)
    flipped = (*straight[:-2], rank - 1, rank - 2)
    if ctx.constant(value) is None:
        stored = layout.with_leading(ctx.view(value).permutation, rank)
        shape = padded(shape_of(value), rank)
        if layout.moves_data(shape, stored, straight) and not layout.moves_data(
            shape, stored, flipped
        ):
            return ctx.stored(value, flipped), True
    return ctx.stored(value, straight), False


def _added_bias(ctx: Lowering, node: ir.Node, length: int) -> tuple[ir.Node, Array]:
    """The Add of a constant row that alone reads the product, and that row."""
    follower = sole_consumer(node.outputs[0])
    if follower is not None and follower.op_type == "Add":
        others = [value for value in follower.inputs if value is not node.outputs[0]]
        array = ctx.constant(others[0]) if len(others) == 1 else None
        if array is not None and array.size == array.shape[-1] == length:
            return follower, array.ravel()
    return node, np.zeros(length, np.float32)


def _is_matrix(array: Array | None) -> bool:
    return array is not None and array.ndim == 2


def _row(bias: Array) -> Array:
    if bias.ndim > 1 and bias.shape[0] != 1:
        raise Unsupported("its bias differs from row to row")
    return bias.ravel()


RULES = {"Gemm": gemm, "MatMul": matmul}
