"""Matrix products: output columns are rows or columns of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.elementwise import aligned
from edgecut.ops.region import Region
from edgecut.ops.rule import Example, Flow, OpRule, Unsupported, attribute, shape_of, sole
from edgecut.ops.zeros import reached

if TYPE_CHECKING:
    import onnx_ir as ir


class Gemm(OpRule):
    """alpha * A @ B + beta * C, with A and B possibly transposed; output (rows, columns)."""

    op_types = ("Gemm",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        rows, columns = out.axis(0), out.axis(1)
        inner_a = 0 if attribute(node, "transA", 0) else 1
        inner_b = 1 if attribute(node, "transB", 0) else 0
        inner = reached(node.inputs[1], inner_b, kept_axis=1 - inner_b, kept=columns)
        a = Region((rows, inner) if inner_a else (inner, rows))
        b = Region((columns, inner) if inner_b else (inner, columns))
        needs: tuple[Region | None, ...] = (a, b)
        if len(node.inputs) > 2:
            c = node.inputs[2]
            needs = (a, b, None if c is None else aligned(out, 2, shape_of(c)))
        summed = ((0, inner_a), (1, inner_b)) if inner else None
        return Flow(inputs=needs, outputs=(out,), summed=summed)

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
        columns = out.axis(rank - 1)
        inner = reached(node.inputs[1], len(b) - 2, kept_axis=len(b) - 1, kept=columns)
        needs = (
            Region((*lead_a, out.axis(rank - 2), inner)),
            Region((*lead_b, inner, columns)),
        )
        summed = ((0, len(a) - 1), (1, len(b) - 2)) if inner else None
        return Flow(inputs=needs, outputs=(out,), summed=summed)

    def macs(self, node: ir.Node) -> int:
        return prod(shape_of(node.outputs[0])) * shape_of(node.inputs[0])[-1]

    def examples(self) -> Sequence[Example]:
        weights = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
        return (
            Example(op_type="MatMul", inputs=[(2, 3, 5), weights]),
            Example(op_type="MatMul", inputs=[(2, 3, 5), (2, 5, 4)]),
            Example(op_type="MatMul", inputs=[(1, 4, 3, 5), (2, 1, 5, 6)]),
        )


class Einsum(OpRule):
    """A product of operands: each letter is an axis, and those that the result lacks are summed."""

    op_types = ("Einsum",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        operands, result = _letters(node)
        by_letter = {letter: out.axis(i) for i, letter in enumerate(result)}
        needs = tuple(
            Region(
                tuple(
                    by_letter.get(letter) if size > 1 else None
                    for letter, size in zip(letters, shape_of(value), strict=True)
                )
            )
            for letters, value in zip(operands, node.inputs, strict=True)
        )
        return Flow(inputs=needs, outputs=(out,))

    def macs(self, node: ir.Node) -> int:
        operands, _ = _letters(node)
        if len(operands) > 2:
            raise Unsupported("the order in which it multiplies is not known")
        sizes: dict[str, int] = {}
        for letters, value in zip(operands, node.inputs, strict=True):
            for letter, size in zip(letters, shape_of(value), strict=True):
                sizes[letter] = max(size, sizes.get(letter, 1))
        return prod(sizes.values()) if len(operands) == 2 else 0

    def examples(self) -> Sequence[Example]:
        def product(equation: str, *shapes: tuple[int, ...]) -> Example:
            return Example(op_type="Einsum", inputs=shapes, attributes={"equation": equation})

        return (
            product("bqc,bchw->bqhw", (1, 4, 5), (1, 5, 2, 3)),
            product("bhid, bhjd -> bhij", (1, 2, 3, 4), (1, 2, 5, 4)),
            product("ij->ji", (3, 4)),
            product("ij,jk", (3, 4), (4, 2)),
        )


def _letters(node: ir.Node) -> tuple[list[str], str]:
    """The letters of the operands and of the result.

    Raises:
        Unsupported: an ellipsis, or a letter that an operand has twice.
    """
    equation = "".join(str(attribute(node, "equation", "")).split())
    left, arrow, result = equation.partition("->")
    operands = left.split(",")
    if "." in equation or any(len(set(letters)) < len(letters) for letters in operands):
        raise Unsupported(f"its equation '{equation}' has an ellipsis or a diagonal")
    if not arrow:
        result = "".join(sorted(x for x in set(left) - {","} if left.count(x) == 1))
    return operands, result
