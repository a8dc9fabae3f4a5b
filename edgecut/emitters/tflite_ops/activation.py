"""Activations: alone, composed of simpler kernels, or fused into the operator before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    operand,
    shape_of,
    sole_consumer,
)

if TYPE_CHECKING:
    import onnx_ir as ir

NONE = 0
_FUSED = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
_INFINITE = 3.4e38

_UNARY = {
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Tanh": "TANH",
    "Neg": "NEG",
    "Abs": "ABS",
    "Exp": "EXP",
    "Log": "LOG",
    "Sqrt": "SQRT",
    "Floor": "FLOOR",
    "Ceil": "CEIL",
    "Round": "ROUND",
}
_TABLES = {"NEG": "NegOptions", "ABS": "AbsOptions", "EXP": "ExpOptions"}


def unary(ctx: Lowering, node: ir.Node) -> None:
    """One input, one kernel of the same meaning."""
    code = _UNARY[node.op_type]
    _apply(ctx, node, code, options=_TABLES.get(code))


def clip(ctx: Lowering, node: ir.Node) -> None:
    """A named kernel where the bounds have one, else MAXIMUM and MINIMUM."""
    low, high = bounds(ctx, node)
    code = _clip_code(low, high)
    if code is not None:
        _apply(ctx, node, code)
        return
    source, output = _ends(ctx, node)
    steps: list[tuple[str, float]] = []
    if low > -_INFINITE:
        steps.append(("RELU" if low == 0 else "MAXIMUM", low))
    if high < _INFINITE:
        steps.append(("MINIMUM", high))
    for i, (kernel, bound) in enumerate(steps):
        target = output if i == len(steps) - 1 else ctx.like(output, kernel.lower())
        if kernel == "RELU":
            ctx.graph.operator(kernel, [source], [target])
        else:
            inputs = [source, ctx.number(bound)]
            ctx.graph.operator(kernel, inputs, [target], options="MaximumMinimumOptions")
        source = target
    if not steps:
        ctx.reshaped(source, ctx.graph.tensors[source].shape, output)


def leaky_relu(ctx: Lowering, node: ir.Node) -> None:
    """LEAKY_RELU with the node's slope."""
    alpha = node.attributes.get_float("alpha", 0.01)
    _apply(ctx, node, "LEAKY_RELU", options="LeakyReluOptions", alpha=alpha)


def elu(ctx: Lowering, node: ir.Node) -> None:
    """ELU, which TFLite has for alpha 1 only."""
    if node.attributes.get_float("alpha", 1.0) != 1.0:
        raise Unsupported("TFLite's ELU has alpha 1 only")
    _apply(ctx, node, "ELU")


def gelu(ctx: Lowering, node: ir.Node) -> None:
    """GELU, exact or by tanh."""
    approximate = node.attributes.get_string("approximate", "none") == "tanh"
    _apply(ctx, node, "GELU", options="GeluOptions", approximate=approximate)


def prelu(ctx: Lowering, node: ir.Node) -> None:
    """PRELU with a constant slope per channel."""
    slope = operand(node, 1)
    array = ctx.array(slope, "slope")
    source = first(node)
    rank = len(shape_of(source))
    permutation = ctx.view(source).permutation
    full = array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(permutation)
    per_channel = full[0] if full.shape[0] == 1 else full
    alpha = ctx.graph.constant(str(slope.name) if slope else "slope", per_channel)
    output = ctx.output(node.outputs[0], permutation)
    ctx.graph.operator("PRELU", [ctx.stored(source, permutation), alpha], [output])


def hard_sigmoid(ctx: Lowering, node: ir.Node) -> None:
    """RELU6(6 alpha x + 6 beta) / 6, which XNNPACK takes in int8 too."""
    alpha = node.attributes.get_float("alpha", 0.2)
    beta = node.attributes.get_float("beta", 0.5)
    source, output = _ends(ctx, node)
    if not math.isclose(6 * alpha, 1, rel_tol=1e-6):
        source = _mul(ctx, source, ctx.number(6 * alpha), ctx.like(output, "scaled"))
    clipped = _add_relu6(ctx, source, 6 * beta, ctx.like(output, "relu6"))
    _mul(ctx, clipped, ctx.number(1 / 6), output)


