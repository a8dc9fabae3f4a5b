"""Joining values along an axis, and taking parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters import layout
from edgecut.emitters.tflite_lowering import Lowering, Unsupported, first, operand, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.emitters.layout import Permutation

# XNNPACK splits into at most this many parts; SLICE stays inside it for any number.
_SPLIT_PARTS = 4
# Taking every n-th element by moving all of them pays up to this n.
_MAX_PHASES = 4

Range = tuple[int, int, int]  # start, end, step


def concat(ctx: Lowering, node: ir.Node) -> None:
    """CONCATENATION along wherever the axis is stored."""
    values = [value for value in node.inputs if value is not None]
    permutation = ctx.common(values)
    axis = permutation.index(_axis(node, len(permutation)))
    tensors = [ctx.stored(value, permutation) for value in values]
    output = ctx.output(node.outputs[0], permutation)
    ctx.graph.operator(
        "CONCATENATION", tensors, [output], options="ConcatenationOptions", axis=axis
    )


def split(ctx: Lowering, node: ir.Node) -> None:
    """SPLIT into a few equal parts, else one SLICE for each part that is used."""
    source = first(node)
    view = ctx.view(source)
    axis = _axis(node, len(view.permutation), default=0)
    lengths = [shape_of(output)[axis] for output in node.outputs]
    stored_axis = view.permutation.index(axis)
    if len(set(lengths)) == 1 and 1 < len(lengths) <= _SPLIT_PARTS:
        outputs = [ctx.output(output, view.permutation) for output in node.outputs]
        inputs = [ctx.parameter("axis", [stored_axis]), view.tensor]
        ctx.graph.operator("SPLIT", inputs, outputs, options="SplitOptions", numSplits=len(outputs))
        return
    begins = np.cumsum([0, *lengths]).tolist()
    for begin, length, output in zip(begins, lengths, node.outputs, strict=False):
        if output.uses() or output.is_graph_output():
            ends = {axis: (begin, begin + length, 1)}
            _take(ctx, view.tensor, view.permutation, source, output, ends)


def slice_(ctx: Lowering, node: ir.Node) -> None:
    """SLICE, or STRIDED_SLICE where steps are not 1."""
    source = first(node)
    shape = shape_of(source)
    starts = [int(n) for n in ctx.setting(node, 1, "starts") or []]
    ends = [int(n) for n in ctx.setting(node, 2, "ends") or []]
    axes = [int(n) % len(shape) for n in ctx.setting(node, 3, "axes") or range(len(starts))]
    steps = [int(n) for n in ctx.setting(node, 4, "steps") or [1] * len(starts)]
    ranges = {
        axis: slice(start, end, step).indices(shape[axis])
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }
    for axis, (start, end, step) in ranges.items():
        if len(range(start, end, step)) != shape_of(node.outputs[0])[axis]:
            raise Unsupported(f"its range on axis {axis} does not give the output's shape")
    view = ctx.view(source)
    _take(ctx, view.tensor, view.permutation, source, node.outputs[0], ranges)


def gather(ctx: Lowering, node: ir.Node) -> None:
    """A slice where the constant indices are evenly spaced, else GATHER."""
    source, result = first(node), node.outputs[0]
    if ctx.constant(source) is not None and ctx.constant(operand(node, 1)) is None:
        _look_up(ctx, node)
        return
    view = ctx.view(source)
    rank = len(view.permutation)
    axis = _axis(node, rank, default=0)
    length = shape_of(source)[axis]
    indices = ctx.array(operand(node, 1), "indices").astype(np.int64)
    indices = np.where(indices < 0, indices + length, indices)
    permutation = _gathered(view.permutation, axis, indices.ndim)
    spaced = _evenly_spaced(indices.ravel().tolist())
    if indices.ndim <= 1 and spaced is not None:
        shape = list(shape_of(source))
        shape[axis] = indices.size
        part = ctx.like(view.tensor, "part", [shape[a] for a in view.permutation])
        _slice_into(ctx, view.tensor, view.permutation, shape_of(source), {axis: spaced}, part)
        final = layout.stored_shape(shape_of(result), permutation)
        ctx.define(result, ctx.reshaped(part, final), permutation)
        return
    inputs = [view.tensor, ctx.graph.constant("edgecut/indices", indices.astype(np.int32))]
    output = ctx.output(result, permutation)
    stored_axis = view.permutation.index(axis)
    ctx.graph.operator("GATHER", inputs, [output], options="GatherOptions", axis=stored_axis)


def _look_up(ctx: Lowering, node: ir.Node) -> None:
    """GATHER of computed places in a constant row."""
    table, places = ctx.array(first(node), "row"), operand(node, 1)
    if table.ndim != 1 or places is None:
        raise Unsupported("its indices must be constant, or look up in a row")
    view = ctx.view(places)
    row = ctx.graph.constant("edgecut/row", table)
    output = ctx.output(node.outputs[0], view.permutation, table.dtype.name)
    ctx.graph.operator("GATHER", [row, view.tensor], [output], options="GatherOptions", axis=0)


def _gathered(permutation: Permutation, axis: int, rank: int) -> Permutation:
    """Storage order after an axis gave way to ``rank`` axes of indices, where it was stored."""
    result: list[int] = []
    for old in permutation:
        if old == axis:
            result += range(axis, axis + rank)
        else:
            result.append(old if old < axis else old + rank - 1)
    return tuple(result)


def _evenly_spaced(indices: Sequence[int]) -> Range | None:
    if not indices:
        return None
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    spaced = (indices[0], indices[-1] + 1, step)
    return spaced if step > 0 and list(indices) == list(range(*spaced)) else None


def _axis(node: ir.Node, rank: int, default: int | None = None) -> int:
    axis = node.attributes.get_int("axis", default)
    if axis is None:
        raise Unsupported("it has no axis")
    return int(axis) % rank


def _take(
    ctx: Lowering,
    tensor: int,
    permutation: Permutation,
    source: ir.Value,
    result: ir.Value,
    ranges: dict[int, Range],
) -> None:
    output = ctx.output(result, permutation)
    _slice_into(ctx, tensor, permutation, shape_of(source), ranges, output)


def _slice_into(
    ctx: Lowering,
    tensor: int,
    permutation: Permutation,
    shape: Sequence[int],
    ranges: dict[int, Range],
    output: int,
) -> None:
    full = [ranges.get(axis, (0, shape[axis], 1)) for axis in permutation]
    stored = ctx.graph.tensors[tensor].shape
    phases = _phases(full, stored)
    for phase in phases:
        tensor = _taken(ctx, tensor, stored, phase)
        stored = (
            *stored[: phase.axis],
            stored[phase.axis] // phase.step,
            *stored[phase.axis + 1 :],
        )
    if phases:
        ctx.reshaped(tensor, stored, output)
        return
    begins = ctx.parameter("begin", [start for start, _, _ in full])
    if all(step == 1 for _, _, step in full):
        sizes = ctx.parameter("size", [end - start for start, end, _ in full])
        ctx.graph.operator("SLICE", [tensor, begins, sizes], [output], options="SliceOptions")
        return
    # Going down to element 0 ends at -1, which TFLite reads as the last; a mask says it instead.
    beyond = sum(1 << i for i, (_, end, _) in enumerate(full) if end < 0)
    ends = ctx.parameter("end", [max(end, 0) for _, end, _ in full])
    steps = ctx.parameter("step", [step for _, _, step in full])
    inputs = [tensor, begins, ends, steps]
    ctx.graph.operator(
        "STRIDED_SLICE", inputs, [output], options="StridedSliceOptions", endMask=beyond
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phase:
    """Every ``step``-th element of a stored axis, from ``start`` on."""

    axis: int
    start: int
    step: int


def _phases(ranges: Sequence[Range], shape: Sequence[int]) -> list[_Phase]:
    """The ranges as phases; none where one of them is something else."""
    phases = []
    for axis, (start, end, step) in enumerate(ranges):
        if (start, end, step) == (0, shape[axis], 1):
            continue
        # One element of each of many rows; of a single row it is a plain slice.
        single = end - start == 1 and axis == len(shape) - 1 and np.prod(shape[:axis]) > 1
        apart = shape[axis] if single else step
        whole = apart > 0 and shape[axis] == apart * len(range(start, end, apart))
        if not whole or not 1 < apart <= _MAX_PHASES:
            return []
        phases.append(_Phase(axis=axis, start=start, step=apart))
    return phases


def _taken(ctx: Lowering, tensor: int, shape: Sequence[int], phase: _Phase) -> int:
    """The phase of a tensor of this shape, flat, as a SLICE of blocks.

    That is ten times faster than STRIDED_SLICE, which XNNPACK does not take.
    On the innermost axis the blocks are single elements, so a TRANSPOSE, which the other phases
    share, brings each phase together first.
    """
    inner = int(np.prod(shape[phase.axis + 1 :]))
    outer = int(np.prod(shape)) // (phase.step * inner)
    if inner == 1:
        split = ctx.transposed(ctx.reshaped(tensor, [outer, phase.step]), [1, 0])
        begin, size = [phase.start, 0], [1, outer]
    else:
        split = ctx.reshaped(tensor, [outer, phase.step, inner])
        begin, size = [0, phase.start, 0], [outer, 1, inner]
    part = ctx.like(split, "phase", size)
    inputs = [split, ctx.parameter("begin", begin), ctx.parameter("size", size)]
    ctx.graph.operator("SLICE", inputs, [part], options="SliceOptions")
    return part


RULES = {"Concat": concat, "Split": split, "Slice": slice_, "Gather": gather}
