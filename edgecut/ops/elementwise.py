"""Operations that compute each element from the elements at the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Region
from edgecut.ops.rule import Example, Flow, OpRule, Unsupported, constant_of, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class Elementwise(OpRule):
    """Unary, binary and n-ary operations with numpy broadcasting; min/max of Clip broadcast too."""

    op_types = (
        *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil"),
        *("Celu", "Clip", "Cos", "Cosh", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu"),
        *("HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish"),
        *("Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign"),
        *("Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh"),
        *("ThresholdedRelu", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"),
        *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
        *("Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor"),
    )

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        if node.op_type == "Dropout" and constant_of(node, 2):
            raise Unsupported("it drops elements at random")
        rank = len(shape_of(node.outputs[0]))
        needs = tuple(
            None if value is None else aligned(out, rank, shape_of(value)) for value in node.inputs
        )
        return Flow(inputs=needs, outputs=(out,))

    def examples(self) -> Sequence[Example]:
        x = (1, 6, 4, 4)
        per_channel = np.linspace(0.5, 2.0, 6, dtype=np.float32).reshape(6, 1, 1)
        two, six = np.float32(-2.0), np.float32(1.5)
        return (
            Example(op_type="Relu", inputs=[x]),
            Example(op_type="Clip", inputs=[x, np.array(two), np.array(six)]),
            Example(op_type="Clip", inputs=[x], attributes={"min": -1.0, "max": 1.0}, opset=9),
            Example(op_type="Add", inputs=[x, x]),
            Example(op_type="Mul", inputs=[x, per_channel]),
            Example(op_type="Mul", inputs=[x, (1, 6, 1, 1)]),
            Example(op_type="PRelu", inputs=[x, per_channel]),
            Example(op_type="Sub", inputs=[(6, 1, 4), (2, 1, 4, 1)]),
            Example(op_type="LeakyRelu", inputs=[x], attributes={"alpha": 0.1}),
        )


def aligned(out: Region, rank: int, shape: Sequence[int]) -> Region:
    """The part of an input of that shape which a region of the broadcast output needs.

    Axes are aligned at the end, as numpy does; an axis of size 1 serves every index.
    """
    shift = rank - len(shape)
    return Region(tuple(None if size == 1 else out.axis(i + shift) for i, size in enumerate(shape)))
