"""Operations that only change how a value is looked at: reshapes, transposes, identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters import layout
from edgecut.emitters.layout import NHWC, Factor
from edgecut.emitters.tflite_lowering import (
    Lowering,
    Unsupported,
    first,
    shape_of,
    type_of,
)
from edgecut.emitters.tflite_ops.linear import keeps_order

if TYPE_CHECKING:
    import onnx_ir as ir

# As far as ARG_MAX and TOPK_V2 lead to them.
_CAST = {"float32", "int32", "int64", "uint8"}


def reshape(ctx: Lowering, node: ir.Node) -> None:
    """A RESHAPE of what is stored; data moves only where a new axis would be torn apart."""
    if keeps_order(ctx, node):
        return
    source, result = first(node), node.outputs[0]
    before, after = shape_of(source), shape_of(result)
    view = ctx.view(source)
    parts = layout.factors(before, after)
    if parts is None:
        tensor, permutation = _logical(ctx, source), layout.logical(len(after))
    else:
        kept = layout.through_reshape(parts, view.permutation, after)
        permutation = _usual(len(after)) if kept is None else kept
        tensor = view.tensor
        if kept is None:
            tensor = _regrouped(ctx, view.tensor, view.permutation, parts, permutation)
    stored = layout.stored_shape(after, permutation)
    ctx.define(result, ctx.reshaped(tensor, stored), permutation)


def transpose(ctx: Lowering, node: ir.Node) -> None:
    """No operator at all: the same tensor in another storage order."""
    source = first(node)
    view = ctx.view(source)
    rank = len(shape_of(source))
    axes = node.attributes.get_ints("perm") or list(reversed(range(rank)))
    ctx.define(
        node.outputs[0],
        view.tensor,
        layout.after_transpose(view.permutation, [int(a) for a in axes]),
    )


def identity(ctx: Lowering, node: ir.Node) -> None:
    """The same tensor (Identity, Dropout at inference, Cast to the same type), or a CAST."""
    source, result = first(node), node.outputs[0]
    before, after = type_of(source), type_of(result)
    if not {before, after} <= _CAST:
        raise Unsupported(f"it casts {before} to {after}")
    if any(extra.uses() or extra.is_graph_output() for extra in node.outputs[1:]):
        raise Unsupported("its second output is used")
    array = ctx.constant(source)
    if array is not None:
        ctx.fix(result, array)
        return
    view = ctx.view(source)
    if before != after:
        ctx.cast(view.tensor, ctx.output(result, view.permutation, after))
        return
    ctx.define(result, view.tensor, view.permutation)


def constant(ctx: Lowering, node: ir.Node) -> None:
    """A value for later nodes to take as constant."""
    (name, attribute), *rest = node.attributes.items()
    if rest or name not in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        raise Unsupported(f"a constant given as '{name}' is not emitted")
    value = attribute.value
    if name == "value":
        array = np.asarray(value.numpy())
    else:
        array = np.array(value, np.float32 if "float" in name else np.int64)
    ctx.fix(node.outputs[0], array)


def _logical(ctx: Lowering, value: ir.Value) -> int:
    return ctx.stored(value, layout.logical(len(shape_of(value))))


def _usual(rank: int) -> layout.Permutation:
    return NHWC if rank == len(NHWC) else layout.logical(rank)


def _regrouped(
    ctx: Lowering,
    tensor: int,
    permutation: layout.Permutation,
    parts: tuple[Factor, ...],
    wanted: layout.Permutation,
) -> int:
    """One TRANSPOSE of the factors, so that each new axis lies together in the wanted order."""
    stored = sorted(parts, key=lambda part: permutation.index(part.before))
    target = sorted(parts, key=lambda part: wanted.index(part.after))
    split = ctx.reshaped(tensor, [part.size for part in stored])
    return ctx.transposed(split, [stored.index(part) for part in target])


RULES = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    "Transpose": transpose,
    **dict.fromkeys(("Identity", "Dropout", "Cast"), identity),
    "Constant": constant,
}
