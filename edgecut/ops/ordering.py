"""Operations that put the values along an axis in order, or add them up: all of it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import WHOLE, Region
from edgecut.ops.rule import Example, Flow, OpRule, Unsupported, attribute, constant_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


class Ordering(OpRule):
    """TopK and CumSum: the other axes pass demand on, for all outputs alike."""

    op_types = ("TopK", "CumSum")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        axis = _axis(node)
        given = [region for region in wanted if region is not None]
        out = given[0]
        for other in given[1:]:
            out = out.union(other)
        need = out.with_axis(axis, None)
        stopped = None
        if out.axis(axis) is not None:
            stopped = f"{node.op_type} over axis {axis} needs every slot of it"
        rest = (WHOLE,) * (len(node.inputs) - 1)
        return Flow(inputs=(need, *rest), outputs=(need,) * len(node.outputs), stopped=stopped)

    def examples(self) -> Sequence[Example]:
        three = np.array([3], np.int64)
        return (
            Example(op_type="TopK", inputs=[(2, 5, 4), three], attributes={"axis": 1}, outputs=2),
            Example(op_type="TopK", inputs=[(4, 6), three], outputs=2),
            Example(op_type="CumSum", inputs=[(2, 5, 3), np.array(1, np.int64)]),
        )


def _axis(node: ir.Node) -> int:
    rank = len(shape_of(node.inputs[0]))
    if node.op_type == "TopK":
        return int(attribute(node, "axis", -1)) % rank
    axis = constant_of(node, 1)
    if axis is None or axis.size != 1:
        raise Unsupported("it names no axis")
    return int(axis.item()) % rank
