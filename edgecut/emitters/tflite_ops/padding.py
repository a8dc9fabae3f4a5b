"""Windows over an image: SAME, VALID, or an explicit PAD in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters.layout import NHWC
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    operand,
    pair,
    shape_of,
)

if TYPE_CHECKING:
    import onnx_ir as ir

SAME, VALID = 0, 1
_LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows along one axis: ``begin`` elements of padding come before the first."""

    length: int
    count: int
    kernel: int
    stride: int
    begin: int

    @property
    def end(self) -> int:
        """Padding that the last window reads; negative where elements are left over."""
        return (self.count - 1) * self.stride + self.kernel - self.length - self.begin

    @property
    def is_same(self) -> bool:
        """Whether TFLite's SAME puts every window at the same place."""
        if self.count != -(-self.length // self.stride):
            return False
        total = max((self.count - 1) * self.stride + self.kernel - self.length, 0)
        return self.begin == total // 2

    @property
    def is_valid(self) -> bool:
        """Whether no window reads padding, and TFLite's VALID makes as many of them."""
        fitting = (self.length - self.kernel) // self.stride + 1
        return self.begin == 0 and self.count == fitting


def windows(
    node: ir.Node, lengths: Sequence[int], counts: Sequence[int], kernel: Sequence[int]
) -> tuple[Windows, Windows]:
    """The windows of a convolution or pooling node along height and width."""
    strides = pair(node.attributes.get_ints("strides"), 1)
    dilations = pair(node.attributes.get_ints("dilations"), 1)
    reach = [(k - 1) * d + 1 for k, d in zip(pair(kernel, 1), dilations, strict=True)]
    begins = _begins(node, lengths, counts, reach, strides)
    height, width = (
        Windows(
            length=lengths[i],
            count=counts[i],
            kernel=reach[i],
            stride=strides[i],
            begin=begins[i],
        )
        for i in range(2)
    )
    return height, width


def place(ctx: Lowering, tensor: int, axes: tuple[Windows, Windows]) -> tuple[int, int]:
    """The tensor (NHWC, with zeros around it where it must be) and TFLite's padding code.

    XNNPACK folds such a PAD into the convolution that reads it: it costs nothing there.
    """
    if all(axis.is_same for axis in axes):
        return tensor, SAME
    if all(axis.is_valid for axis in axes):
        return tensor, VALID
    return pad_tensor(ctx, tensor, around(axes)), VALID


def around(axes: tuple[Windows, Windows]) -> list[tuple[int, int]]:
    """The padding that the windows read, for each axis of an NHWC tensor."""
    height, width = ((axis.begin, max(axis.end, 0)) for axis in axes)
    return [(0, 0), height, width, (0, 0)]


def pad_tensor(
    ctx: Lowering,
    tensor: int,
    pads: Sequence[tuple[int, int]],
    *,
    value: float = 0.0,
    output: int | None = None,
) -> int:
    """The tensor with so many elements before and after each stored axis."""
    shape = ctx.graph.tensors[tensor].shape
    grown = [length + sum(both) for length, both in zip(shape, pads, strict=True)]
    if output is None:
        output = ctx.like(tensor, "pad", grown)
    amounts = ctx.graph.constant("edgecut/pads", np.array(pads, np.int32))
    if value == 0.0:
        ctx.graph.operator("PAD", [tensor, amounts], [output], options="PadOptions")
    else:
        inputs = [tensor, amounts, ctx.number(value)]
        ctx.graph.operator("PADV2", inputs, [output], options="PadV2Options")
    return output


def repeat_border(ctx: Lowering, tensor: int, pads: Sequence[tuple[int, int]]) -> int:
    """The tensor with its outermost elements repeated, as SLICE and CONCATENATION."""
    for axis, (before, after) in enumerate(pads):
        parts = [tensor]
        shape = list(ctx.graph.tensors[tensor].shape)
        if before:
            parts = [_edge(ctx, tensor, axis, 0)] * before + parts
        if after:
            parts = parts + [_edge(ctx, tensor, axis, shape[axis] - 1)] * after
        if len(parts) > 1:
            shape[axis] += before + after
            tensor = ctx.like(tensor, "border", shape)
            ctx.graph.operator(
                "CONCATENATION", parts, [tensor], options="ConcatenationOptions", axis=axis
            )
    return tensor


def pad(ctx: Lowering, node: ir.Node) -> None:
    """PAD, PADV2, MIRROR_PAD or a repeated border.

    Nothing where the convolutions that read it pad by themselves.
    """
    if _is_left_to_convolutions(ctx, node):
        return
    source = first(node)
    mode = node.attributes.get_string("mode", "constant")
    amounts = _amounts(ctx, node)
    if any(n < 0 for both in amounts for n in both):
        raise Unsupported("negative pads (cropping) have no TFLite kernel")
    view = ctx.view(source)
    stored = [amounts[axis] for axis in view.permutation]
    if mode == "constant":
        value = max(_fill(ctx, node), _LOWEST)
        output = ctx.output(node.outputs[0], view.permutation)
        pad_tensor(ctx, view.tensor, stored, value=value, output=output)
    elif mode == "reflect":
        output = ctx.output(node.outputs[0], view.permutation)
        table = ctx.graph.constant("edgecut/pads", np.array(stored, np.int32))
        inputs = [view.tensor, table]
        ctx.graph.operator("MIRROR_PAD", inputs, [output], options="MirrorPadOptions", mode=0)
    elif mode == "edge":
        ctx.define(node.outputs[0], repeat_border(ctx, view.tensor, stored), view.permutation)
    else:
        raise Unsupported(f"pad mode '{mode}' has no TFLite kernel")


def before_convolution(ctx: Lowering, value: ir.Value) -> tuple[ir.Value, tuple[int, int]]:
    """Where a convolution reads from, and the padding before it that it takes over."""
    node = value.producer()
    if node is None or node.op_type != "Pad" or not _is_left_to_convolutions(ctx, node):
        return value, (0, 0)
    amounts = _amounts(ctx, node)
    return first(node), (amounts[2][0], amounts[3][0])


def image(ctx: Lowering, value: ir.Value) -> int:
    """The value stored NHWC."""
    if len(shape_of(value)) != 4:
        raise Unsupported(f"'{value.name}' has {len(shape_of(value))} axes, an image has 4")
    return ctx.stored(value, NHWC)


def _edge(ctx: Lowering, tensor: int, axis: int, place: int) -> int:
    shape = list(ctx.graph.tensors[tensor].shape)
    begin = [place if i == axis else 0 for i in range(len(shape))]
    shape[axis] = 1
    edge = ctx.like(tensor, "edge", shape)
    inputs = [tensor, ctx.parameter("begin", begin), ctx.parameter("size", shape)]
    ctx.graph.operator("SLICE", inputs, [edge], options="SliceOptions")
    return edge


def _begins(
    node: ir.Node,
    lengths: Sequence[int],
    counts: Sequence[int],
    reach: Sequence[int],
    strides: Sequence[int],
) -> tuple[int, int]:
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.attributes.get_ints("pads") or [0, 0, 0, 0]
        return pair(pads[: len(pads) // 2], 0)
    if mode == "VALID":
        return 0, 0
    totals = [max((counts[i] - 1) * strides[i] + reach[i] - lengths[i], 0) for i in range(2)]
    upper = [total // 2 for total in totals]
    lower = [total - total // 2 for total in totals]
    height, width = upper if mode == "SAME_UPPER" else lower
    return height, width


def _is_left_to_convolutions(ctx: Lowering, node: ir.Node) -> bool:
    output = node.outputs[0]
    readers = [use.node for use in output.uses()]
    if not readers or output.is_graph_output() or len(shape_of(output)) != 4:
        return False
    if node.attributes.get_string("mode", "constant") != "constant" or _fill(ctx, node) != 0:
        return False
    if not all(
        reader.op_type == "Conv"
        and first(reader) is output
        and reader.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
        for reader in readers
    ):
        return False
    amounts = _amounts(ctx, node)
    return amounts[:2] == [(0, 0), (0, 0)] and min(n for both in amounts for n in both) >= 0


def _amounts(ctx: Lowering, node: ir.Node) -> list[tuple[int, int]]:
    rank = len(shape_of(first(node)))
    pads = [int(n) for n in ctx.setting(node, 1, "pads") or []]
    axes_input = operand(node, 3)
    axes = [int(a) % rank for a in ctx.array(axes_input, "axes")] if axes_input else range(rank)
    amounts = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        amounts[axis] = (pads[i], pads[i + len(pads) // 2])
    return amounts


def _fill(ctx: Lowering, node: ir.Node) -> float:
    values = ctx.setting(node, 2, "value")
    return 0.0 if values is None else float(values[0])


RULES = {"Pad": pad}
