"""Operations over windows or whole planes: channel by channel, all of the space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Region
from edgecut.ops.rule import (
    Example,
    Flow,
    OpRule,
    attribute,
    constant_of,
    input_of,
    shape_of,
    sole,
)

if TYPE_CHECKING:
    import onnx_ir as ir


class Pool(OpRule):
    """Pooling of x (N, C, ...): needs the kept channels, everywhere."""

    op_types = (
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "LpPool",
        "GlobalLpPool",
    )

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        kept = Region((out.axis(0), out.axis(1)))
        return Flow(inputs=(kept,), outputs=(kept,))

    def examples(self) -> Sequence[Example]:
        window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
        x = (1, 6, 7, 7)
        return (
            Example(op_type="MaxPool", inputs=[x], attributes=window),
            Example(op_type="AveragePool", inputs=[x], attributes=window),
            Example(op_type="GlobalAveragePool", inputs=[x]),
        )


class Reduce(OpRule):
    """Reductions: all of the reduced axes, the wanted part of the others."""

    op_types: tuple[str, ...] = (
        *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"),
        *("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"),
    )

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        rank = len(shape_of(node.inputs[0]))
        reduced = self._axes(node, rank)
        keepdims = bool(attribute(node, "keepdims", True))
        position = iter(range(rank))
        need: list[tuple[int, ...] | None] = []
        for i in range(rank):
            if i not in reduced or keepdims:
                place = next(position)
            need.append(None if i in reduced else out.axis(place))
        axes_input = (Region(),) * (len(node.inputs) - 1)
        return Flow(inputs=(Region(tuple(need)), *axes_input), outputs=(out,))

    @staticmethod
    def _axes(node: ir.Node, rank: int) -> set[int]:
        given = attribute(node, "axes", None)
        if given is None and input_of(node, 1) is not None:
            axes = constant_of(node, 1)
            given = None if axes is None else axes.tolist()
        # Without axes all are reduced, or none: one number, or the input as it is. Either way what
        # is wanted of the output is wanted of the input.
        return {int(axis) % rank for axis in given or ()}

    def examples(self) -> Sequence[Example]:
        x = (2, 5, 3, 4)
        axes = np.array([2, 3], np.int64)
        return (
            Example(op_type="ReduceMean", inputs=[x, axes]),
            Example(op_type="ReduceMax", inputs=[x, axes], attributes={"keepdims": 0}),
            Example(op_type="ReduceSum", inputs=[x, np.array([1], np.int64)]),
            Example(op_type="ReduceMean", inputs=[x], attributes={"axes": [-1]}, opset=11),
        )


class ArgReduce(Reduce):
    """The place of the largest or the smallest along an axis."""

    op_types = ("ArgMax", "ArgMin")

    @staticmethod
    def _axes(node: ir.Node, rank: int) -> set[int]:
        return {int(attribute(node, "axis", 0)) % rank}

    def examples(self) -> Sequence[Example]:
        x = (2, 5, 3)
        return (
            Example(op_type="ArgMax", inputs=[x], attributes={"axis": 1}),
            Example(op_type="ArgMin", inputs=[x], attributes={"axis": -1, "keepdims": 0}),
        )
