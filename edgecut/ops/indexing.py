"""Operations that pick or overwrite single elements by computed places.

An axis along which places are computed is needed whole; the others pass demand on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Region
from edgecut.ops.rule import Example, Flow, OpRule, attribute, shape_of, sole

if TYPE_CHECKING:
    import onnx_ir as ir


class GatherElements(OpRule):
    """y[i, j] = x[places[i, j], j] for axis 0; the places have the output's shape."""

    op_types = ("GatherElements",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        axis = int(attribute(node, "axis", 0)) % len(shape_of(node.inputs[0]))
        # Where there are more values than places, the first ones count, and those are wanted.
        return Flow(inputs=(out.with_axis(axis, None), out), outputs=(out,))

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        places = random.integers(0, 5, (2, 3, 4))
        fewer = random.integers(0, 5, (2, 3, 2))
        return (
            Example(op_type="GatherElements", inputs=[(2, 5, 4), places], attributes={"axis": 1}),
            Example(op_type="GatherElements", inputs=[(2, 5, 4), fewer], attributes={"axis": 1}),
            Example(op_type="GatherElements", inputs=[(5, 4), fewer[0]]),
        )


class ScatterElements(OpRule):
    """x with y[places[i, j], j] = updates[i, j] for axis 0."""

    op_types = ("ScatterElements",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out, data, places = sole(wanted), shape_of(node.inputs[0]), shape_of(node.inputs[1])
        axis = int(attribute(node, "axis", 0)) % len(data)
        alike = [i for i, n in enumerate(data) if i != axis and places[i] == n]
        given = Region(tuple(w if i in alike else None for i, w in enumerate(out.axes)))
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
        out, places = sole(wanted), shape_of(node.inputs[1])
        batch, named = int(attribute(node, "batch_dims", 0)), places[-1]
        own = len(places) - 1  # axes of the output that the places give it
        need = Region((*out.axes[:batch], *(None,) * named, *out.axes[own:]))
        return Flow(inputs=(need, Region(out.axes[:own])), outputs=(out,))

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
        out, places = sole(wanted), shape_of(node.inputs[1])
        named, own = places[-1], len(places) - 1
        behind = out.axes[named:]
        given, updates = Region((*(None,) * named, *behind)), Region((*(None,) * own, *behind))
        return Flow(inputs=(given, Region(), updates), outputs=(given,))

    def examples(self) -> Sequence[Example]:
        rows, pairs = np.array([[4], [1]]), np.array([[0, 3], [4, 1], [2, 2]])
        return (
            Example(op_type="ScatterND", inputs=[(5, 6), rows, (2, 6)]),
            Example(op_type="ScatterND", inputs=[(5, 4, 6), pairs, (3, 6)]),
        )
