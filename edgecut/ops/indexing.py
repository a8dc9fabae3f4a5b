"""Operations that pick or overwrite single elements by computed places.

An axis along which places are computed is needed whole; the others pass demand on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Indices, Region
from edgecut.ops.rule import Example, Flow, OpRule, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class GatherElements(OpRule):
    """y[i, j] = x[places[i, j], j] for axis 0; the places have the output's shape."""

    op_types = ("GatherElements",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, data, places = sole(wanted), shape_of(node.inputs[0]), shape_of(node.inputs[1])
        axis = int(attribute(node, "axis", 0)) % len(data)
        need = _only(out, [i for i, n in enumerate(data) if i != axis and places[i] == n])
        # Where there are more values than places, the first ones count.
        given = _only(out, [i for i in range(len(data)) if i == axis or places[i] == data[i]])
        return Flow(inputs=(need, given), outputs=(given,))

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        places = random.integers(0, 5, (2, 3, 4))
        fewer = random.integers(0, 5, (2, 3, 2))
        return (
            Example(op_type="GatherElements", inputs=[(2, 5, 4), places], attributes={"axis": 1}),
            Example(op_type="GatherElements", inputs=[(2, 5, 4), fewer], attributes={"axis": 1}),
        )


class ScatterElements(OpRule):
    """x with y[places[i, j], j] = updates[i, j] for axis 0."""

    op_types = ("ScatterElements",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, data, places = sole(wanted), shape_of(node.inputs[0]), shape_of(node.inputs[1])
        axis = int(attribute(node, "axis", 0)) % len(data)
        given = _only(out, [i for i, n in enumerate(data) if i != axis and places[i] == n])
        return Flow(inputs=(given,) * 3, outputs=(given,))

    def examples(self) -> Sequence[Example]:
        places = np.random.default_rng(0).permuted(np.tile(np.arange(5), (8, 1)), axis=1)
        places = places[:, :3].reshape(2, 4, 3).transpose(0, 2, 1).copy()
        some = np.array([[0, 3]])
        return (
            Example(
                op_type="ScatterElements",
                inputs=[(2, 5, 4), places, (2, 3, 4)],
                attributes={"axis": 1},
            ),
            Example(
                op_type="ScatterElements", inputs=[(3, 5), some, (1, 2)], attributes={"axis": 1}
            ),
        )


class GatherND(OpRule):
    """Places name the first axes after the batch; what lies behind those passes demand on."""

    op_types = ("GatherND",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, data, places = sole(wanted), shape_of(node.inputs[0]), shape_of(node.inputs[1])
        batch, named = int(attribute(node, "batch_dims", 0)), places[-1]
        own = len(places) - 1  # axes of the output that the places give it
        behind = tuple(out.axis(own + i) for i in range(len(data) - batch - named))
        lead = tuple(out.axis(i) for i in range(batch))
        need = Region((*lead, *(None,) * named, *behind))
        return Flow(inputs=(need, Region(tuple(map(out.axis, range(own))))), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        return (
            Example(op_type="GatherND", inputs=[(5, 4, 6), random.integers(0, 4, (3, 2))]),
            Example(op_type="GatherND", inputs=[(5, 4, 6), random.integers(0, 4, (2, 3, 1))]),
            Example(
                op_type="GatherND",
                inputs=[(3, 5, 4), random.integers(0, 5, (3, 2, 1))],
                attributes={"batch_dims": 1},
            ),
        )


class ScatterND(OpRule):
    """Places name the first axes of what is overwritten; those behind pass demand on."""

    op_types = ("ScatterND",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, rank, places = sole(wanted), len(shape_of(node.inputs[0])), shape_of(node.inputs[1])
        named, own = places[-1], len(places) - 1
        given = _only(out, range(named, rank))
        behind: tuple[Indices | None, ...] = tuple(given.axis(i) for i in range(named, rank))
        updates = Region((*(None,) * own, *behind))
        return Flow(inputs=(given, Region(), updates), outputs=(given,))

    def examples(self) -> Sequence[Example]:
        rows, pairs = np.array([[4], [1]]), np.array([[0, 3], [4, 1], [2, 2]])
        return (
            Example(op_type="ScatterND", inputs=[(5, 6), rows, (2, 6)]),
            Example(op_type="ScatterND", inputs=[(5, 4, 6), pairs, (3, 6)]),
        )


def _only(out: Region, axes: Sequence[int]) -> Region:
    """The region that is as wanted on these axes, and whole on the others."""
    kept = set(axes)
    return Region(tuple(w if i in kept else None for i, w in enumerate(out.axes)))
