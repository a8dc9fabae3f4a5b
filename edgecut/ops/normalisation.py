"""Normalisations: per channel they pass demand on; over an axis or a group they need all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.convolution import members
from edgecut.ops.elementwise import aligned
from edgecut.ops.region import Indices, Region, indices
from edgecut.ops.rule import Example, Flow, OpRule, Rewrite, Unsupported, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir

RENORMALISED = "edgecut.renormalised"
"""A mark on a node, by which ``edgecut.scores`` says what a softmax is to run over."""


class BatchNormalization(OpRule):
    """Inference-time batch normalisation over axis 1: scale, bias, mean, variance (C)."""

    op_types = ("BatchNormalization",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        if attribute(node, "training_mode", 0):
            raise Unsupported("it is still in training, and normalises by all that it is given")
        per_channel = Region((out.axis(1),))
        return Flow(inputs=(out, *(per_channel,) * 4), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        numbers = [_numbers(6) for _ in range(4)]
        return (Example(op_type="BatchNormalization", inputs=[(1, 6, 4, 4), *numbers]),)


class Softmax(OpRule):
    """Softmax and its logarithm: every output along the axis needs every input along it.

    One that is marked ``RENORMALISED`` is meant to run over what is left.
    """

    op_types = ("Softmax", "LogSoftmax")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        if RENORMALISED in node.metadata_props:
            return Flow(inputs=(out,), outputs=(out,))
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


class InstanceNormalization(OpRule):
    """Each channel of x (N, C, ...) by its own statistics; scale and bias (C)."""

    op_types = ("InstanceNormalization",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        kept, per_channel = Region((out.axis(0), out.axis(1))), Region((out.axis(1),))
        return Flow(inputs=(kept, per_channel, per_channel), outputs=(kept,))

    def examples(self) -> Sequence[Example]:
        scale, bias = _numbers(6), _numbers(6)
        return (Example(op_type="InstanceNormalization", inputs=[(2, 6, 4, 4), scale, bias]),)


class GroupNormalization(OpRule):
    """Groups of channels of x (N, C, ...), kept whole; scale and bias (C)."""

    op_types = ("GroupNormalization",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, count = sole(wanted), shape_of(node.inputs[0])[1]
        groups = int(attribute(node, "num_groups", None))
        kept_groups, stopped = _groups(out.axis(1), count, groups), None
        channels = members(kept_groups, count, groups)
        if Region((channels,)).fitted((count,)) != Region((out.axis(1),)).fitted((count,)):
            stopped = "GroupNormalization couples the channels of a group"
        kept, own = Region((out.axis(0), channels)), Region((channels,))
        return Flow(inputs=(kept, own, own), outputs=(kept,), stopped=stopped)

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        channels, count = flow.outputs[0].axis(1), shape_of(node.inputs[0])[1]
        groups = int(attribute(node, "num_groups", None))
        kept = _groups(channels, count, groups)
        return Rewrite() if kept is None else Rewrite(attributes={"num_groups": len(kept)})

    def examples(self) -> Sequence[Example]:
        return (
            Example(
                op_type="GroupNormalization",
                inputs=[(2, 6, 4, 4), _numbers(6), _numbers(6)],
                attributes={"num_groups": 2},
                opset=21,
            ),
        )


class LayerNormalization(OpRule):
    """All axes from one on together; scale and bias have their shape, or broadcast to it."""

    op_types = ("LayerNormalization", "RMSNormalization")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, shape = sole(wanted), shape_of(node.inputs[0])
        first = int(attribute(node, "axis", -1)) % len(shape)
        need = Region(tuple(out.axis(i) for i in range(first)))
        stopped = None
        if need.fitted(shape) != out.fitted(shape):
            stopped = f"{node.op_type} couples all from axis {first} on"
        rest = tuple(
            None if value is None else aligned(need, len(shape), shape_of(value))
            for value in node.inputs[1:]
        )
        outputs = (need,) * len(node.outputs)
        return Flow(inputs=(need, *rest), outputs=outputs, stopped=stopped)

    def examples(self) -> Sequence[Example]:
        x = (2, 5, 6)
        return (
            Example(op_type="LayerNormalization", inputs=[x, _numbers(6), _numbers(6)]),
            Example(
                op_type="LayerNormalization",
                inputs=[x, _numbers(5, 6)],
                attributes={"axis": 1},
            ),
            Example(op_type="LayerNormalization", inputs=[x, _numbers(5, 6), _numbers(2, 1, 6)]),
            Example(op_type="RMSNormalization", inputs=[x, _numbers(6)], opset=23),
        )


class LpNormalization(OpRule):
    """Vectors along an axis, divided by their length."""

    op_types = ("LpNormalization",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        axis = int(attribute(node, "axis", -1)) % len(shape_of(node.inputs[0]))
        need, stopped = out.with_axis(axis, None), None
        if out.axis(axis) is not None:
            stopped = f"LpNormalization over axis {axis} couples all of it"
        return Flow(inputs=(need,), outputs=(need,), stopped=stopped)

    def examples(self) -> Sequence[Example]:
        return (Example(op_type="LpNormalization", inputs=[(2, 5, 3)], attributes={"axis": 1}),)


def _groups(channels: Indices | None, count: int, groups: int) -> Indices | None:
    """The groups that hold any of these of ``count`` channels."""
    return None if channels is None else indices(c * groups // count for c in channels)


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 2.0, shape).astype(np.float32)
