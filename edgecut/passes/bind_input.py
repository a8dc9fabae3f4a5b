"""An input bound to one number: it goes, and with it what then does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import add, mul, sub
from typing import TYPE_CHECKING, Any

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
_SUMS: dict[str, Callable[[Any, Any], Any]] = {"Add": add, "Sub": sub, "Mul": mul}


def bind_input(network: Network, name: str, number: float) -> Network:
    """The network without this input, all of whose elements are bound to the number.

    What selects and rearranges them is folded away, and so are sums and products with other
    constants of one number; then what multiplies by one, and what adds zero. Other operations read
    the number as a constant.
    """
    model = network.editable()
    graph = model.graph
    bound = next(value for value in graph.inputs if value.name == name)
    graph.inputs.remove(bound)
    filled = _constant(graph, bound, number)
    for node in list(graph):
        if filled.keys().isdisjoint(node.inputs):
            continue
        found = _moved(node, filled) if op_of(node) in _MOVES else _computed(node, filled)
        if found is not None and all(map(_can_be_constant, node.outputs)):
            for output in node.outputs:
                filled |= _constant(graph, output, found)
        elif op_of(node) == "Mul":
            _drop_idle(graph, node, filled, 1)
        elif op_of(node) == "Add":
            _drop_idle(graph, node, filled, 0)
    return network.evolve(edit.swept(model), f"bind {name}")


def _constant(graph: ir.Graph, old: ir.Value, number: Any) -> dict[ir.Value, Any]:
    """A weight that takes the place of a value, filled with the number; and the number."""
    assert old.dtype is not None
    array = np.full(shape_of(old), number, old.dtype.numpy())
    new = edit.constant(graph, f"{old.name}/bound", array)
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    return {new: old.dtype.numpy().type(number)}


def _moved(node: ir.Node, filled: Mapping[ir.Value, Any]) -> Any:
    """The number whose copies a node moves; None where it moves anything else."""
    moved = node.inputs if op_of(node) == "Concat" else node.inputs[:1]
    numbers = {filled.get(value) for value in moved if value is not None}
    return numbers.pop() if len(numbers) == 1 else None


def _computed(node: ir.Node, filled: Mapping[ir.Value, Any]) -> Any:
    """The number of which a sum or product is full; None where it is not, or is neither."""
    if op_of(node) not in _SUMS:
        return None
    first, second = (_number(value, filled) for value in node.inputs)
    if first is not None and second is not None:
        return _SUMS[op_of(node)](first, second)
    if op_of(node) == "Mul" and 0 in (first, second):
        other = _array(node.inputs[1 if first == 0 else 0])
        return 0.0 if other is not None and np.isfinite(other).all() else None
    return None


def _number(value: ir.Value | None, filled: Mapping[ir.Value, Any]) -> Any:
    """The number of which a constant is full; None where it is not, or is no constant."""
    if value is not None and value in filled:
        return filled[value]
    array = _array(value)
    if array is None or array.size == 0 or not np.all(array == array.flat[0]):
        return None
    return array.flat[0]


def _array(value: ir.Value | None) -> np.ndarray | None:
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _can_be_constant(value: ir.Value) -> bool:
    """Whether the value has a static shape, and is no output of the network."""
    try:
        shape_of(value)
    except Unsupported:
        return False
    return not value.is_graph_output()


def _drop_idle(graph: ir.Graph, node: ir.Node, filled: Mapping[ir.Value, Any], idle: int) -> None:
    """Take a node away where an operand full of this number does nothing, nor spreads the other."""
    output = node.outputs[0]
    for one, other in (node.inputs, reversed(node.inputs)):
        if one is None or other is None or one not in filled or filled[one] != idle:
            continue
        if other.shape == output.shape:
            if output.is_graph_output():
                edit.replace(graph, node, "Identity", [other], {})
            else:
                output.replace_all_uses_with(other)
                graph.remove(node, safe=True)
            return
