"""Arithmetic of two or more values, with broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters.layout import Permutation
from edgecut.emitters.tflite_graph import Array
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    operand,
    padded,
    shape_of,
)
from edgecut.emitters.tflite_ops.activation import fused

if TYPE_CHECKING:
    import onnx_ir as ir

_KERNELS = {
    "Add": ("ADD", "AddOptions"),
    "Sum": ("ADD", "AddOptions"),
    "Sub": ("SUB", "SubOptions"),
    "Mul": ("MUL", "MulOptions"),
    "Div": ("DIV", "DivOptions"),
    "Max": ("MAXIMUM", "MaximumMinimumOptions"),
    "Min": ("MINIMUM", "MaximumMinimumOptions"),
}
_FUSING = ("ADD", "SUB", "MUL", "DIV")


def arithmetic(ctx: Lowering, node: ir.Node) -> None:
    """A chain of two-operand kernels, all in the storage order of the operands' meeting."""
    values = [value for value in node.inputs if value is not None]
    code, options = _KERNELS[node.op_type]
    permutation = ctx.common(values)
    if code == "DIV" and (divisor := ctx.constant(values[1])) is not None:
        # One rounding apart from dividing, and int8 kernels have MUL but not DIV.
        code, options = "MUL", "MulOptions"
        factor = _constant(ctx, values[1], permutation, 1 / divisor.astype(np.float64))
        tensors = [stored(ctx, values[0], permutation), factor]
    else:
        tensors = [stored(ctx, value, permutation) for value in values]
    result, activation = fused(ctx, node) if code in _FUSING else (node.outputs[0], 0)
    output = ctx.output(result, permutation)
    if len(tensors) == 1:
        ctx.reshaped(tensors[0], ctx.graph.tensors[output].shape, output)
    last = len(tensors) - 1
    for i in range(1, len(tensors)):
        target = output if i == last else ctx.like(output, f"step{i}")
        extra = {"fusedActivationFunction": activation} if code in _FUSING and i == last else {}
        inputs = [tensors[0], tensors[i]]
        ctx.graph.operator(code, inputs, [target], options=options, **extra)
        tensors[0] = target


def power(ctx: Lowering, node: ir.Node) -> None:
    """MUL for a square, SQRT for a half, else POW with a constant exponent."""
    exponent = ctx.array(operand(node, 1), "exponent")
    source = first(node)
    view = ctx.view(source)
    output = ctx.output(node.outputs[0], view.permutation)
    if exponent.size == 1 and float(exponent.ravel()[0]) == 2.0:
        inputs = [view.tensor, view.tensor]
        ctx.graph.operator("MUL", inputs, [output], options="MulOptions")
    elif exponent.size == 1 and float(exponent.ravel()[0]) == 0.5:
        ctx.graph.operator("SQRT", [view.tensor], [output])
    elif exponent.ndim > len(shape_of(source)):
        raise Unsupported("its exponent has more axes than its base")
    else:
        value = node.inputs[1]
        assert value is not None
        right = _constant(ctx, value, view.permutation, exponent)
        ctx.graph.operator("POW", [view.tensor, right], [output], options="PowOptions")


def batch_normalization(ctx: Lowering, node: ir.Node) -> None:
    """MUL and ADD per channel: statistics are constant at inference."""
    scale, bias, mean, variance = (
        ctx.array(operand(node, i), "statistics").astype(np.float64) for i in range(1, 5)
    )
    factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    offset = bias - mean * factor
    source = first(node)
    view = ctx.view(source)
    shape = (-1, *(1,) * (len(shape_of(source)) - 2))
    named = node.inputs[1], node.inputs[2]
    constants = [
        _constant(ctx, value, view.permutation, array.reshape(shape))
        for value, array in zip(named, (factor, offset), strict=True)
        if value is not None
    ]
    result, activation = fused(ctx, node)
    output = ctx.output(result, view.permutation)
    scaled = ctx.like(output, "scaled")
    ctx.graph.operator("MUL", [view.tensor, constants[0]], [scaled], options="MulOptions")
    ctx.graph.operator(
        "ADD",
        [scaled, constants[1]],
        [output],
        options="AddOptions",
        fusedActivationFunction=activation,
    )


def stored(ctx: Lowering, value: ir.Value, permutation: Permutation) -> int:
    """An operand in this storage order; constants without the axes that broadcasting adds."""
    array = ctx.constant(value)
    if array is None:
        return ctx.stored(value, permutation)
    return _constant(ctx, value, permutation, array)


def _constant(ctx: Lowering, value: ir.Value, permutation: Permutation, array: Array) -> int:
    full = array.reshape(padded(array.shape, len(permutation))).transpose(permutation)
    needed = [axis for axis, length in enumerate(full.shape) if length != 1]
    kept = full.shape[needed[0] :] if needed else ()
    return ctx.graph.constant(str(value.name), full.reshape(kept).astype(np.float32))


RULES = dict.fromkeys(_KERNELS, arithmetic) | {
    "Pow": power,
    "BatchNormalization": batch_normalization,
}
