"""The forward surgery: a new graph in which every node produces just what is demanded of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecut.demand import Demand, captured, key
from edgecut.ops import rule_for
from edgecut.ops.region import WHOLE, Indices, Region
from edgecut.ops.rule import Flow, Rewrite, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


def narrow(network: Network, demand: Demand, wanted: Mapping[str, Region]) -> Network:
    """The network that holds of every tensor just the demanded region.

    Weights are sliced, dead nodes and weights are not carried over, nothing is masked. Graph
    inputs keep their shape. A graph output holds exactly the region that ``wanted`` names, all of
    it by default. Tensors keep their names.
    """
    # A clone, because nodes that hold subgraphs move over as they are.
    model = network.editable()
    return network.evolve(_Surgery(model, demand).operated(wanted), "narrow")


@dataclass(frozen=True, slots=True)
class _Held:
    """The new value that stands for an old one, and the region of the old one that it holds."""

    value: ir.Value
    region: Region
    shape: tuple[int, ...] | None  # of the old value


class _Surgery:
    """One run over a graph: the new nodes and weights, and what stands for each old value."""

    def __init__(self, model: ir.Model, demand: Demand) -> None:
        self.model = model
        self.old = model.graph
        self.demand = demand
        self.held: dict[str, _Held] = {}
        self.nodes: list[ir.Node] = []
        self.weights: dict[str, ir.Value] = {}
        self.parts: dict[tuple[str, Region], ir.Value] = {}

    def operated(self, wanted: Mapping[str, Region]) -> ir.Model:
        import onnx_ir as ir

        inputs = [self._copy(value) for value in self.old.inputs]
        for old in list(self.old):
            flow = self.demand.flows.get(key(old))
            if flow is not None:
                self._narrow_node(old, flow)
        outputs = [self._output(v, wanted.get(str(v.name), WHOLE)) for v in self.old.outputs]
        graph = ir.Graph(
            inputs,
            outputs,
            nodes=self.nodes,
            initializers=list(self.weights.values()),
            opset_imports=dict(self.old.opset_imports),
            name=self.old.name,
        )
        return ir.Model(
            graph,
            ir_version=self.model.ir_version,
            producer_name=self.model.producer_name,
            functions=list(self.model.functions.values()),
            metadata_props=dict(self.model.metadata_props),
        )

    def _copy(self, old: ir.Value) -> ir.Value:
        import onnx_ir as ir

        new = ir.Value(name=old.name, shape=old.shape, type=old.type)
        self.held[str(old.name)] = _Held(new, WHOLE, _shape(old))
        return new

    def _narrow_node(self, old: ir.Node, flow: Flow) -> None:
        rule = rule_for(old)
        if rule is None:
            self._move(old)
            return
        rewrite = Rewrite() if self._is_whole(old, flow) else rule.narrow(old, flow)
        if rewrite.take:
            self._take(old, flow, rewrite)
            return
        inputs: list[ir.Value | None] = []
        for i, (value, region) in enumerate(zip(old.inputs, flow.inputs, strict=True)):
            if i in rewrite.constants:
                inputs.append(self._constant(f"{key(old)}/input{i}", rewrite.constants[i]))
            elif value is None or region is None:
                inputs.append(None)
            else:
                inputs.append(self._part(value, region))
        if rewrite.inputs is not None:
            inputs = [inputs[i] for i in rewrite.inputs]
        self._add(old, inputs, rewrite, flow)

    def _is_whole(self, old: ir.Node, flow: Flow) -> bool:
        pairs = [*zip(old.inputs, flow.inputs, strict=True)]
        pairs += [*zip(old.outputs, flow.outputs, strict=True)]
        return all(
            value is None or (region is not None and _fitted(region, _shape(value)).is_whole)
            for value, region in pairs
        )

    def _move(self, old: ir.Node) -> None:
        """Carry over a node that no rule understands, subgraphs and all; its inputs are whole."""
        for value in captured(old):
            if value.graph is self.old:
                value.replace_all_uses_with(self._part(value, WHOLE))
        inputs = [None if value is None else self._part(value, WHOLE) for value in old.inputs]
        self._add(old, inputs, Rewrite(), Flow(inputs=(), outputs=(WHOLE,) * len(old.outputs)))

    def _add(
        self, old: ir.Node, inputs: list[ir.Value | None], rewrite: Rewrite, flow: Flow
    ) -> None:
        import onnx_ir as ir

        outputs = []
        for value, region in zip(old.outputs, flow.outputs, strict=True):
            wish = self.demand.regions.get(str(value.name))
            shape = _shape(value)
            region = _fitted(region, shape)
            exact = wish is None or _fitted(wish, shape) == region
            name = value.name if exact else f"{value.name}/whole"
            new = ir.Value(name=name, type=value.type, shape=_extent(value, region))
            self.held[str(value.name)] = _Held(new, region, shape)
            outputs.append(new)
        attributes = dict(old.attributes)
        for name, changed in rewrite.attributes.items():
            attributes[name] = ir.convenience.convert_attribute(name, changed)
        self.nodes.append(
            ir.Node(
                old.domain, old.op_type, inputs, attributes.values(), outputs=outputs, name=old.name
            )
        )
        for value, new in zip(old.outputs, outputs, strict=True):
            if new.name != value.name:
                self._trim(value)

    def _trim(self, old: ir.Value) -> None:
        """Select after a node that must produce more of an output than anything demands."""
        region = _fitted(self.demand.regions[str(old.name)], _shape(old))
        self.held[str(old.name)] = _Held(
            self._picked(self.held[str(old.name)], region, str(old.name)), region, _shape(old)
        )

    def _take(self, old: ir.Node, flow: Flow, rewrite: Rewrite) -> None:
        """Replace a node that only selects by selections from what its narrowed input holds."""
        source = old.inputs[0]
        assert source is not None and flow.inputs[0] is not None
        for i, axes in rewrite.take.items():
            output = old.outputs[i]
            name = str(output.name)
            if name not in self.demand.regions:
                continue
            held = self._holding(source)
            new = self._pick(held, axes, name)
            if new is held.value:
                new = self._identity(new, name)
            self.held[name] = _Held(new, _fitted(flow.outputs[i], _shape(output)), _shape(output))

    def _output(self, old: ir.Value, wanted: Region) -> ir.Value:
        held = self._holding(old)
        region = _fitted(wanted, held.shape)
        value = held.value
        if region != held.region:
            # Something inside needs more of this tensor than the output is to show.
            value.name = f"{old.name}/whole"
            value = self._picked(held, region, str(old.name))
        elif value.name != old.name or value.producer() is None:
            value = self._identity(value, str(old.name))
        return value

    def _holding(self, old: ir.Value) -> _Held:
        if str(old.name) not in self.held and old.const_value is not None:
            region = self.demand.regions[str(old.name)]
            new = self._constant(str(old.name), _slice(old, _fitted(region, _shape(old))))
            self.held[str(old.name)] = _Held(new, _fitted(region, _shape(old)), _shape(old))
        return self.held[str(old.name)]

    def _part(self, old: ir.Value, region: Region) -> ir.Value:
        """The new value that holds just this region of an old one."""
        held = self._holding(old)
        region = _fitted(region, held.shape)
        if region == held.region:
            return held.value
        place = (str(old.name), region)
        if place not in self.parts:
            name = f"{old.name}/part{len(self.parts)}"
            self.parts[place] = (
                self._picked(held, region, name)
                if old.const_value is None
                else self._constant(name, _slice(old, region))
            )
        return self.parts[place]

    def _picked(self, held: _Held, region: Region, name: str) -> ir.Value:
        axes = {
            i: wish
            for i in range(len(held.shape or ()))
            if (wish := region.axis(i)) is not None and wish != held.region.axis(i)
        }
        return self._pick(held, axes, name)

    def _pick(self, held: _Held, axes: Mapping[int, Indices], name: str) -> ir.Value:
        """Pick indices, in the coordinates of the old value; the last step takes the name."""
        current = held.value
        for axis, wish in axes.items():
            inside = held.region.axis(axis)
            places = wish if inside is None else tuple(np.searchsorted(inside, wish).tolist())
            if places != tuple(range(shape_of(current)[axis])):
                current = self._pick_axis(current, axis, places, f"{name}/axis{axis}")
        if current is not held.value:
            current.name = name
        return current

    def _pick_axis(self, value: ir.Value, axis: int, places: Indices, name: str) -> ir.Value:
        import onnx_ir as ir

        shape = list(shape_of(value))
        shape[axis] = len(places)
        output = ir.Value(name=name, type=value.type, shape=ir.Shape(shape))
        step = places[1] - places[0] if len(places) > 1 else 1
        if step > 0 and places == tuple(range(places[0], places[-1] + 1, step)):
            bounds = {"start": places[0], "end": places[-1] + 1, "axis": axis, "step": step}
            picks = [self._constant(f"{name}/{k}", np.array([v])) for k, v in bounds.items()]
            node = ir.node("Slice", [value, *picks], outputs=[output], name=name)
        else:
            where = self._constant(f"{name}/indices", np.array(places))
            node = ir.node("Gather", [value, where], {"axis": axis}, outputs=[output], name=name)
        self.nodes.append(node)
        return output

    def _identity(self, value: ir.Value, name: str) -> ir.Value:
        import onnx_ir as ir

        output = ir.Value(name=name, type=value.type, shape=value.shape)
        self.nodes.append(ir.node("Identity", [value], outputs=[output], name=f"{name}/identity"))
        return output

    def _constant(self, name: str, array: np.ndarray) -> ir.Value:
        import onnx_ir as ir

        value = ir.val(name, const_value=ir.tensor(np.asarray(array, order="C"), name=name))
        self.weights[name] = value
        return value


def _slice(old: ir.Value, region: Region) -> np.ndarray:
    assert old.const_value is not None
    array = np.asarray(old.const_value.numpy())
    for axis in range(array.ndim):
        wish = region.axis(axis)
        if wish is not None:
            array = np.take(array, wish, axis=axis)
    return array


def _shape(value: ir.Value) -> tuple[int, ...] | None:
    known = value.shape is not None and value.shape.is_static()
    return shape_of(value) if known else None


def _fitted(region: Region, shape: tuple[int, ...] | None) -> Region:
    return WHOLE if shape is None else region.fitted(shape)


def _extent(value: ir.Value, region: Region) -> ir.Shape | None:
    import onnx_ir as ir

    shape = _shape(value)
    return value.shape if shape is None else ir.Shape(region.extent(shape))
