"""An input bound to one number: it goes, and with it every multiplication by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.ops.rule import Unsupported, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

# What only selects and rearranges: of equal numbers it makes equal numbers again.
_MOVES = (
    *("Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split"),
    *("Squeeze", "Tile", "Transpose", "Unsqueeze"),
)


def bind_input(network: Network, name: str, number: float) -> Network:
    """The network without this input, all of whose elements are bound to the number.

    What selects and rearranges them is folded away, and so is a multiplication by one; other
    operations read the number as a constant.
    """
    model = network.editable()
    graph = model.graph
    bound = next(value for value in graph.inputs if value.name == name)
    graph.inputs.remove(bound)
    filled = {_constant(graph, bound, number)}
    for node in list(graph):
        if op_of(node) in _MOVES and _are_moved(node, filled):
            filled |= {_constant(graph, output, number) for output in node.outputs}
        elif op_of(node) == "Mul" and number == 1:
            _drop_idle(graph, node, filled)
    return network.evolve(edit.swept(model), f"bind {name}")


def _constant(graph: ir.Graph, old: ir.Value, number: float) -> ir.Value:
    """A weight that takes the place of a value, filled with the number."""
    assert old.dtype is not None
    new = edit.constant(graph, f"{old.name}/bound", _full(old, number))
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    return new


def _full(value: ir.Value, number: float) -> np.ndarray:
    assert value.dtype is not None
    return np.full(shape_of(value), number, value.dtype.numpy())


def _are_moved(node: ir.Node, filled: set[ir.Value]) -> bool:
    """Whether the elements that a node moves are the bound ones alone, and no output's."""
    moved = node.inputs if op_of(node) == "Concat" else node.inputs[:1]
    if any(output.is_graph_output() or not _is_known(output) for output in node.outputs):
        return False
    return all(value in filled for value in moved)


def _is_known(value: ir.Value) -> bool:
    """Whether the value has a static shape."""
    try:
        shape_of(value)
    except Unsupported:
        return False
    return True


def _drop_idle(graph: ir.Graph, node: ir.Node, filled: set[ir.Value]) -> None:
    """Take a multiplication by ones away, where they do not spread the other factor."""
    output = node.outputs[0]
    for one, other in (node.inputs, reversed(node.inputs)):
        if one in filled and other is not None and other.shape == output.shape:
            if output.is_graph_output():
                edit.replace(graph, node, "Identity", [other], {})
            else:
                output.replace_all_uses_with(other)
                graph.remove(node, safe=True)
            return
