"""Outputs whose values are places on an axis, as an ArgMax or a TopK gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.elementwise import Elementwise
from edgecut.ops.rule import Unsupported, attribute, constant_of, input_of, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

# What gives the same numbers another shape or order, and what gives some of them.
SHAPES = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
MOVES = (*SHAPES, "Gather", "Slice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where the values of an output come from.

    ``node`` is an ArgMax, or a TopK of the largest, that chooses among the ``size`` places on
    ``axis`` of its first input. ``path`` holds what lies between it and the output, in order:
    moves, casts, and tables that map the places to other numbers.
    """

    node: ir.Node
    axis: int
    size: int
    path: tuple[ir.Node, ...]

    @property
    def scores(self) -> ir.Value:
        """What it chooses by."""
        value = self.node.inputs[0]
        assert value is not None
        return value

    @property
    def places(self) -> ir.Value:
        """The places that it gives, before any move."""
        return self.node.outputs[1 if op_of(self.node) == "TopK" else 0]

    @property
    def count(self) -> int:
        """How many places it gives of each axis."""
        k = constant_of(self.node, 1) if op_of(self.node) == "TopK" else None
        return 1 if k is None else int(k.item())

    @property
    def most(self) -> int:
        """The largest number that the output can hold."""
        tables = [node.inputs[0] for node in self.path if is_table(node)]
        if not tables or tables[-1] is None or tables[-1].const_value is None:
            return self.size - 1
        return int(tables[-1].const_value.numpy().max())

    @property
    def maps(self) -> bool:
        """Whether a table maps the places on the way."""
        return any(is_table(node) for node in self.path)


def choice_behind(value: ir.Value) -> Choice | None:
    """The choice whose places a value holds; None where it holds anything else."""
    path: list[ir.Node] = []
    try:
        while (node := value.producer()) is not None:
            axis = _chooses(node, value)
            if axis is not None:
                size = shape_of(node.inputs[0])[axis]
                holds = all(_holds(made.outputs[0], size) for made in path)
                return Choice(node=node, axis=axis, size=size, path=tuple(path)) if holds else None
            source = _source(node)
            if source is None:
                return None
            path.insert(0, node)
            value = source
    except Unsupported:
        pass
    return None


def only_computed(node: ir.Node) -> ir.Value | None:
    """The input of a node that is no constant, where there is just one."""
    computed = [value for value in node.inputs if value is not None and value.const_value is None]
    return computed[0] if len(computed) == 1 else None


def is_alone(node: ir.Node) -> bool:
    """Whether a node moves or changes values one by one, and reads nothing else beside them."""
    return op_of(node) in (*Elementwise.op_types, *MOVES) and only_computed(node) is not None


def is_table(node: ir.Node) -> bool:
    """Whether a node looks numbers up in a constant row."""
    table = input_of(node, 0)
    return (
        op_of(node) == "Gather"
        and table is not None
        and table.const_value is not None
        and len(shape_of(table)) == 1
    )


def _chooses(node: ir.Node, value: ir.Value) -> int | None:
    """The axis among whose places the value holds the chosen ones; None where it does not."""
    kind, default = op_of(node), {"ArgMax": 0, "TopK": -1}
    if kind not in default:
        return None
    if kind == "TopK":
        ordered = attribute(node, "largest", 1) and attribute(node, "sorted", 1)
        if not ordered or value is not node.outputs[1]:
            return None
        constant_of(node, 1)
    return int(attribute(node, "axis", default[kind])) % len(shape_of(node.inputs[0]))


def _source(node: ir.Node) -> ir.Value | None:
    """The value whose numbers a node passes on; None where it makes others."""
    if is_table(node):
        return node.inputs[1]
    others = node.inputs[1:]
    steered = all(value is None or value.const_value is not None for value in others)
    return node.inputs[0] if steered and op_of(node) in (*MOVES, "Cast") else None


def _holds(value: ir.Value, size: int) -> bool:
    """Whether the type of a value tells so many places apart."""
    if value.dtype is None:
        return False
    kind = value.dtype.numpy()
    if np.issubdtype(kind, np.integer):
        return bool(np.iinfo(kind).max >= size)
    # Up to this number a float type has every whole one.
    return bool(np.issubdtype(kind, np.floating) and 2 / np.finfo(kind).eps >= size)
