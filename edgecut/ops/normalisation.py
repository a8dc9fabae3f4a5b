"""Normalisations: per channel they pass demand on; over an axis they need all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Region
from edgecut.ops.rule import Example, Flow, OpRule, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class BatchNormalization(OpRule):
    """Inference-time batch normalisation over axis 1: scale, bias, mean, variance (C)."""

    op_types = ("BatchNormalization",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        per_channel = Region((out.axis(1),))
        return Flow(inputs=(out, *(per_channel,) * 4), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        numbers = [random.uniform(0.5, 2.0, 6).astype(np.float32) for _ in range(4)]
        return (Example(op_type="BatchNormalization", inputs=[(1, 6, 4, 4), *numbers]),)


class Softmax(OpRule):
    """Softmax and its logarithm: every output along the axis needs every input along it."""

    op_types = ("Softmax", "LogSoftmax")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        axis = int(attribute(node, "axis", -1)) % len(shape_of(node.inputs[0]))
        need = out.with_axis(axis, None)
        stopped = None
        if out.axis(axis) is not None:
            stopped = f"{node.op_type} over axis {axis}: exact scores need every slot of it"
        return Flow(inputs=(need,), outputs=(need,), stopped=stopped)

    def examples(self) -> Sequence[Example]:
        return (
            Example(op_type="Softmax", inputs=[(2, 5, 3)], attributes={"axis": 1}),
            Example(op_type="LogSoftmax", inputs=[(2, 5)]),
            Example(op_type="Softmax", inputs=[(2, 3, 4)], attributes={"axis": 1}, opset=11),
        )
