"""The backward analysis: which part of every tensor the kept output slots need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecut.consistency import blamed_on
from edgecut.edit import subgraphs
from edgecut.ops import rule_for
from edgecut.ops.region import WHOLE, Region
from edgecut.ops.rule import Flow, Unsupported, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A place where demand stopped: everything upstream of it was kept, for this reason."""

    node: str
    op_type: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is needed: a region per tensor, by name, and the flow through each live node.

    Nodes go by the name of their first output, which ONNX makes unique. Tensors and nodes that
    nothing needs do not appear.
    """

    regions: Mapping[str, Region]
    flows: Mapping[str, Flow]
    refusals: tuple[Refusal, ...]

    def stopped(self, node: ir.Node) -> str | None:
        """Why demand stopped at a node; None where it did not."""
        name = _name(node)
        return next((one.reason for one in self.refusals if one.node == name), None)


def demand(network: Network, wanted: Mapping[str, Region | None]) -> Demand:
    """What the network must still compute to give the wanted regions of its outputs.

    Args:
        network: any network; it is not changed.
        wanted: output name -> region, None for nothing of it. An output that is not named is
            needed whole.

    Raises:
        EdgecutError: ``inconsistent`` for a graph that makes no sense.
    """
    with blamed_on(network):
        return _demand(network, wanted)


def _demand(network: Network, wanted: Mapping[str, Region | None]) -> Demand:
    graph = network.model.graph
    regions: dict[str, Region] = {}
    flows: dict[str, Flow] = {}
    refusals: list[Refusal] = []
    for output in graph.outputs:
        region = wanted.get(str(output.name), WHOLE)
        if region is not None:
            _need(regions, output, region)
    for node in reversed(list(graph)):
        wishes = [regions.get(str(output.name)) for output in node.outputs]
        if all(wish is None for wish in wishes):
            continue
        flow, refusal = _flow(node, wishes)
        flows[key(node)] = flow
        refusals += [refusal] if refusal else []
        for value, region in zip(node.inputs, flow.inputs, strict=True):
            if value is not None and region is not None:
                _need(regions, value, region)
        for value in captured(node):
            _need(regions, value, WHOLE)
    return Demand(regions=regions, flows=flows, refusals=tuple(reversed(refusals)))


def key(node: ir.Node) -> str:
    """The name under which a node stands in ``Demand.flows``; unused outputs may have none."""
    return next((str(output.name) for output in node.outputs if output.name), "")


def captured(node: ir.Node) -> Iterator[ir.Value]:
    """Outer values that a node's subgraphs read, beside its visible inputs."""
    for graph in subgraphs(node):
        for inner in graph:
            yield from (v for v in inner.inputs if v is not None and v.graph is node.graph)


def _need(regions: dict[str, Region], value: ir.Value, region: Region) -> None:
    try:
        region = region.fitted(shape_of(value))
    except Unsupported:
        region = WHOLE
    before = regions.get(str(value.name))
    regions[str(value.name)] = region if before is None else before.union(region)


def _flow(node: ir.Node, wishes: Sequence[Region | None]) -> tuple[Flow, Refusal | None]:
    rule = rule_for(node)
    if rule is None:
        reason = "edgecut has no rule for this operation"
        # Of which all is wanted that there is, no rule could save anything.
        refused = any(map(_is_partial, node.outputs, wishes))
        return _everything(node), _refusal(node, reason) if refused else None
    try:
        flow = rule.demand(node, wishes)
    except Unsupported as reason:
        return _everything(node), _refusal(node, str(reason))
    return flow, _refusal(node, flow.stopped) if flow.stopped else None


def _is_partial(value: ir.Value, wish: Region | None) -> bool:
    if wish is None:
        return bool(value.uses())  # what nobody ever reads is no part
    try:
        return not wish.fitted(shape_of(value)).is_whole
    except Unsupported:
        return True


def _everything(node: ir.Node) -> Flow:
    inputs = tuple(None if value is None else WHOLE for value in node.inputs)
    return Flow(inputs=inputs, outputs=(WHOLE,) * len(node.outputs))


def _refusal(node: ir.Node, reason: str) -> Refusal:
    return Refusal(node=_name(node), op_type=node.op_type, reason=reason)


def _name(node: ir.Node) -> str:
    return node.name or key(node)
