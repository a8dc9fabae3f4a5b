"""Recurrent layers: the state couples all of their units, so all of them are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import WHOLE, Region
from edgecut.ops.rule import Example, Flow, OpRule, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


class Recurrent(OpRule):
    """LSTM, GRU and RNN over x (T, N, C): weights (D, gates * H, C), (D, gates * H, H)."""

    op_types = ("GRU", "LSTM", "RNN")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        restricted = any(
            region is not None and not region.fitted(shape_of(value)).is_whole
            for region, value in zip(wanted, node.outputs, strict=True)
        )
        stopped = f"the state of {node.op_type} couples all of its units" if restricted else None
        needs = tuple(None if value is None else WHOLE for value in node.inputs)
        return Flow(inputs=needs, outputs=(WHOLE,) * len(node.outputs), stopped=stopped)

    def macs(self, node: ir.Node) -> int:
        steps, batch, features = shape_of(node.inputs[0])
        directions, rows, hidden = shape_of(node.inputs[2])
        return steps * batch * directions * rows * (features + hidden)

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)

        def layer(op_type: str, gates: int) -> Example:
            shapes = ((2, gates * 4, 3), (2, gates * 4, 4), (2, 2 * gates * 4))
            weights = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
            attributes = {"hidden_size": 4, "direction": "bidirectional"}
            return Example(op_type=op_type, inputs=[(5, 2, 3), *weights], attributes=attributes)

        return (layer("LSTM", 4), layer("GRU", 3), layer("RNN", 1))
