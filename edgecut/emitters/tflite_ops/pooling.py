"""Pooling over windows of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters.layout import NHWC
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    pair,
    shape_of,
)
from edgecut.emitters.tflite_ops import padding
from edgecut.emitters.tflite_ops.activation import fused, non_negative
from edgecut.emitters.tflite_ops.padding import Windows

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.emitters.tflite_graph import Array


def max_pool(ctx: Lowering, node: ir.Node) -> None:
    """MAX_POOL_2D; padding that it lacks is put in as values that cannot win."""
    axes = _windows(node)
    if any(extra.uses() or extra.is_graph_output() for extra in node.outputs[1:]):
        raise Unsupported("its indices are used")
    source = first(node)
    tensor = padding.image(ctx, source)
    if non_negative(ctx, source) or all(axis.is_same for axis in axes):
        tensor, code = padding.place(ctx, tensor, axes)
    else:
        # -inf would stretch an int8 range beyond use. Each window that reaches the padding holds
        # the border too, so the border's own values change no maximum.
        tensor, code = padding.repeat_border(ctx, tensor, padding.around(axes)), padding.VALID
    result, activation = fused(ctx, node)
    _pool(ctx, "MAX_POOL_2D", tensor, ctx.output(result, NHWC), axes, code, activation)


def average_pool(ctx: Lowering, node: ir.Node) -> None:
    """AVERAGE_POOL_2D; where ONNX counts other cells than TFLite, a MUL corrects the mean."""
    axes = _windows(node)
    tensor = padding.image(ctx, first(node))
    counting_pads = node.attributes.get_int("count_include_pad", 0) == 1
    if not counting_pads and all(axis.is_same for axis in axes):
        code, correction = padding.SAME, None
    else:
        # SAME would leave the padding out of the mean.
        if not all(axis.is_valid for axis in axes):
            tensor = padding.pad_tensor(ctx, tensor, padding.around(axes))
        code = padding.VALID
        correction = _correction(node, axes, counting_pads)
    if correction is None:
        result, activation = fused(ctx, node)
        _pool(ctx, "AVERAGE_POOL_2D", tensor, ctx.output(result, NHWC), axes, code, activation)
        return
    output = ctx.output(node.outputs[0], NHWC)
    mean = ctx.like(output, "mean")
    _pool(ctx, "AVERAGE_POOL_2D", tensor, mean, axes, code, 0)
    factor = ctx.graph.constant("edgecut/counts", correction[None, :, :, None])
    ctx.graph.operator("MUL", [mean, factor], [output], options="MulOptions")


def global_max_pool(ctx: Lowering, node: ir.Node) -> None:
    """MAX_POOL_2D over the whole image (REDUCE_MAX has no int8 recipe)."""
    tensor = padding.image(ctx, first(node))
    height, width = (
        Windows(length=length, count=1, kernel=length, stride=length, begin=0)
        for length in shape_of(first(node))[2:]
    )
    result, activation = fused(ctx, node)
    output = ctx.output(result, NHWC)
    _pool(ctx, "MAX_POOL_2D", tensor, output, (height, width), padding.VALID, activation)


def _windows(node: ir.Node) -> tuple[Windows, Windows]:
    if pair(node.attributes.get_ints("dilations"), 1) != (1, 1):
        raise Unsupported("TFLite's pooling has no dilation")
    kernel = pair(node.attributes.get_ints("kernel_shape"), 1)
    lengths, counts = shape_of(first(node))[2:], shape_of(node.outputs[0])[2:]
    axes = padding.windows(node, lengths, counts, kernel)
    if any((axis.count - 1) * axis.stride - axis.begin >= axis.length for axis in axes):
        raise Unsupported("one of its windows lies on padding alone")
    return axes


def _correction(node: ir.Node, axes: tuple[Windows, Windows], counting_pads: bool) -> Array | None:
    """Window size over the number of cells that ONNX counts, None where that is 1 everywhere."""
    pads = node.attributes.get_ints("pads") or [0, 0, 0, 0]
    counts = [
        _counted(axis, (axis.begin, int(pads[i + 2])) if counting_pads else (0, 0))
        for i, axis in enumerate(axes)
    ]
    factors = [axis.kernel / count for axis, count in zip(axes, counts, strict=True)]
    table = np.outer(*factors).astype(np.float32)
    return None if np.all(table == 1) else table


def _counted(axis: Windows, pads: tuple[int, int]) -> Array:
    """For each window, how many of its cells lie on the image or on counted padding."""
    begin = np.arange(axis.count) * axis.stride - axis.begin
    first_cell = np.maximum(begin, -pads[0])
    last_cell = np.minimum(begin + axis.kernel, axis.length + pads[1])
    return last_cell - first_cell


def _pool(
    ctx: Lowering,
    code: str,
    source: int,
    output: int,
    axes: tuple[Windows, Windows],
    padding_code: int,
    activation: int,
) -> None:
    height, width = axes
    ctx.graph.operator(
        code,
        [source],
        [output],
        options="Pool2DOptions",
        padding=padding_code,
        strideH=height.stride,
        strideW=width.stride,
        filterHeight=height.kernel,
        filterWidth=width.kernel,
        fusedActivationFunction=activation,
    )


RULES = {"MaxPool": max_pool, "AveragePool": average_pool, "GlobalMaxPool": global_max_pool}
