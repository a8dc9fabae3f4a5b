"""Operations that only give the same elements another shape or order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
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

Block = tuple[tuple[int, ...], tuple[int, ...]]

# Elements of a block whose places are worked out one by one: about half a gigabyte of indices.
MOST_FOLLOWED = 2**24


class Reshape(OpRule):
    """Reshape, Flatten, Squeeze and Unsqueeze: index sets pass through the factor map."""

    op_types = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
        need, given = through_reshape(sole(wanted), before, after)
        stopped = None
        if given.fitted(after) != sole(wanted).fitted(after):
            stopped = f"{node.op_type} mixes the kept slots with others"
        shapes = (Region(),) * (len(node.inputs) - 1)
        return Flow(inputs=(need, *shapes), outputs=(given,), stopped=stopped)

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        if node.op_type == "Squeeze" and input_of(node, 1) is None:
            # Without axes all of size 1 go, and that would take in what is narrowed to one.
            sizes = shape_of(node.inputs[0])
            return Rewrite(constants={1: np.array([i for i, n in enumerate(sizes) if n == 1])})
        if node.op_type != "Reshape":
            return Rewrite()
        extent = flow.outputs[0].extent(shape_of(node.outputs[0]))
        return Rewrite(constants={1: np.array(extent, np.int64)})

    def examples(self) -> Sequence[Example]:
        def to(*shape: int) -> np.ndarray:
            return np.array(shape, np.int64)

        return (
            Example(op_type="Reshape", inputs=[(1, 6, 4, 5), to(1, 6, 20)]),
            Example(op_type="Reshape", inputs=[(1, 12, 4, 5), to(1, 3, 4, 4, 5)]),
            Example(op_type="Reshape", inputs=[(1, 3, 4, 2, 5), to(1, 12, 10)]),
            Example(op_type="Reshape", inputs=[(2, 6), to(3, 4)]),
            Example(op_type="Reshape", inputs=[(1, 6, 1, 1), to(-1, 6)]),
            Example(op_type="Flatten", inputs=[(1, 6, 2, 3)]),
            Example(op_type="Squeeze", inputs=[(1, 6, 1, 3), np.array([0, 2], np.int64)]),
            Example(op_type="Unsqueeze", inputs=[(6, 3), np.array([0, 3], np.int64)]),
        )


class Transpose(OpRule):
    """Axes in another order: output axis i is input axis perm[i]."""

    op_types = ("Transpose",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        rank = len(shape_of(node.inputs[0]))
        order = attribute(node, "perm", list(reversed(range(rank))))
        need = Region(tuple(out.axis(order.index(i)) for i in range(rank)))
        return Flow(inputs=(need,), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        return (
            Example(op_type="Transpose", inputs=[(2, 3, 4, 5)], attributes={"perm": [0, 3, 1, 2]}),
            Example(op_type="Transpose", inputs=[(2, 3, 4)]),
        )


class Expand(OpRule):
    """Broadcast to a constant shape."""

    op_types = ("Expand",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        from edgecut.ops.elementwise import aligned

        out = sole(wanted)
        constant_of(node, 1)
        need = aligned(out, len(shape_of(node.outputs[0])), shape_of(node.inputs[0]))
        return Flow(inputs=(need, Region()), outputs=(out,))

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        extent = flow.outputs[0].extent(shape_of(node.outputs[0]))
        return Rewrite(constants={1: np.array(extent, np.int64)})

    def examples(self) -> Sequence[Example]:
        return (
            Example(op_type="Expand", inputs=[(3, 1, 4), np.array([2, 3, 5, 4], np.int64)]),
            Example(op_type="Expand", inputs=[(3, 4), np.array([1, 1], np.int64)]),
        )


class Tile(OpRule):
    """Repeat along axes: one that is repeated is needed whole, the others pass demand on."""

    op_types = ("Tile",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, after = sole(wanted), shape_of(node.outputs[0])
        sizes = enumerate(shape_of(node.inputs[0]))
        kept = Region(tuple(out.axis(i) if size == after[i] else None for i, size in sizes))
        return Flow(inputs=(kept, Region()), outputs=(kept,))

    def examples(self) -> Sequence[Example]:
        return (Example(op_type="Tile", inputs=[(3, 4, 2), np.array([1, 2, 1], np.int64)]),)


class DepthToSpace(OpRule):
    """Channels into blocks of pixels: every kept channel has one in each place of a block."""

    op_types = ("DepthToSpace",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, count = sole(wanted), shape_of(node.outputs[0])[1]
        places = int(attribute(node, "blocksize", None)) ** 2
        shape = (places, count) if attribute(node, "mode", "DCR") == "DCR" else (count, places)
        inside = Region((None, out.axis(1)) if shape[0] == places else (out.axis(1), None))
        source, _ = through_reshape(inside, (places * count,), shape)
        kept = Region((out.axis(0), out.axis(1)))
        return Flow(inputs=(Region((out.axis(0), source.axis(0))),), outputs=(kept,))

    def examples(self) -> Sequence[Example]:
        def blocks_of_two(mode: str) -> Example:
            attributes = {"blocksize": 2, "mode": mode}
            return Example(op_type="DepthToSpace", inputs=[(1, 12, 2, 3)], attributes=attributes)

        return (blocks_of_two("DCR"), blocks_of_two("CRD"))


class SpaceToDepth(OpRule):
    """Blocks of pixels into channels: channel i holds channel i % C of the input."""

    op_types = ("SpaceToDepth",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, count = sole(wanted), shape_of(node.inputs[0])[1]
        total = shape_of(node.outputs[0])[1]
        chosen = out.axis(1)
        source = None if chosen is None else indices(i % count for i in chosen)
        given = source and tuple(i for i in range(total) if i % count in source)
        return Flow(
            inputs=(Region((out.axis(0), source)),), outputs=(Region((out.axis(0), given)),)
        )

    def examples(self) -> Sequence[Example]:
        attributes = {"blocksize": 2}
        return (Example(op_type="SpaceToDepth", inputs=[(1, 3, 4, 6)], attributes=attributes),)


def through_reshape(
    out: Region, before: Sequence[int], after: Sequence[int]
) -> tuple[Region, Region]:
    """The input region that a reshape needs for an output region, and the output it then gives.

    The axes fall into blocks of equal size. Within a block both sides must be products of index
    sets; what is wanted grows until they are.
    """
    need: dict[int, Indices | None] = {}
    given: dict[int, Indices | None] = {}
    for axes_in, axes_out in blocks(before, after):
        wanted = [out.axis(i) for i in axes_out]
        ins, outs = _through_block(
            wanted, [before[i] for i in axes_in], [after[i] for i in axes_out]
        )
        need.update(zip(axes_in, ins, strict=True))
        given.update(zip(axes_out, outs, strict=True))
    return (
        Region(tuple(need.get(i) for i in range(len(before)))),
        Region(tuple(given.get(i) for i in range(len(after)))),
    )


def blocks(before: Sequence[int], after: Sequence[int]) -> Iterator[Block]:
    """The smallest runs of axes on both sides that hold the same number of elements.

    Axes of size 1 carry nothing and are left out, except where a side has nothing else.

    Raises:
        Unsupported: there are no elements, or not as many before as after.
    """
    if 0 in before:
        raise Unsupported("it has no elements")
    if prod(before) != prod(after):
        raise Unsupported(f"{list(before)} and {list(after)} hold different numbers of elements")
    ins = [i for i, size in enumerate(before) if size != 1]
    outs = [i for i, size in enumerate(after) if size != 1]
    while ins and outs:
        block_in, block_out = [ins.pop(0)], [outs.pop(0)]
        while (a := prod(before[i] for i in block_in)) != (b := prod(after[i] for i in block_out)):
            (block_in if a < b else block_out).append((ins if a < b else outs).pop(0))
        yield tuple(block_in), tuple(block_out)


def _through_block(
    wanted: Sequence[Indices | None], before: Sequence[int], after: Sequence[int]
) -> tuple[Sequence[Indices | None], Sequence[Indices | None]]:
    if all(axis is None for axis in wanted):
        return [None] * len(before), [None] * len(after)
    if len(before) == len(after) == 1:
        return wanted, wanted
    given: Sequence[Sequence[int]] = [
        range(n) if w is None else w for w, n in zip(wanted, after, strict=True)
    ]
    while True:
        need = _covering(given, after, before)
        wider = _covering(need, before, after)
        if [*map(len, wider)] == [*map(len, given)]:  # each holds the one before
            return need, wider
        given = wider


def _covering(
    sets: Sequence[Sequence[int]], shape: Sequence[int], other: Sequence[int]
) -> list[Indices]:
    """The smallest product of index sets of the other shape that holds the same elements."""
    if prod(map(len, sets)) > MOST_FOLLOWED:
        raise Unsupported("it is too large to follow")
    flat = np.ravel_multi_index(np.ix_(*sets), tuple(shape)).ravel()
    return [tuple(np.unique(axis).tolist()) for axis in np.unravel_index(flat, tuple(other))]
