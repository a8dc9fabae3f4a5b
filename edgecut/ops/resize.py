"""Changes of resolution: axes that keep their size pass demand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Region
from edgecut.ops.rule import (
    Example,
    Flow,
    OpRule,
    Rewrite,
    Unsupported,
    attribute,
    constant_of,
    input_of,
    shape_of,
    sole,
)

if TYPE_CHECKING:
    import onnx_ir as ir


class Resize(OpRule):
    """Resize by scales or by sizes."""

    op_types = ("Resize",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        rank, needed = len(shape_of(node.outputs[0])), resized(node)
        kept = Region(tuple(None if i in needed else out.axis(i) for i in range(rank)))
        rest = tuple(None if v is None else Region() for v in node.inputs[1:])
        return Flow(inputs=(kept, *rest), outputs=(kept,))

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        if input_of(node, 3) is None:
            return Rewrite()
        extent = flow.outputs[0].extent(shape_of(node.outputs[0]))
        axes = attribute(node, "axes", list(range(len(extent))))
        return Rewrite(constants={3: np.array([extent[axis] for axis in axes], np.int64)})

    def examples(self) -> Sequence[Example]:
        scales = np.array([1, 1, 2, 2], np.float32)
        sizes = np.array([1, 6, 7, 5], np.int64)
        x = (1, 6, 3, 4)
        mode = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return (
            Example(op_type="Resize", inputs=[x, None, scales], attributes=mode),
            Example(op_type="Resize", inputs=[x, None, None, sizes], attributes={"mode": "linear"}),
            Example(
                op_type="Upsample", inputs=[x, scales], attributes={"mode": "nearest"}, opset=9
            ),
        )


def resized(node: ir.Node) -> set[int]:
    """The axes along which values are interpolated; by a scale near 1 the size may stay.

    Raises:
        Unsupported: it crops, or its scales or sizes are not constant.
    """
    if attribute(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize":
        raise Unsupported("it crops")
    if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("its scales depend on all of its sizes")
    before = shape_of(node.inputs[0])
    sizes = zip(before, shape_of(node.outputs[0]), strict=True)
    changed = {i for i, (a, b) in enumerate(sizes) if a != b}
    constant_of(node, 3)
    scales = constant_of(node, 2)
    if scales is None or not scales.size:
        return changed
    axes = attribute(node, "axes", list(range(len(before))))
    return changed | {axis % len(before) for axis, s in zip(axes, scales, strict=True) if s != 1}