def hard_swish(ctx: Lowering, node: ir.Node) -> None:
    """RELU6(x + 3) / 6 times x; XNNPACK refuses the kernel HARD_SWISH in int8."""
    source, output = _ends(ctx, node)
    clipped = _add_relu6(ctx, source, 3.0, ctx.like(output, "relu6"))
    gate = _mul(ctx, clipped, ctx.number(1 / 6), ctx.like(output, "gate"))
    _mul(ctx, source, gate, output)


def reciprocal(ctx: Lowering, node: ir.Node) -> None:
    """DIV of 1 by the value."""
    source, output = _ends(ctx, node)
    inputs = [ctx.number(1.0), source]
    ctx.graph.operator("DIV", inputs, [output], options="DivOptions")


def fused(ctx: Lowering, node: ir.Node) -> tuple[ir.Value, int]:
    """What the operator really produces: its output, or that of the activation it swallows.

    Call it last, once nothing can be unsupported any more: the activation is then done with.
    """
    output = node.outputs[0]
    follower = sole_consumer(output)
    code = None
    if follower is not None and follower.op_type == "Relu":
        code = "RELU"
    elif follower is not None and follower.op_type == "Clip" and first(follower) is output:
        try:
            code = _clip_code(*bounds(ctx, follower))
        except Unsupported:
            code = None
    if follower is None or code not in _FUSED:
        return output, NONE
    ctx.absorbed.add(follower)
    return follower.outputs[0], _FUSED[code]


def bounds(ctx: Lowering, node: ir.Node) -> tuple[float, float]:
    """The bounds of a Clip, infinite where left out."""
    low = _bound(ctx, node, 1, "min", -math.inf)
    high = _bound(ctx, node, 2, "max", math.inf)
    return low, high


def non_negative(ctx: Lowering, value: ir.Value) -> bool:
    """Whether the value is known never to be below zero."""
    node = value.producer()
    if node is None:
        return False
    if node.op_type in ("Relu", "Sigmoid", "Softmax", "HardSigmoid", "Exp", "Abs", "Sqrt"):
        return True
    if node.op_type == "Clip":
        return bounds(ctx, node)[0] >= 0
    if node.op_type in ("MaxPool", "AveragePool", "Reshape", "Transpose", "Slice", "Split"):
        return non_negative(ctx, first(node))
    if node.op_type == "Concat":
        return all(v is not None and non_negative(ctx, v) for v in node.inputs)
    return False


def _bound(ctx: Lowering, node: ir.Node, index: int, name: str, default: float) -> float:
    values = ctx.setting(node, index, name)
    return default if values is None else float(values[0])


def _clip_code(low: float, high: float) -> str | None:
    if low == 0 and high > _INFINITE:
        return "RELU"
    return {(0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}.get((low, high))


def _ends(ctx: Lowering, node: ir.Node) -> tuple[int, int]:
    view = ctx.view(first(node))
    return view.tensor, ctx.output(node.outputs[0], view.permutation)


def _apply(
    ctx: Lowering,
    node: ir.Node,
    code: str,
    *,
    version: int = 1,
    options: str | None = None,
    **values: float | bool,
) -> None:
    source, output = _ends(ctx, node)
    ctx.graph.operator(code, [source], [output], version=version, options=options, **values)


def _mul(ctx: Lowering, left: int, right: int, output: int) -> int:
    ctx.graph.operator("MUL", [left, right], [output], options="MulOptions")
    return output


def _add_relu6(ctx: Lowering, source: int, offset: float, output: int) -> int:
    inputs = [source, ctx.number(float(np.float32(offset)))]
    ctx.graph.operator(
        "ADD", inputs, [output], options="AddOptions", fusedActivationFunction=_FUSED["RELU6"]
    )
    return output


RULES = dict.fromkeys(_UNARY, unary) | {
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "Elu": elu,
    "Gelu": gelu,
    "PRelu": prelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Reciprocal": reciprocal,
}
