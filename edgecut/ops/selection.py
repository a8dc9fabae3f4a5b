"""Operations that join, part, pick or pad along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Indices, Region, indices
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


class Concat(OpRule):
    """Join along an axis: each input gives its own share; one that gives nothing goes."""

    op_types = ("Concat",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        axis = int(attribute(node, "axis", None)) % len(shape_of(node.outputs[0]))
        sizes = [shape_of(value)[axis] for value in node.inputs]
        starts = [0, *accumulate(sizes)][:-1]
        kept = out.axis(axis)
        needs: list[Region | None] = []
        for start, size in zip(starts, sizes, strict=True):
            share = None if kept is None else _share(kept, start, size)
            needs.append(None if share == () else out.with_axis(axis, share))
        return Flow(inputs=tuple(needs), outputs=(out,))

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        stay = tuple(i for i, need in enumerate(flow.inputs) if need is not None)
        return Rewrite(inputs=stay if len(stay) < len(flow.inputs) else None)

    def examples(self) -> Sequence[Example]:
        parts = [(1, 2, 3), (1, 4, 3), (1, 1, 3)]
        return (
            Example(op_type="Concat", inputs=parts, attributes={"axis": 1}),
            Example(op_type="Concat", inputs=parts, attributes={"axis": -2}),
        )


class Split(OpRule):
    """Part along an axis: the input needs what any used output wants."""

    op_types = ("Split",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        axis = int(attribute(node, "axis", 0)) % len(shape_of(node.inputs[0]))
        need: Region | None = None
        for region, start, size in self._parts(node, wanted, axis):
            chosen = region.axis(axis)
            picked = range(size) if chosen is None else chosen
            here = region.with_axis(axis, _some([start + i for i in picked]))
            need = here if need is None else need.union(here)
        outputs = tuple(region or Region() for region in wanted)
        sizes = (Region(),) * (len(node.inputs) - 1)
        return Flow(inputs=(need, *sizes), outputs=outputs)

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        axis = int(attribute(node, "axis", 0)) % len(shape_of(node.inputs[0]))
        take: dict[int, dict[int, Indices]] = {}
        start = 0
        for i, output in enumerate(node.outputs):
            shape = shape_of(output)
            chosen = flow.outputs[i].axis(axis)
            picked = range(shape[axis]) if chosen is None else chosen
            take[i] = {
                j: ax for j in range(len(shape)) if (ax := flow.outputs[i].axis(j)) is not None
            }
            take[i][axis] = tuple(start + k for k in picked)
            start += shape[axis]
        return Rewrite(take=take)

    def examples(self) -> Sequence[Example]:
        return (
            Example(
                op_type="Split",
                inputs=[(1, 7, 3), np.array([2, 5], np.int64)],
                attributes={"axis": 1},
                outputs=2,
            ),
            Example(op_type="Split", inputs=[(6, 2)], attributes={"num_outputs": 3}, outputs=3),
        )

    @staticmethod
    def _parts(
        node: ir.Node, wanted: Sequence[Region | None], axis: int
    ) -> list[tuple[Region, int, int]]:
        sizes = [shape_of(output)[axis] for output in node.outputs]
        starts = [0, *accumulate(sizes)][:-1]
        return [
            (region, start, size)
            for region, start, size in zip(wanted, starts, sizes, strict=True)
            if region is not None
        ]


class Slice(OpRule):
    """A constant slice: output index j is input index range(start, end, step)[j]."""

    op_types = ("Slice",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        need = out
        for axis, picked in self._picked(node).items():
            chosen = out.axis(axis)
            source = picked if chosen is None else [picked[j] for j in chosen]
            need = need.with_axis(axis, _some(source))
        rest = (Region(),) * (len(node.inputs) - 1)
        return Flow(inputs=(need, *rest), outputs=(out,))

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        out, picked = flow.outputs[0], self._picked(node)
        take: dict[int, Indices] = {}
        for axis in range(len(shape_of(node.inputs[0]))):
            chosen = out.axis(axis)
            if axis in picked:
                source = picked[axis]
                take[axis] = tuple(source if chosen is None else [source[j] for j in chosen])
            elif chosen is not None:
                take[axis] = chosen
        return Rewrite(take={0: take})

    def examples(self) -> Sequence[Example]:
        def ints(*values: int) -> np.ndarray:
            return np.array(values, np.int64)

        return (
            Example(op_type="Slice", inputs=[(1, 8, 5), ints(1), ints(7), ints(1), ints(2)]),
            Example(op_type="Slice", inputs=[(1, 8, 5), ints(-1), ints(-9), ints(1), ints(-1)]),
            Example(op_type="Slice", inputs=[(4, 8, 5), ints(0, 2), ints(9, 4)]),
            Example(
                op_type="Slice",
                inputs=[(1, 8)],
                opset=9,
                attributes={"starts": [2], "ends": [8], "axes": [1]},
            ),
        )

    @staticmethod
    def _picked(node: ir.Node) -> dict[int, Sequence[int]]:
        shape = shape_of(node.inputs[0])

        def given(place: int, default: list[int]) -> list[int]:
            constant = constant_of(node, place)
            return default if constant is None else [int(v) for v in constant.tolist()]

        starts, ends = given(1, []), given(2, [])
        axes, steps = given(3, list(range(len(starts)))), given(4, [1] * len(starts))
        return {
            axis % len(shape): range(shape[axis])[start:end:step]
            for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
        }


class Gather(OpRule):
    """Pick constant indices along an axis; with computed indices all of the axis is needed."""

    op_types = ("Gather",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        axis, rank, picked, spread = self._form(node)
        need = Region(
            tuple(out.axis(i if i < axis else i + spread - 1) for i in range(rank))
        ).with_axis(axis, None)
        if picked is None:
            chosen = tuple(out.axis(axis + i) for i in range(spread))
            return Flow(inputs=(need, Region(chosen)), outputs=(out,))
        given = out
        if spread > 1:
            for i in range(spread):
                given = given.with_axis(axis + i, None)
        source = self._source(picked, given.axis(axis) if spread == 1 else None)
        return Flow(
            inputs=(need.with_axis(axis, _some(source.ravel().tolist())), Region()),
            outputs=(given,),
        )

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        axis, rank, picked, spread = self._form(node)
        if picked is None:
            return Rewrite()
        if spread == 1:
            out = flow.outputs[0]
            source = self._source(picked, out.axis(axis))
            others = {i: kept for i in range(rank) if (kept := out.axis(i)) is not None}
            return Rewrite(take={0: {**others, axis: tuple(source.tolist())}})
        return Rewrite(looked_up=(axis, picked))

    def examples(self) -> Sequence[Example]:
        def pick(values: object) -> Example:
            return Example(
                op_type="Gather",
                inputs=[(2, 6, 3), np.array(values, np.int64)],
                attributes={"axis": 1},
            )

        return (pick([4, 0, 2]), pick(3), pick([[1, -1], [0, 2]]))

    @staticmethod
    def _form(node: ir.Node) -> tuple[int, int, np.ndarray | None, int]:
        shape = shape_of(node.inputs[0])
        axis = int(attribute(node, "axis", 0)) % len(shape)
        where = input_of(node, 1)
        spread = len(shape_of(where))
        if where is None or where.const_value is None:
            return axis, len(shape), None, spread
        picked = np.asarray(where.const_value.numpy()).astype(np.int64)
        return axis, len(shape), np.where(picked < 0, picked + shape[axis], picked), spread

    @staticmethod
    def _source(picked: np.ndarray, chosen: Indices | None) -> np.ndarray:
        return picked if chosen is None else picked[list(chosen)]


class Pad(OpRule):
    """Padding: an axis that is not padded passes demand on; a padded one is needed whole."""

    op_types = ("Pad",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        rank, needed = len(shape_of(node.inputs[0])), padded(node)
        kept = Region(tuple(None if i in needed else out.axis(i) for i in range(rank)))
        rest = tuple(None if v is None else Region() for v in node.inputs[1:])
        return Flow(inputs=(kept, *rest), outputs=(kept,))

    def examples(self) -> Sequence[Example]:
        pads = np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64)
        return (
            Example(op_type="Pad", inputs=[(1, 4, 3, 3), pads]),
            Example(
                op_type="Pad", inputs=[(1, 4, 3, 3)], opset=9, attributes={"pads": pads.tolist()}
            ),
        )


def padded(node: ir.Node) -> set[int]:
    """The axes that a Pad changes; where it pads one side and crops the other the size may stay.

    Raises:
        Unsupported: the amounts are not constant.
    """
    amounts, rank = constant_of(node, 1), len(shape_of(node.inputs[0]))
    if amounts is None:
        raise Unsupported("it has no pads")
    pads = amounts.tolist()
    axes_input = constant_of(node, 3)
    axes = range(rank) if axes_input is None else [int(a) % rank for a in axes_input.tolist()]
    ends = zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True)
    return {axis for axis, begin, end in ends if begin or end}


def _some(picked: Sequence[int]) -> Indices:
    """An index set that holds something: nothing computes a tensor without elements."""
    if not len(picked):
        raise Unsupported("it selects nothing")
    return indices(picked)


def _share(kept: Indices, start: int, size: int) -> Indices:
    return tuple(i - start for i in kept if start <= i < start + size)
