"""Transposes moved down through operations that do not mind, until opposite ones meet and go.

A network written channels last, and exported operation by operation, has a pair of Transposes
around every convolution. What stands between two convolutions mostly treats all axes alike, or
names the axes it works on: it computes the same on the tensor as it was before the Transpose, and
its result is transposed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut import edit
from edgecut.ops.rule import Unsupported, attribute, constant_of, input_of, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

Order = tuple[int, ...]
"""Axis ``i`` of a transposed tensor is axis ``order[i]`` of the one before."""

# Every element by itself; inputs besides the data are broadcast to it.
_ELEMENTWISE = {
    *("Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum", "Where"),
    *("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"),
    *("Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu"),
    *("Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
    *("Abs", "Cast", "Ceil", "Cos", "Erf", "Exp", "Floor", "Identity", "Log", "Neg"),
    *("Reciprocal", "Round", "Sign", "Sin", "Sqrt"),
}
_ALONG_AN_AXIS = {"Concat": None, "Split": 0, "Softmax": -1, "LogSoftmax": -1}
"""Operations with an attribute ``axis``, and its default."""


def without_transposes(network: Network) -> Network:
    """The same network with fewer Transposes; unchanged where that cannot be had."""
    model = network.editable()
    known: dict[ir.Value, _Turned] = {}
    for node in list(model.graph):
        _pass(model.graph, node, known)
    edit.swept(model)
    for node in list(model.graph):
        _reshape(model.graph, node)
    if _transposes(model) >= _transposes(network.model):
        return network
    return replace(network, model=model)


def _transposes(model: ir.Model) -> int:
    return sum(op_of(node) == "Transpose" for node in model.graph)


@dataclass(frozen=True, slots=True)
class _Turned:
    """A tensor that is ``before``, transposed."""

    before: ir.Value
    order: Order

    @property
    def is_idle(self) -> bool:
        return self.order == tuple(range(len(self.order)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """A node as it is before the Transpose, and the order in which that then takes its output."""

    order: Order
    constants: Mapping[int, np.ndarray] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _pass(graph: ir.Graph, node: ir.Node, known: dict[ir.Value, _Turned]) -> None:
    """Put a node before the Transpose of its inputs, if it lets it pass."""
    for i, value in enumerate(node.inputs):
        if value is not None and value in known and known[value].is_idle:
            node.replace_input_with(i, known[value].before)
    if op_of(node) == "Transpose":
        _join(node, known)
        return
    turned = [value for value in node.inputs if value is not None and value.const_value is None]
    orders = {known[value].order if value in known else None for value in turned}
    order = next(iter(orders), None)
    if len(orders) != 1 or order is None:
        return
    try:
        for output in node.outputs:
            shape_of(output)
        moved = _moved(node, order)
    except Unsupported:
        return
    if moved is not None:
        _carry_out(graph, node, moved, known)


def _join(node: ir.Node, known: dict[ir.Value, _Turned]) -> None:
    """A Transpose of a transposed tensor is one of the tensor before that."""
    source = node.inputs[0]
    if source is None or source.shape is None:
        return
    perm = attribute(node, "perm", list(reversed(range(len(source.shape)))))
    turned = known.get(source, _Turned(source, tuple(range(len(perm)))))
    order = tuple(turned.order[axis] for axis in perm)
    node.replace_input_with(0, turned.before)
    _set(node, {"perm": order})
    known[node.outputs[0]] = _Turned(turned.before, order)


def _reshape(graph: ir.Graph, node: ir.Node) -> None:
    """A Transpose that moves only axes of length 1 is a Reshape, of which several join."""
    if op_of(node) != "Transpose" or node.inputs[0] is None:
        return
    try:
        sizes, shape = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    except Unsupported:
        return
    long = [axis for axis in attribute(node, "perm", ()) if sizes[axis] != 1]
    if sizes and long == sorted(long):
        to = edit.constant(graph, f"{node.outputs[0].name}/shape", np.array(shape, np.int64))
        edit.replace(graph, node, "Reshape", [node.inputs[0], to], {})


def _carry_out(
    graph: ir.Graph, node: ir.Node, moved: _Moved, known: dict[ir.Value, _Turned]
) -> None:
    import onnx_ir as ir

    for i, value in enumerate(node.inputs):
        if value is not None and value in known:
            node.replace_input_with(i, known[value].before)
    for i, array in moved.constants.items():
        name = str(node.inputs[i].name)  # type: ignore[union-attr]
        node.replace_input_with(i, edit.constant(graph, f"{name}/turned", array))
    _set(node, moved.attributes)
    for output in node.outputs:
        name, shape = str(output.name), shape_of(output)
        before = ir.Shape([shape[moved.order.index(axis)] for axis in range(len(shape))])
        output.name = edit.fresh(f"{name}/before", edit.value_names(graph))
        turned = ir.Value(name=name, shape=output.shape, type=output.type)
        output.replace_all_uses_with(turned, replace_graph_outputs=True)
        output.shape = before
        attributes = {"perm": moved.order}
        last = ir.node("Transpose", [output], attributes, outputs=[turned], name=f"{name}/turn")
        graph.insert_after(node, last)
        known[turned] = _Turned(output, moved.order)


def _set(node: ir.Node, attributes: Mapping[str, Any]) -> None:
    import onnx_ir as ir

    for name, value in attributes.items():
        whole = isinstance(value, int)
        node.attributes[name] = (
            ir.AttrInt64(name, value) if whole else ir.AttrInt64s(name, list(value))
        )


def _moved(node: ir.Node, order: Order) -> _Moved | None:
    """How the node works on what its inputs are before the Transpose; None where it cannot.

    Raises:
        Unsupported: a shape or a constant that is needed is not known.
    """
    op = op_of(node)
    if op in _ELEMENTWISE:
        return _broadcast(node, order)
    if op in _ALONG_AN_AXIS:
        axis = attribute(node, "axis", _ALONG_AN_AXIS[op])
        attributes = {"axis": order[axis]}
        if op == "Concat":
            return _broadcast(node, order, attributes)
        return _Moved(order=order, attributes=attributes)
    if op.startswith("Reduce"):
        return _reduction(node, order)
    rule = _NAMING_AXES.get(op)
    return rule(node, order) if rule else None


def _broadcast(
    node: ir.Node, order: Order, attributes: Mapping[str, Any] | None = None
) -> _Moved | None:
    if len(shape_of(node.outputs[0])) != len(order):
        return None
    constants = {}
    for i, value in enumerate(node.inputs):
        array = None if value is None or value.const_value is None else constant_of(node, i)
        if array is None or array.size == 1:
            continue
        full = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
        constants[i] = full.transpose(np.argsort(order))
    return _Moved(order=order, constants=constants, attributes=attributes or {})


def _reduction(node: ir.Node, order: Order) -> _Moved | None:
    given = attribute(node, "axes", None)
    if given is None:
        listed = constant_of(node, 1)
        given = None if listed is None else [int(axis) for axis in listed]
    if not given:  # all of them, or none
        return None
    axes = [axis % len(order) for axis in given]
    before = np.array([order[axis] for axis in axes], np.int64)
    changed: dict[str, Any] = (
        {"constants": {1: before}}
        if input_of(node, 1) is not None
        else {"attributes": {"axes": before.tolist()}}
    )
    if attribute(node, "keepdims", 1):
        return _Moved(order=order, **changed)
    kept = [order[axis] for axis in range(len(order)) if axis not in axes]
    return _Moved(order=tuple(sorted(kept).index(axis) for axis in kept), **changed)


def _padding(node: ir.Node, order: Order) -> _Moved | None:
    pads = constant_of(node, 1)
    if pads is None or input_of(node, 3) is not None:
        return None
    before, after = np.split(pads, 2)
    back = np.argsort(order)
    return _Moved(order=order, constants={1: np.concatenate([before[back], after[back]])})


def _slice(node: ir.Node, order: Order) -> _Moved | None:
    axes = constant_of(node, 3)
    if axes is None:
        return None
    return _Moved(order=order, constants={3: np.array([order[int(axis)] for axis in axes])})


_NAMING_AXES: Mapping[str, Callable[[ir.Node, Order], _Moved | None]] = {
    "Pad": _padding,
    "Slice": _slice,
}
