"""Convolutions: plain, depthwise, grouped and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters.layout import NHWC
from edgecut.emitters.tflite_graph import Array
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    operand,
    pair,
    shape_of,
)
from edgecut.emitters.tflite_ops import padding
from edgecut.emitters.tflite_ops.activation import fused

if TYPE_CHECKING:
    import onnx_ir as ir


def convolution(ctx: Lowering, node: ir.Node) -> None:
    """CONV_2D (grouped too), or DEPTHWISE_CONV_2D where each group has one input channel."""
    weights = ctx.array(operand(node, 1), "weights")
    if weights.ndim != 4:
        raise Unsupported(f"it is a {weights.ndim - 2}-D convolution, only 2-D ones are emitted")
    source, taken_over = padding.before_convolution(ctx, first(node))
    lengths, counts = shape_of(source)[2:], shape_of(node.outputs[0])[2:]
    height, width = padding.windows(node, lengths, counts, weights.shape[2:])
    height = replace(height, begin=height.begin + taken_over[0])
    width = replace(width, begin=width.begin + taken_over[1])
    tensor, code = padding.place(ctx, padding.image(ctx, source), (height, width))
    groups = node.attributes.get_int("group", 1)
    depthwise = groups > 1 and weights.shape[1] == 1
    filters = _filters(ctx, node, weights.transpose(1, 2, 3, 0) if depthwise else _ohwi(weights))
    inputs = [tensor, filters, _bias(ctx, node, weights.shape[0])]
    down, right = pair(node.attributes.get_ints("dilations"), 1)
    result, activation = fused(ctx, node)
    fields = {
        "padding": code,
        "strideH": height.stride,
        "strideW": width.stride,
        "dilationHFactor": down,
        "dilationWFactor": right,
        "fusedActivationFunction": activation,
    }
    kind, version = "Conv2DOptions", 6 if groups > 1 else 1
    if depthwise:
        kind, version = "DepthwiseConv2DOptions", 1 if down == right == 1 else 2
        fields["depthMultiplier"] = weights.shape[0] // groups
    ctx.graph.operator(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        inputs,
        [ctx.output(result, NHWC)],
        version=version,
        options=kind,
        **fields,
    )


def transposed_convolution(ctx: Lowering, node: ir.Node) -> None:
    """TRANSPOSE_CONV over the full output, then a SLICE where the node crops."""
    weights = ctx.array(operand(node, 1), "weights")
    if weights.ndim != 4 or node.attributes.get_int("group", 1) != 1:
        raise Unsupported("only 2-D transposed convolutions of one group are emitted")
    if pair(node.attributes.get_ints("dilations"), 1) != (1, 1):
        raise Unsupported("TFLite's TRANSPOSE_CONV has no dilation")
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        raise Unsupported("auto_pad of a transposed convolution is not emitted")
    strides = pair(node.attributes.get_ints("strides"), 1)
    pads = node.attributes.get_ints("pads") or [0, 0, 0, 0]
    source, target = shape_of(first(node)), shape_of(node.outputs[0])
    full = [(source[i + 2] - 1) * strides[i] + weights.shape[i + 2] for i in range(2)]
    # Output padding beyond what the kernel reaches holds the bias alone: grow the full output.
    full = [max(full[i], target[i + 2] + pads[i]) for i in range(2)]
    tensor = padding.image(ctx, first(node))
    filters = _filters(ctx, node, weights.transpose(1, 2, 3, 0))
    bias = _bias(ctx, node, weights.shape[1])
    code, size = _crop_by_padding(source, target, weights.shape, strides, pads, full)
    result, activation = fused(ctx, node)
    output = ctx.output(result, NHWC)
    cropped = tuple(size) != tuple(target[2:])
    stored = [target[0], *size, target[1]]
    raw = ctx.like(output, "full", stored) if cropped else output
    inputs = [ctx.parameter("shape", stored), filters, tensor, bias]
    ctx.graph.operator(
        "TRANSPOSE_CONV",
        inputs,
        [raw],
        version=4 if activation else 3,
        options="TransposeConvOptions",
        padding=code,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=activation,
    )
    if cropped:
        begin = ctx.parameter("begin", [0, pads[0], pads[1], 0])
        extent = ctx.parameter("size", [target[0], *target[2:], target[1]])
        ctx.graph.operator("SLICE", [raw, begin, extent], [output], options="SliceOptions")


def _crop_by_padding(
    source: tuple[int, ...],
    target: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, int],
    pads: Sequence[int],
    full: list[int],
) -> tuple[int, list[int]]:
    """SAME and the node's own output size where TFLite's SAME crops alike, else the full one."""
    same = all(
        source[i + 2] == -(-target[i + 2] // strides[i])
        and max((source[i + 2] - 1) * strides[i] + kernel[i + 2] - target[i + 2], 0) // 2 == pads[i]
        for i in range(2)
    )
    return (padding.SAME, list(target[2:])) if same else (padding.VALID, full)


def _ohwi(weights: Array) -> Array:
    return weights.transpose(0, 2, 3, 1)


def _filters(ctx: Lowering, node: ir.Node, weights: Array) -> int:
    value = operand(node, 1)
    assert value is not None
    return ctx.graph.constant(str(value.name), np.ascontiguousarray(_float32(weights)))


def _bias(ctx: Lowering, node: ir.Node, channels: int) -> int:
    value = operand(node, 2)
    if value is None:
        return ctx.graph.constant("edgecut/no_bias", np.zeros(channels, np.float32))
    return ctx.graph.constant(str(value.name), _float32(ctx.array(value, "bias")))


def _float32(array: Array) -> Array:
    if array.dtype != np.float32:
        raise Unsupported(f"its weights are {array.dtype.name}, only float32 is emitted")
    return array


RULES = {"Conv": convolution, "ConvTranspose": transposed_convolution}
