"""The forward surgery: a new graph in which every node produces just what is demanded of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.consistency import blamed_on
from edgecut.demand import Demand, demand, key
from edgecut.errors import EdgecutError
from edgecut.ops import rule_for
from edgecut.ops.region import WHOLE, Indices, Region
from edgecut.ops.rule import Flow, Rewrite, Unsupported, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


def narrow(
    network: Network,
    need: Demand,
    wanted: Mapping[str, Region],
    *,
    inputs: Collection[str] = (),
) -> Network:
    """The network that holds of every tensor just the demanded region.

    Weights are sliced, dead nodes and weights are not carried over, nothing is masked. A graph
    input that ``inputs`` names is narrowed too, and goes where nothing needs it; others keep their
    shape. A graph output holds exactly the region that ``wanted`` names, all of it by default.
    Tensors keep their names.
    """
    holds_graphs = any(True for node in network.model.graph for _ in edit.subgraphs(node))
    # Nodes that hold subgraphs move over as they are, and then their old graph must be nobody's.
    model = network.editable() if holds_graphs else network.model
    surgery = _Surgery(model, need, cache(lambda: demand(network, {}).regions))
    with blamed_on(network):
        return network.evolve(surgery.operated(wanted, inputs), "narrow")


@dataclass(frozen=True, slots=True)
class _Held:
    """The new value that stands for an old one, and the region of the old one that it holds."""

    value: ir.Value
    region: Region
    shape: tuple[int, ...] | None  # of the old value


class _Surgery:
    """One run over a graph: the new nodes and weights, and what stands for each old value."""

    def __init__(
        self, model: ir.Model, demand: Demand, before: Callable[[], Mapping[str, Region]]
    ) -> None:
        self.model = model
        self.old = model.graph
        self.demand = demand
        self.before = before  # what the old graph needs for all of its outputs
        self.held: dict[str, _Held] = {}
        self.nodes: list[ir.Node] = []
        self.weights: dict[str, ir.Value] = {}
        self.parts: dict[tuple[str, Region], ir.Value] = {}
        # ONNX Runtime wants the names of nodes to differ, too.
        self.taken = edit.value_names(self.old) | {str(node.name) for node in self.old}

    def operated(self, wanted: Mapping[str, Region], narrowed: Collection[str]) -> ir.Model:
        import onnx_ir as ir

        regions = {v: self.demand.regions.get(str(v.name)) for v in self.old.inputs}
        regions |= {v: WHOLE for v in self.old.inputs if v.name not in narrowed}
        inputs = [self._input(v, region) for v, region in regions.items() if region is not None]
        for old in list(self.old):
            flow = self.demand.flows.get(key(old))
            if flow is not None:
                self._narrow_node(old, flow)
        outputs: list[ir.Value] = []
        for shown in self.old.outputs:
            region = wanted.get(str(shown.name), WHOLE)
            outputs.append(self._output(shown, region, outputs))
        graph = ir.Graph(
            inputs,
            outputs,
            nodes=self.nodes,
            # Of a weight that every reader takes another part of, nothing reads the whole.
            initializers=[w for w in self.weights.values() if w.uses() or w in outputs],
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

    def _input(self, old: ir.Value, region: Region) -> ir.Value:
        import onnx_ir as ir

        region = _fitted(region, _shape(old))
        new = ir.Value(name=old.name, shape=_extent(old, region), type=old.type)
        self.held[str(old.name)] = _Held(new, region, _shape(old))
        return new

    def _narrow_node(self, old: ir.Node, flow: Flow) -> None:
        rule = rule_for(old)
        if rule is None:
            self._move(old)
            return
        flow = self._with_all_there(old, flow)
        rewrite = Rewrite() if self._is_whole(old, flow) else rule.narrow(old, flow)
        selects = bool(rewrite.take) or rewrite.looked_up is not None
        if selects and self._is_untouched(old):
            rewrite = Rewrite()
            flow = Flow(inputs=(WHOLE,) * len(old.inputs), outputs=(WHOLE,) * len(old.outputs))
        elif rewrite.take:
            self._take(old, flow, rewrite)
            return
        elif rewrite.looked_up is not None:
            flow, rewrite = self._looking_up(old, flow, *rewrite.looked_up)
        inputs = [
            None
            if i in rewrite.constants or value is None or region is None
            else self._part(value, region)
            for i, (value, region) in enumerate(zip(old.inputs, flow.inputs, strict=True))
        ]
        for i, array in sorted(rewrite.constants.items()):
            inputs += [None] * (i + 1 - len(inputs))
            inputs[i] = self._new(f"{key(old)}/input{i}", array)
        if rewrite.inputs is not None:
            inputs = [inputs[i] for i in rewrite.inputs]
        self._add(old, inputs, rewrite, flow)

    def _with_all_there(self, old: ir.Node, flow: Flow) -> Flow:
        """Take all there is of an axis that is summed over: to pick from it would cost a copy."""
        if flow.summed is None:
            return flow
        (i, axis), (j, other) = flow.summed
        source, inputs = old.inputs[i], list(flow.inputs)
        assert source is not None
        there = self._holding(source).region.axis(axis)
        for place, own in ((i, axis), (j, other)):
            inputs[place] = (inputs[place] or WHOLE).with_axis(own, there)
        return replace(flow, inputs=tuple(inputs))

    def _is_whole(self, old: ir.Node, flow: Flow) -> bool:
        pairs = [*zip(old.inputs, flow.inputs, strict=True)]
        pairs += [*zip(old.outputs, flow.outputs, strict=True)]
        return all(
            value is None or (region is not None and _fitted(region, _shape(value)).is_whole)
            for value, region in pairs
        )

    def _looking_up(
        self, old: ir.Node, flow: Flow, axis: int, picked: np.ndarray
    ) -> tuple[Flow, Rewrite]:
        """Look indices up in what there is of an axis; to select from it first would be idle."""
        source, need = old.inputs[0], flow.inputs[0]
        assert source is not None and need is not None
        there = self._holding(source).region.axis(axis)
        places = picked if there is None else np.searchsorted(np.array(there), picked)
        inputs = (need.with_axis(axis, there), *flow.inputs[1:])
        return Flow(inputs=inputs, outputs=flow.outputs), Rewrite(
            constants={1: np.asarray(places, np.int64)}
        )

    def _is_untouched(self, old: ir.Node) -> bool:
        """Whether a selection stays as it is: of all there ever was, it gives all it ever gave."""
        source, names = old.inputs[0], [str(value.name) for value in old.outputs]
        held = None if source is None else self._holding(source).region
        given = [self.demand.regions.get(name) for name in names]
        return (
            held is not None
            and held.is_whole
            and None not in given
            and given == [self.before().get(name) for name in names]
        )

    def _move(self, old: ir.Node) -> None:
        """Carry over a node that no rule understands, subgraphs and all; its inputs are whole."""
        for graph in edit.subgraphs(old):
            for inner in graph:
                for i, value in enumerate(inner.inputs):
                    if value is not None and value.graph is self.old:
                        inner.replace_input_with(i, self._part(value, WHOLE))
        inputs = [None if value is None else self._part(value, WHOLE) for value in old.inputs]
        self._add(old, inputs, Rewrite(), Flow(inputs=(), outputs=(WHOLE,) * len(old.outputs)))

    def _add(
        self, old: ir.Node, inputs: list[ir.Value | None], rewrite: Rewrite, flow: Flow
    ) -> None:
        import onnx_ir as ir

        outputs = []
        for value, region in zip(old.outputs, flow.outputs, strict=True):
            # Where this is more than was wanted, each reader picks its part.
            region = _fitted(region, _shape(value))
            new = ir.Value(name=value.name, type=value.type, shape=_extent(value, region))
            self.held[str(value.name)] = _Held(new, region, _shape(value))
            outputs.append(new)
        attributes = dict(old.attributes)
        for name, changed in rewrite.attributes.items():
            attributes[name] = ir.convenience.convert_attribute(name, changed)
        self.nodes.append(
            ir.Node(
                old.domain, old.op_type, inputs, attributes.values(), outputs=outputs, name=old.name
            )
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
            new = self._pick(self._holding(source), axes, name)
            self.held[name] = _Held(new, _fitted(flow.outputs[i], _shape(output)), _shape(output))

    def _output(self, old: ir.Value, wanted: Region, others: Sequence[ir.Value]) -> ir.Value:
        name, held = str(old.name), self._holding(old)
        region = _fitted(wanted, held.shape)
        if region == held.region:
            return self._named(held.value, name, others)
        if old.is_graph_input():
            raise EdgecutError(
                f"the output '{name}' is an input of the network, so nothing can be cut from it",
                code="bad-slots",
                where=name,
            )
        # More of this tensor is made, or read inside, than the output is to show.
        if held.value.name == name:
            held.value.name = self._fresh(f"{name}/whole")
        if old.const_value is None:
            return self._picked(held, region, name)
        self.weights[str(held.value.name)] = self.weights.pop(name)
        return self._constant(name, _slice(old, region))

    def _named(self, value: ir.Value, name: str, others: Sequence[ir.Value]) -> ir.Value:
        """An output of this name; a selection of everything left nothing of its own to give it."""
        if value.name == name:
            return value
        if value.producer() is None or value in others:
            return self._identity(value, name)
        value.name = name
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
            name = self._fresh(f"{old.name}/part{len(self.parts)}")
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
        for axis, wish in sorted(axes.items()):
            inside = held.region.axis(axis)
            places = wish if inside is None else tuple(np.searchsorted(inside, wish).tolist())
            if places != tuple(range(shape_of(current)[axis])):
                step = self._fresh(f"{name}/axis{axis}")
                current = self._pick_axis(current, axis, places, step)
        if current is not held.value:
            current.name = name
        return current

    def _pick_axis(self, value: ir.Value, axis: int, places: Indices, name: str) -> ir.Value:
        import onnx_ir as ir

        shape = list(shape_of(value))
        shape[axis] = len(places)
        output = ir.Value(name=name, type=value.type, shape=ir.Shape(shape))
        step = places[1] - places[0] if len(places) > 1 else 1
        if places and step > 0 and places == tuple(range(places[0], places[-1] + 1, step)):
            bounds = {"start": places[0], "end": places[-1] + 1, "axis": axis, "step": step}
            picks = [self._new(f"{name}/{k}", np.array([v])) for k, v in bounds.items()]
            node = ir.node("Slice", [value, *picks], outputs=[output], name=name)
        else:
            where = self._new(f"{name}/indices", np.array(places, np.int64))
            node = ir.node("Gather", [value, where], {"axis": axis}, outputs=[output], name=name)
        self.nodes.append(node)
        return output

    def _identity(self, value: ir.Value, name: str) -> ir.Value:
        import onnx_ir as ir

        output = ir.Value(name=name, type=value.type, shape=value.shape)
        unique = self._fresh(f"{name}/identity")
        self.nodes.append(ir.node("Identity", [value], outputs=[output], name=unique))
        return output

    def _new(self, name: str, array: np.ndarray) -> ir.Value:
        return self._constant(self._fresh(name), array)

    def _fresh(self, name: str) -> str:
        unique = edit.fresh(name, self.taken)
        self.taken.add(unique)
        return unique

    def _constant(self, name: str, array: np.ndarray) -> ir.Value:
        import onnx_ir as ir

        made = ir.StringTensor if array.dtype.kind in "OS" else ir.tensor
        value = ir.val(name, const_value=made(np.asarray(array, order="C"), name=name))
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
    try:
        return shape_of(value)
    except Unsupported:
        return None


def _fitted(region: Region, shape: tuple[int, ...] | None) -> Region:
    return WHOLE if shape is None else region.fitted(shape)


def _extent(value: ir.Value, region: Region) -> ir.Shape | None:
    import onnx_ir as ir

    shape = _shape(value)
    return value.shape if shape is None else ir.Shape(region.extent(shape))
