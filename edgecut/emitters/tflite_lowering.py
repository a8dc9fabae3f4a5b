"""What an operation's rule works with: where each value of the network is stored, and the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.emitters import layout
from edgecut.emitters.layout import Permutation, Shape
from edgecut.emitters.tflite_graph import Array, Graph
from edgecut.errors import EdgecutError

if TYPE_CHECKING:
    import onnx_ir as ir


class Unsupported(Exception):
    """An operation that TFLite cannot do exactly; the message says why."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor of the TFLite graph that holds a value of the network in some storage order."""

    tensor: int
    permutation: Permutation


class Lowering:
    """The state of one emission: the TFLite graph so far and the views of each value."""

    def __init__(self, opset: int) -> None:
        """Start with an empty graph, for a network of this opset."""
        self.graph = Graph()
        self.opset = opset
        self.absorbed: set[ir.Node] = set()
        self._views: dict[str, list[View]] = {}
        self._constants: dict[str, Array] = {}
        self._parameters: dict[tuple[str, Shape, bytes], int] = {}
        self._made: dict[tuple[str, int, Shape], int] = {}

    # Values of the network

    def fix(self, value: ir.Value, array: Array) -> None:
        """Record a value that turned out to be constant."""
        self._constants[_name(value)] = array

    def constant(self, value: ir.Value | None) -> Array | None:
        """The value's array where it is constant, else None."""
        if value is None:
            return None
        if value.const_value is not None:
            return np.asarray(value.const_value.numpy())
        return self._constants.get(_name(value))

    def array(self, value: ir.Value | None, what: str) -> Array:
        """The value's array; what is not constant is unsupported."""
        array = self.constant(value)
        if array is None:
            raise Unsupported(f"its {what} must be constant")
        return array

    def setting(self, node: ir.Node, index: int, attribute: str) -> list[float] | None:
        """Numbers that older opsets keep in an attribute and newer ones in a constant input."""
        if attribute in node.attributes:
            value = node.attributes[attribute].value
            return list(value) if isinstance(value, Sequence) else [value]
        if (value := operand(node, index)) is None:
            return None
        return list(self.array(value, f"input '{attribute}'").ravel().tolist())

    # Where values are stored

    def view(self, value: ir.Value) -> View:
        """How the value was stored first."""
        name = _name(value)
        if name not in self._views:
            array = self.constant(value)
            if array is None:
                raise EdgecutError(
                    f"'{name}' is used before it is produced", code="unsorted-graph", where=name
                )
            tensor = self.graph.constant(name, _as_float32(array))
            self.define(value, tensor, layout.logical(array.ndim))
        return self._views[name][0]

    def define(self, value: ir.Value, tensor: int, permutation: Permutation) -> None:
        """Say that a tensor holds the value in this storage order."""
        self._views.setdefault(_name(value), []).append(View(tensor, permutation))

    def output(self, value: ir.Value, permutation: Permutation, dtype: str | None = None) -> int:
        """A new tensor that holds the value in this storage order; its index.

        It is of float32, but for rules that know what another type does.
        """
        stored = layout.stored_shape(shape_of(value), permutation)
        tensor = self.graph.tensor(_name(value), stored, dtype or dtype_of(value))
        self.define(value, tensor, permutation)
        return tensor

    def stored(self, value: ir.Value, permutation: Permutation) -> int:
        """A tensor that holds the value in this storage order, moved there if it must be.

        The permutation may have more axes than the value: axes of length 1 are put in front.
        """
        array = self.constant(value)
        if array is not None:
            full = array.reshape(padded(array.shape, len(permutation)))
            moved = np.ascontiguousarray(full.transpose(permutation))
            return self.graph.constant(_name(value), _as_float32(moved))
        self.view(value)
        shape = padded(shape_of(value), len(permutation))
        views = [
            View(v.tensor, layout.with_leading(v.permutation, len(permutation)))
            for v in self._views[_name(value)]
        ]
        near = [v for v in views if not layout.moves_data(shape, v.permutation, permutation)]
        tensor = near[0].tensor if near else self._moved(views[0], permutation, value)
        if len(shape) == len(shape_of(value)) and not near:
            self.define(value, tensor, permutation)
        return self.reshaped(tensor, layout.stored_shape(shape, permutation))

    def _moved(self, view: View, permutation: Permutation, value: ir.Value) -> int:
        shape = padded(shape_of(value), len(permutation))
        tensor = self.reshaped(view.tensor, layout.stored_shape(shape, view.permutation))
        axes = [view.permutation.index(axis) for axis in permutation]
        return self.transposed(tensor, axes)

    def common(self, values: Sequence[ir.Value]) -> Permutation:
        """The storage order in which these values meet with the least data moved."""
        rank = max(len(shape_of(value)) for value in values)
        moving = sorted(
            (value for value in values if self.constant(value) is None),
            key=lambda value: (-len(shape_of(value)), -size_of(value)),
        )
        if not moving:
            return layout.logical(rank)
        orders = [layout.with_leading(self.view(v).permutation, rank) for v in moving]
        shapes = [padded(shape_of(value), rank) for value in moving]

        def cost(candidate: Permutation) -> int:
            return sum(
                int(np.prod(shape))
                for shape, order in zip(shapes, orders, strict=True)
                if layout.moves_data(shape, order, candidate)
            )

        return min(orders, key=cost)

    # Tensors of the graph

    def parameter(self, name: str, values: Sequence[int]) -> int:
        """An int32 tensor that steers an operator; equal ones are shared."""
        array = np.array(values, np.int32)
        key = (name, array.shape, array.tobytes())
        if key not in self._parameters:
            self._parameters[key] = self.graph.constant(f"edgecut/{name}", array)
        return self._parameters[key]

    def number(self, value: float) -> int:
        """A scalar float32 tensor."""
        return self.graph.constant("edgecut/number", np.array(value, np.float32))

    def like(self, tensor: int, label: str, shape: Sequence[int] | None = None) -> int:
        """A new tensor of the same type (and shape, unless given) as another one."""
        model = self.graph.tensors[tensor]
        return self.graph.tensor(
            f"{model.name}/{label}", model.shape if shape is None else shape, model.dtype
        )

    def reshaped(self, tensor: int, shape: Sequence[int], output: int | None = None) -> int:
        """The tensor in another shape; the tensor itself where it has that shape already."""
        shape = tuple(int(d) for d in shape)
        if output is None:
            if self.graph.tensors[tensor].shape == shape:
                return tensor
            if ("reshape", tensor, shape) in self._made:
                return self._made["reshape", tensor, shape]
            output = self.like(tensor, "reshape", shape)
            self._made["reshape", tensor, shape] = output
        inputs = [tensor, self.parameter("shape", shape)]
        self.graph.operator(
            "RESHAPE",
            inputs,
            [output],
            options="ReshapeOptions",
            newShape=np.array(shape, np.int32),
        )
        return output

    def transposed(self, tensor: int, axes: Sequence[int]) -> int:
        """The tensor with its stored axes in another order; made once."""
        shape = self.graph.tensors[tensor].shape
        key = ("transpose", tensor, tuple(axes))
        if key in self._made:
            return self._made[key]
        if len(shape) > 6:
            raise Unsupported(f"it needs a transpose of rank {len(shape)}, TFLite has up to 6")
        output = self.like(tensor, "transpose", [shape[axis] for axis in axes])
        inputs = [tensor, self.parameter("axes", axes)]
        self.graph.operator("TRANSPOSE", inputs, [output], options="TransposeOptions")
        self._made[key] = output
        return output

    def cast(self, tensor: int, output: int) -> None:
        """The tensor's numbers in another type."""
        kinds = {
            side: self.graph.type_of(self.graph.tensors[i].dtype)
            for side, i in (("inDataType", tensor), ("outDataType", output))
        }
        self.graph.operator("CAST", [tensor], [output], options="CastOptions", **kinds)


