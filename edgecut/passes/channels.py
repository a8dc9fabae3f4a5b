"""Which channels of which tensors must be scaled alike, so that a factor can be moved about."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from edgecut.demand import captured
from edgecut.ops.resize import resized
from edgecut.ops.rule import Unsupported, attribute, constant_of, op_of, shape_of
from edgecut.ops.selection import padded

if TYPE_CHECKING:
    import onnx_ir as ir

# f(s x) = s f(x) for s > 0, channel by channel.
HOMOGENEOUS = (
    *("Relu", "LeakyRelu", "PRelu", "Identity", "MaxPool", "AveragePool"),
    *("GlobalAveragePool", "GlobalMaxPool"),
)
# Between z and g(z) in y = z * g(z).
GATE_STEPS = ("Sigmoid", "HardSigmoid", "Clip", "Relu", "Tanh", "Softplus", "Add", "Mul", "Div")


@dataclass(frozen=True, slots=True)
class Gate:
    """The steps from z to g(z) in y = z * g(z)."""

    z: ir.Value
    steps: tuple[ir.Node, ...]


@dataclass(frozen=True, slots=True)
class Channels:
    """Channel classes: ``parent`` is a union-find forest over all channels of all tensors.

    ``fixed`` marks the classes whose factor must stay 1. ``gates`` maps the multiplication that
    closes y = z * g(z) to the way from z to g(z).
    """

    first: dict[str, np.ndarray]
    parent: np.ndarray
    fixed: np.ndarray
    gates: dict[ir.Node, Gate]

    @property
    def count(self) -> int:
        """How many channels were ever made."""
        return len(self.parent)

    def classes(self, name: str) -> np.ndarray:
        """The class of each channel of a tensor."""
        return np.asarray(self.parent[self.first[name]])

    def of(self, value: ir.Value | None, per_class: np.ndarray) -> np.ndarray:
        """Per-class numbers looked up for each channel of a tensor."""
        assert value is not None
        return np.asarray(per_class[self.classes(str(value.name))])


def trace(graph: ir.Graph) -> Channels:
    """Follow channels (axis 1) through a graph; what is not understood fixes what it touches."""
    tracer = _Tracer(find_gates(graph))
    for value in graph.inputs:
        tracer.fix(value)
    for node in graph:
        tracer.visit(node)
    for value in graph.outputs:
        tracer.fix(value)
    return tracer.result()


class _Tracer:
    def __init__(self, gates: dict[ir.Node, Gate]) -> None:
        self.gates = gates
        self.inside = {step for gate in gates.values() for step in gate.steps}
        self.first: dict[str, np.ndarray] = {}
        self.parent: list[int] = []
        self.fixed: set[int] = set()
        self._handlers = {
            "Conv": self._conv,
            "Resize": self._resize,
            "Pad": self._pad,
            "Concat": self._concat,
            "Add": self._add,
            "Slice": self._slice,
            "Gather": self._gather,
            "Mul": self._mul,
        }

    def result(self) -> Channels:
        roots = np.array([self._root(i) for i in range(len(self.parent))], np.int64)
        fixed = np.zeros(len(roots), bool)
        fixed[[self._root(i) for i in self.fixed]] = True
        return Channels(self.first, roots, fixed, self.gates)

    def visit(self, node: ir.Node) -> None:
        if node in self.inside:
            return  # a gate sees z at its own scale, and passes nothing on
        handler = self._same if op_of(node) in HOMOGENEOUS else self._handlers.get(op_of(node))
        try:
            understood = handler is not None and handler(node)
        except (Unsupported, KeyError):
            understood = False
        if not understood:
            for value in (*node.inputs, *node.outputs, *captured(node)):
                self.fix(value)

    def fix(self, value: ir.Value | None) -> None:
        """The factors of all channels of a tensor must stay 1."""
        if value is None or value.const_value is not None:
            return
        # What has no known shape is not scaled, for nothing that reads or makes it is understood.
        if value.shape is not None and value.shape.is_static():
            self.fixed.update(self._ids(value).tolist())

    def _conv(self, node: ir.Node) -> bool:
        constant_of(node, 1), constant_of(node, 2)
        self._ids(node.inputs[0])
        self._ids(node.outputs[0])
        return True

    def _same(self, node: ir.Node) -> bool:
        self.first[str(node.outputs[0].name)] = self._ids(node.inputs[0])
        return all(value is None or value.const_value is not None for value in node.inputs[1:])

    def _resize(self, node: ir.Node) -> bool:
        return resized(node).isdisjoint((0, 1)) and self._same(node)

    def _pad(self, node: ir.Node) -> bool:
        value = constant_of(node, 2)
        zero = value is None or float(value) == 0.0
        return zero and padded(node).isdisjoint((0, 1)) and self._same(node)

    def _concat(self, node: ir.Node) -> bool:
        if attribute(node, "axis", 0) not in (1, 1 - len(shape_of(node.outputs[0]))):
            return False
        self.first[str(node.outputs[0].name)] = np.concatenate([self._ids(v) for v in node.inputs])
        return True

    def _add(self, node: ir.Node) -> bool:
        a, b = node.inputs
        constant = any(v is None or v.const_value is not None for v in (a, b))
        if constant or shape_of(a) != shape_of(b):
            return False
        for i, j in zip(self._ids(a).tolist(), self._ids(b).tolist(), strict=True):
            self.parent[self._root(i)] = self._root(j)
        self.first[str(node.outputs[0].name)] = self._ids(a)
        return True

    def _slice(self, node: ir.Node) -> bool:
        axes, steps = constant_of(node, 3), constant_of(node, 4)
        starts, ends = constant_of(node, 1), constant_of(node, 2)
        if axes is None or starts is None or ends is None or axes.tolist() != [1]:
            return False
        step = 1 if steps is None else int(steps[0])
        ids = self._ids(node.inputs[0])[int(starts[0]) : int(ends[0]) : step]
        self.first[str(node.outputs[0].name)] = ids
        return True

    def _gather(self, node: ir.Node) -> bool:
        where = constant_of(node, 1)
        if where is None or where.ndim != 1 or attribute(node, "axis", 0) != 1:
            return False
        self.first[str(node.outputs[0].name)] = self._ids(node.inputs[0])[where]
        return True

    def _mul(self, node: ir.Node) -> bool:
        gate = self.gates.get(node)
        if gate is not None:
            self.first[str(node.outputs[0].name)] = self._ids(gate.z)
            return True
        variable = [v for v in node.inputs if v is not None and v.const_value is None]
        scaled = [v for v in variable if shape_of(v) == shape_of(node.outputs[0])]
        factors = [v for v in variable if v not in scaled]
        # A single number scales all channels alike, known or not.
        if len(scaled) != 1 or any(prod(shape_of(factor)) != 1 for factor in factors):
            return False
        for factor in factors:
            self.fix(factor)
        self.first[str(node.outputs[0].name)] = self._ids(scaled[0])
        return True

    def _ids(self, value: ir.Value | None) -> np.ndarray:
        if value is None:
            raise Unsupported("an input is absent")
        name = str(value.name)
        if name not in self.first:
            shape = shape_of(value)
            count = shape[1] if len(shape) > 1 else 1
            self.first[name] = np.arange(len(self.parent), len(self.parent) + count)
            self.parent.extend(range(len(self.parent), len(self.parent) + count))
            if value.const_value is not None:
                self.fixed.update(self.first[name].tolist())  # nothing divides a constant
        return self.first[name]

    def _root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i


def find_gates(graph: ir.Graph) -> dict[ir.Node, Gate]:
    """Every multiplication that closes y = z * g(z), with the steps of g."""
    gates = {}
    for node in graph:
        if op_of(node) == "Mul":
            a, b = node.inputs
            gate = _gate(a, b) or _gate(b, a)
            # Otherwise a constant on the way spreads z over more axes than its own.
            if gate is not None and gate.z.shape == node.outputs[0].shape:
                gates[node] = gate
    return gates


def _gate(z: ir.Value | None, end: ir.Value | None) -> Gate | None:
    """The chain z -> ... -> end, where nothing else reads the values in between."""
    steps: list[ir.Node] = []
    while z is not None and end is not None and end is not z:
        node = end.producer()
        if node is None or op_of(node) not in GATE_STEPS or len(end.uses()) != 1:
            return None
        variable = [v for v in node.inputs if v is not None and v.const_value is None]
        if len(variable) != 1 or end.is_graph_output():
            return None
        steps.append(node)
        end = variable[0]
    return Gate(z, tuple(reversed(steps))) if z is not None and steps else None
