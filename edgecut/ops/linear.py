"""Matrix products: output columns are rows or columns of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.elementwise import aligned
from edgecut.ops.region import Region
from edgecut.ops.rule import Example, Flow, OpRule, Unsupported, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class Gemm(OpRule):
    """alpha * A @ B + beta * C, with A and B possibly transposed; output (rows, columns)."""

    op_types = ("Gemm",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        rows, columns = out.axis(0), out.axis(1)
        a = Region((None, rows) if attribute(node, "transA", 0) else (rows, None))
        b = Region((columns, None) if attribute(node, "transB", 0) else (None, columns))
        needs: tuple[Region | None, ...] = (a, b)
        if len(node.inputs) > 2:
            c = node.inputs[2]
            needs = (a, b, None if c is None else aligned(out, 2, shape_of(c)))
        return Flow(inputs=needs, outputs=(out,))

    def macs(self, node: ir.Node) -> int:
        inner = shape_of(node.inputs[0])[0 if attribute(node, "transA", 0) else 1]
        return prod(shape_of(node.outputs[0])) * inner

    def examples(self) -> Sequence[Example]:
        weights = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
        bias = np.arange(7, dtype=np.float32)
        return (
            Example(op_type="Gemm", inputs=[(2, 5), weights, bias], attributes={"transB": 1}),
            Example(op_type="Gemm", inputs=[(2, 7), weights], attributes={"alpha": 0.5}),
            Example(
                op_type="Gemm",
                inputs=[(5, 2), weights.T.copy(), np.array([1.0], np.float32)],
                attributes={"transA": 1},
            ),
        )


class MatMul(OpRule):
    """A @ B over the last two axes, leading axes broadcast."""

    op_types = ("MatMul",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        a, b = shape_of(node.inputs[0]), shape_of(node.inputs[1])
        rank = len(shape_of(node.outputs[0]))
        if len(a) < 2 or len(b) < 2:
            raise Unsupported("a product with a vector is kept whole")
        lead_a = aligned(out, rank - 2, a[:-2]).axes
        lead_b = aligned(out, rank - 2, b[:-2]).axes
        needs = (
            Region((*lead_a, out.axis(rank - 2), None)),
            Region((*lead_b, None, out.axis(rank - 1))),
        )
        return Flow(inputs=needs, outputs=(out,))

    def macs(self, node: ir.Node) -> int:
        return prod(shape_of(node.outputs[0])) * shape_of(node.inputs[0])[-1]

    def examples(self) -> Sequence[Example]:
        weights = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
        return (
            Example(op_type="MatMul", inputs=[(2, 3, 5), weights]),
            Example(op_type="MatMul", inputs=[(2, 3, 5), (2, 5, 4)]),
            Example(op_type="MatMul", inputs=[(1, 4, 3, 5), (2, 1, 5, 6)]),
        )