def operand(node: ir.Node, index: int) -> ir.Value | None:
    """The node's input, None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def first(node: ir.Node) -> ir.Value:
    """The node's first input, which must be there."""
    value = operand(node, 0)
    if value is None:
        raise Unsupported("its first input is missing")
    return value


def sole_consumer(value: ir.Value) -> ir.Node | None:
    """The one node that reads the value; None where others, or the caller, read it too."""
    uses = value.uses()
    if value.is_graph_output() or len(uses) != 1:
        return None
    return next(iter(uses)).node


def shape_of(value: ir.Value) -> Shape:
    """The value's static shape.

    Raises:
        EdgecutError: ``dynamic-shape``.
    """
    if value.shape is None or not value.shape.is_static():
        raise EdgecutError(
            f"'{value.name}' has no static shape",
            code="dynamic-shape",
            where=value.name,
            hint="fix the input's shape and infer the others before emitting",
        )
    return tuple(int(d) for d in value.shape.numpy())


def size_of(value: ir.Value) -> int:
    """The number of elements."""
    return int(np.prod(shape_of(value)))


def type_of(value: ir.Value) -> str:
    """The value's type as numpy names it."""
    return "unknown" if value.dtype is None else str(value.dtype.numpy().name)


def dtype_of(value: ir.Value) -> str:
    """The type of a value that is computed with."""
    name = type_of(value)
    if name != "float32":
        raise Unsupported(f"'{value.name}' has type {name}, only float32 is emitted")
    return name


def padded(shape: Shape, rank: int) -> Shape:
    """The shape with axes of length 1 in front, up to that rank."""
    return (1,) * (rank - len(shape)) + tuple(shape)


def pair(values: Sequence[Any] | None, default: int) -> tuple[int, int]:
    """An attribute of two numbers, one per spatial axis."""
    if values is None:
        return default, default
    if len(values) != 2:
        raise Unsupported(f"it works on {len(values)} spatial axes, TFLite's kernels on 2")
    return int(values[0]), int(values[1])


def _name(value: ir.Value) -> str:
    return str(value.name)


def _as_float32(array: Array) -> Array:
    if array.dtype != np.float32:
        raise Unsupported(f"it computes with a constant of type {array.dtype.name}")
    return array
