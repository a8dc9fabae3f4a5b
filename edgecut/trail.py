"""An axis and its slots, followed backward through a graph."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from edgecut.ops.elementwise import Elementwise
from edgecut.ops.movement import blocks
from edgecut.ops.normalisation import Softmax
from edgecut.ops.rule import Unsupported, attribute, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


def trail(value: ir.Value, axis: int) -> Iterator[tuple[ir.Value, int]]:
    """A value and its axis, and those behind it whose slots are the same ones."""
    return followed(value, axis, (*Elementwise.op_types, *Softmax.op_types))


def followed(value: ir.Value, axis: int, alike: Collection[str]) -> Iterator[tuple[ir.Value, int]]:
    """A value and an axis, and what they were before each move and each of these operations."""
    yield value, axis
    try:
        while (node := value.producer()) is not None:
            source = node.inputs[0] if node.inputs else None
            if op_of(node) == "Transpose":
                axis = attribute(node, "perm", list(reversed(range(len(shape_of(value))))))[axis]
            elif op_of(node) in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
                axis = _axis_before(shape_of(source), shape_of(value), axis)
            elif op_of(node) not in alike or shape_of(source) != shape_of(value):
                return
            assert source is not None
            value = source
            yield value, axis
    except (Unsupported, LookupError):
        return


def _axis_before(before: Sequence[int], after: Sequence[int], axis: int) -> int:
    for axes_in, axes_out in blocks(before, after):
        if axes_out == (axis,) and len(axes_in) == 1:
            return axes_in[0]
    raise LookupError(axis)
