"""An axis and its slots, followed backward through a graph."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from edgecut.ops import rule_for
from edgecut.ops.elementwise import Elementwise
from edgecut.ops.normalisation import Softmax
from edgecut.ops.ordering import Ordering
from edgecut.ops.pooling import ArgReduce, Pool, Reduce
from edgecut.ops.region import Region
from edgecut.ops.resize import Resize
from edgecut.ops.rule import Unsupported, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

Place = tuple["ir.Value", int]
_ALIKE = (
    *Elementwise.op_types,
    *Pool.op_types,
    *Reduce.op_types,
    *ArgReduce.op_types,
    *Ordering.op_types,
    *Resize.op_types,
    *Softmax.op_types,
)
_MOVES = ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def trail(value: ir.Value, axis: int) -> set[Place]:
    """A value and its axis, and all those behind it whose slots are the same ones.

    They are the same through a softmax, and where each is computed of itself on other axes.
    """
    return set(followed(value, axis, _ALIKE))


def followed(value: ir.Value, axis: int, alike: Collection[str]) -> Iterator[Place]:
    """A value and an axis, and what they were before each move and each of these operations.

    Where one of these reads several values, each is followed that has all of the slots.
    """
    waiting: list[Place] = [(value, axis)]
    seen: set[Place] = set()
    while waiting:
        place = waiting.pop()
        if place not in seen:
            seen.add(place)
            yield place
            waiting += reversed(_before(*place, alike))


def _before(value: ir.Value, axis: int, alike: Collection[str]) -> list[Place]:
    """What has the slots among the inputs of the node that makes a value."""
    node = value.producer()
    if node is None or op_of(node) not in (*_MOVES, *alike):
        return []
    if op_of(node) in Softmax.op_types:
        return [(source, axis) for source in node.inputs[:1] if source is not None]
    rule = rule_for(node)
    try:
        size = shape_of(value)[axis]
        wanted = [
            Region().with_axis(axis, (size - 1,)) if v is value else None for v in node.outputs
        ]
        flow = rule.demand(node, wanted) if rule else None
        if flow is None or flow.stopped:
            return []
        found = zip(node.inputs, flow.inputs, strict=True)
        return [(v, i) for v, need in found if v and need for i in _axes(v, need, size)]
    except Unsupported:
        return []


def _axes(source: ir.Value, need: Region, size: int) -> list[int]:
    """The axis of a computed value of whose slots the last one is needed, where there is one."""
    if source.const_value is not None:
        return []
    sizes = shape_of(source)
    return [i for i, n in enumerate(sizes) if n == size and need.axis(i) == (size - 1,)]
