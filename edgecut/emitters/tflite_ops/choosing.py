"""What is the largest along an axis, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters import layout
from edgecut.emitters.tflite_lowering import Lowering, Unsupported, dtype_of, first, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


def arg_max(ctx: Lowering, node: ir.Node) -> None:
    """ARG_MAX, the first place of several that hold the largest."""
    source, result = first(node), node.outputs[0]
    dtype_of(source)
    if node.attributes.get_int("select_last_index", 0):
        raise Unsupported("it gives the last of several largest, TFLite the first")
    view = ctx.view(source)
    axis = node.attributes.get_int("axis", 0) % len(view.permutation)
    without = layout.without(view.permutation, [axis])
    keep = node.attributes.get_int("keepdims", 1) == 1
    permutation = view.permutation if keep else without
    output = ctx.output(result, permutation, "int64")
    stored = ctx.graph.tensors[output].shape
    places = output
    if keep:
        shape = [n for n, a in zip(stored, permutation, strict=True) if a != axis]
        places = ctx.like(output, "places", shape)
    inputs = [view.tensor, ctx.parameter("axis", [view.permutation.index(axis)])]
    kind = ctx.graph.type_of("int64")
    ctx.graph.operator("ARG_MAX", inputs, [places], options="ArgMaxOptions", outputType=kind)
    if keep:
        ctx.reshaped(places, stored, output)


def top_k(ctx: Lowering, node: ir.Node) -> None:
    """TOPK_V2 over the last stored axis, to which the node's axis is brought."""
    source = first(node)
    dtype_of(source)
    attributes = node.attributes
    if not attributes.get_int("largest", 1) or not attributes.get_int("sorted", 1):
        raise Unsupported("TFLite gives the largest, in order")
    axis = attributes.get_int("axis", -1) % len(shape_of(source))
    permutation = (*(a for a in ctx.view(source).permutation if a != axis), axis)
    k = ctx.array(node.inputs[1], "k").astype(np.int32).reshape(())
    inputs = [ctx.stored(source, permutation), ctx.graph.constant("edgecut/k", k)]
    values = ctx.output(node.outputs[0], permutation)
    places = ctx.output(node.outputs[1], permutation, "int64")
    narrow = ctx.graph.tensor("edgecut/places", ctx.graph.tensors[places].shape, "int32")
    ctx.graph.operator("TOPK_V2", inputs, [values, narrow], options="TopKV2Options")
    ctx.cast(narrow, places)


RULES = {"ArgMax": arg_max, "TopK": top_k}
