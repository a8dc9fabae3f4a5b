"""Reductions over axes, and softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.emitters import layout
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    shape_of,
)

if TYPE_CHECKING:
    import onnx_ir as ir

_KERNELS = {
    "ReduceMean": "MEAN",
    "ReduceSum": "SUM",
    "ReduceMax": "REDUCE_MAX",
    "ReduceMin": "REDUCE_MIN",
    "GlobalAveragePool": "MEAN",
}
_SOFTMAX: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Softmax": ("SOFTMAX", "SoftmaxOptions", {"beta": 1.0}),
    "LogSoftmax": ("LOG_SOFTMAX", "LogSoftmaxOptions", {}),
}
# From this opset on softmax works on one axis; before, on all from that axis to the last.
_ONE_AXIS_OPSET = 13


def reduction(ctx: Lowering, node: ir.Node) -> None:
    """MEAN, SUM, REDUCE_MAX or REDUCE_MIN over wherever the axes are stored."""
    source = first(node)
    view = ctx.view(source)
    rank = len(view.permutation)
    axes = _axes(ctx, node, rank)
    keep = node.attributes.get_int("keepdims", 1) == 1
    if not axes:
        raise Unsupported("it reduces no axis")
    permutation = view.permutation if keep else layout.without(view.permutation, axes)
    stored = sorted(view.permutation.index(axis) for axis in axes)
    output = ctx.output(node.outputs[0], permutation)
    inputs = [view.tensor, ctx.parameter("axes", stored)]
    ctx.graph.operator(
        _KERNELS[node.op_type], inputs, [output], options="ReducerOptions", keepDims=keep
    )


def softmax(ctx: Lowering, node: ir.Node) -> None:
    """SOFTMAX over the last stored axis, to which the node's axis is brought."""
    source, result = first(node), node.outputs[0]
    shape = shape_of(source)
    rank = len(shape)
    one_axis = ctx.opset >= _ONE_AXIS_OPSET
    axis = node.attributes.get_int("axis", -1 if one_axis else 1) % rank
    together = [axis] if one_axis else [a for a in range(axis, rank) if shape[a] != 1] or [axis]
    if len(together) == 1:
        axis = together[0]
        order = [a for a in ctx.view(source).permutation if a != axis]
        permutation = (*order, axis)
        tensor = ctx.stored(source, permutation)
        _softmax(ctx, node, tensor, ctx.output(result, permutation))
        return
    permutation = layout.logical(rank)
    inner = int(np.prod(shape[axis:]))
    flat = ctx.reshaped(ctx.stored(source, permutation), [int(np.prod(shape)) // inner, inner])
    done = ctx.like(flat, "softmax")
    _softmax(ctx, node, flat, done)
    ctx.reshaped(done, shape, ctx.output(result, permutation))


def _softmax(ctx: Lowering, node: ir.Node, source: int, output: int) -> None:
    code, options, fields = _SOFTMAX[node.op_type]
    ctx.graph.operator(code, [source], [output], options=options, **fields)


def _axes(ctx: Lowering, node: ir.Node, rank: int) -> list[int]:
    if node.op_type == "GlobalAveragePool":
        return list(range(2, rank))
    given = ctx.setting(node, 1, "axes")
    if given:
        return [int(axis) % rank for axis in given]
    return [] if node.attributes.get_int("noop_with_empty_axes", 0) else list(range(rank))


RULES = dict.fromkeys(_KERNELS, reduction) | dict.fromkeys(_SOFTMAX, softmax)
