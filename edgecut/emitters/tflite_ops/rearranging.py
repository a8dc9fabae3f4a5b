"""Blocks of an image to channels, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecut.emitters.layout import NHWC
from edgecut.emitters.tflite_lowering import Lowering, Unsupported, first, shape_of
from edgecut.emitters.tflite_ops import padding

if TYPE_CHECKING:
    import onnx_ir as ir


def depth_to_space(ctx: Lowering, node: ir.Node) -> None:
    """DEPTH_TO_SPACE, with the channels' order changed before it in mode CRD."""
    block = _block(node)
    tensor = padding.image(ctx, first(node))
    if node.attributes.get_string("mode", "DCR") == "CRD":
        batch, channels, height, width = shape_of(first(node))
        outer = batch * height * width
        split = ctx.reshaped(tensor, [outer, channels // block**2, block**2])
        moved = ctx.transposed(split, [0, 2, 1])
        tensor = ctx.reshaped(moved, [batch, height, width, channels])
    output = ctx.output(node.outputs[0], NHWC)
    ctx.graph.operator(
        "DEPTH_TO_SPACE", [tensor], [output], options="DepthToSpaceOptions", blockSize=block
    )


def space_to_depth(ctx: Lowering, node: ir.Node) -> None:
    """SPACE_TO_DEPTH, whose order of channels is ONNX's."""
    tensor = padding.image(ctx, first(node))
    output = ctx.output(node.outputs[0], NHWC)
    ctx.graph.operator(
        "SPACE_TO_DEPTH",
        [tensor],
        [output],
        options="SpaceToDepthOptions",
        blockSize=_block(node),
    )


def _block(node: ir.Node) -> int:
    block = node.attributes.get_int("blocksize", 0)
    if not block:
        raise Unsupported("it has no block size")
    return int(block)


RULES = {"DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth}
