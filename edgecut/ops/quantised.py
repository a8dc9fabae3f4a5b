"""Quantisation, each element by the scale of its channel or of the whole tensor, and products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.convolution import members, regrouped, whole_groups
from edgecut.ops.elementwise import aligned
from edgecut.ops.region import WHOLE, Region
from edgecut.ops.rule import Example, Flow, OpRule, Rewrite, Unsupported, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class Quantise(OpRule):
    """QuantizeLinear and DequantizeLinear of x, scale and zero point, either of shape () or (C)."""

    op_types = ("QuantizeLinear", "DequantizeLinear")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, scale = sole(wanted), shape_of(node.inputs[1])
        if attribute(node, "block_size", 0):
            raise Unsupported("its scales are those of blocks")
        own = WHOLE
        if prod(scale) > 1:
            axis = int(attribute(node, "axis", 1)) % len(shape_of(node.inputs[0]))
            own = Region((out.axis(axis),))
        rest = tuple(None if value is None else own for value in node.inputs[1:])
        return Flow(inputs=(out, *rest), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        scales, zeros = random.uniform(0.01, 0.1, 5).astype(np.float32), np.arange(5, dtype=np.int8)
        one, zero = np.array(0.05, np.float32), np.array(3, np.uint8)
        x = (2, 5, 3)
        return (
            Example(op_type="QuantizeLinear", inputs=[x, one, zero]),
            Example(op_type="QuantizeLinear", inputs=[x, scales, zeros]),
            Example(op_type="QuantizeLinear", inputs=[(2, 3, 5), scales], attributes={"axis": -1}),
            Example(op_type="DequantizeLinear", inputs=[x, scales, zeros], of_int8=[0]),
            Example(op_type="DequantizeLinear", inputs=[x, one], of_int8=[0]),
            Example(op_type="DequantizeLinear", inputs=[(3, 2), scales[:2]], of_int8=[0]),
        )


class QLinearConv(OpRule):
    """Convolution of integers: x, weights (M, C/group, ...), each with its scale and zero point.

    The scale and zero point of the weights are of shape () or (M), the bias is of shape (M).
    """

    op_types = ("QLinearConv",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        groups = int(attribute(node, "group", 1))
        rows, kept_groups = whole_groups(out.axis(1), shape_of(node.outputs[0])[1], groups)
        channels = members(kept_groups, shape_of(node.inputs[0])[1], groups)
        x, per_row = Region((out.axis(0), channels)), Region((rows,))
        own = tuple(
            None if value is None else aligned(per_row, 1, shape_of(value))
            for value in node.inputs[4:6]
        )
        needs = (x, WHOLE, WHOLE, per_row, *own, WHOLE, WHOLE, per_row)
        return Flow(inputs=needs[: len(node.inputs)], outputs=(Region((out.axis(0), rows)),))

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        return regrouped(node, flow)

    def macs(self, node: ir.Node) -> int:
        return prod(shape_of(node.outputs[0])) * prod(shape_of(node.inputs[3])[1:])

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        scale, zero = np.array(0.05, np.float32), np.array(3, np.int8)
        scales, zeros = random.uniform(0.01, 0.1, 6).astype(np.float32), np.zeros(6, np.int8)
        bias = random.integers(-99, 99, 6).astype(np.int32)

        def conv(groups: int, *of_weights: np.ndarray) -> Example:
            weights = random.integers(-99, 99, (6, 4 // groups, 3, 3)).astype(np.int8)
            return Example(
                op_type="QLinearConv",
                inputs=[(2, 4, 7, 5), scale, zero, weights, *of_weights, scale, zero, bias],
                of_int8=[0],
                attributes={"group": groups} if groups > 1 else {},
            )

        return (
            conv(1, scales, zeros),
            conv(2, scales, zeros),
            conv(2, scale, np.array(0, np.int8)),
        )
