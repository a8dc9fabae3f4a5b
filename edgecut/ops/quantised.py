"""Quantisation: each element by the scale of its channel, or of the whole tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import WHOLE, Region
from edgecut.ops.rule import Example, Flow, OpRule, Unsupported, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class Quantise(OpRule):
    """QuantizeLinear and DequantizeLinear of x, scale and zero point, either of shape () or (C)."""

    op_types = ("QuantizeLinear", "DequantizeLinear")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, scale = sole(wanted), shape_of(node.inputs[1])
        if len(scale) > 1 or attribute(node, "block_size", 0):
            raise Unsupported("its scales are those of blocks")
        per_tensor = not scale or scale == (1,)
        axis = 0 if per_tensor else int(attribute(node, "axis", 1)) % len(shape_of(node.inputs[0]))
        own = WHOLE if per_tensor else Region((out.axis(axis),))
        rest = tuple(None if value is None else own for value in node.inputs[1:])
        return Flow(inputs=(out, *rest), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        scales, zeros = random.uniform(0.01, 0.1, 5).astype(np.float32), np.arange(5, dtype=np.int8)
        weights = random.integers(-128, 128, (4, 5, 3)).astype(np.int8)
        one, zero = np.array(0.05, np.float32), np.array(3, np.uint8)
        return (
            Example(op_type="QuantizeLinear", inputs=[(2, 5, 3), one, zero]),
            Example(op_type="QuantizeLinear", inputs=[(2, 5, 3), scales, zeros]),
            Example(op_type="QuantizeLinear", inputs=[(2, 3, 5), scales], attributes={"axis": -1}),
            Example(op_type="DequantizeLinear", inputs=[weights, scales, zeros]),
            Example(op_type="DequantizeLinear", inputs=[weights, one]),
        )
