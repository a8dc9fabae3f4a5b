"""Why a node stays in a cut network: which kept slots need it, and its way to them."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecut.categories import CategoryMap
from edgecut.cutout import asked
from edgecut.demand import Demand, captured, demand, key
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.region import Region
from edgecut.ops.rule import Unsupported, shape_of
from edgecut.scores import EXACT

if TYPE_CHECKING:
    import onnx_ir as ir

    Readers = dict[str, list[ir.Node]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A node on the way to an output.

    ``needed`` tells of each axis of ``tensor``, which it gives, how many of how many indices are
    needed; it is empty where the shape is not known. ``stopped`` is the reason where it needs more
    than what it gives would take.
    """

    node: str
    op_type: str
    tensor: str
    needed: tuple[tuple[int, int], ...]
    stopped: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a node stays; where ``path`` is empty, nothing that is kept is made of it, and it goes.

    ``needed_by`` names the kept categories, and the outputs that hold something beside them, that
    are made of the node. ``path`` goes from the node to the nearest output.
    """

    node: str
    op_type: str
    needed_by: tuple[str, ...]
    output: str | None
    path: tuple[Step, ...]


def why(network: Network, keep: Sequence[str], name: str, *, scores: str = EXACT) -> Why:
    """Why the node of that name, or the one that gives a tensor of that name, stays in a cut.

    Args:
        network: a network with categories.
        keep: names of the categories to keep.
        name: of a node or of a tensor.
        scores: what kept scores are behind a softmax; ``edgecut.scores`` has the table.

    Raises:
        EdgecutError: ``unknown-node``, or what ``cutout.asked`` raises.
    """
    cut = asked(network, keep, scores)
    node = _found(cut.network, name)
    need = cut.need()
    path, output = _way(cut.network, node, need)
    return Why(
        node=str(node.name),
        op_type=node.op_type,
        needed_by=tuple(_askers(cut.network, cut.categories, cut.kept, node)) if path else (),
        output=output,
        path=tuple(_step(step, tensor, need) for step, tensor in path),
    )


def _found(network: Network, name: str) -> ir.Node:
    nodes = list(network.model.graph)
    for node in nodes:
        if name == node.name or any(name == value.name for value in node.outputs):
            return node
    known = [str(node.name) for node in nodes]
    known += [str(value.name) for node in nodes for value in node.outputs]
    close = difflib.get_close_matches(name, known, n=3)
    raise EdgecutError(
        f"{network.name} has no node or tensor '{name}'",
        code="unknown-node",
        where=name,
        hint=f"did you mean {' or '.join(map(repr, close))}?"
        if close
        else "--html FILE draws all nodes",
    )


def _way(
    network: Network, start: ir.Node, need: Demand
) -> tuple[list[tuple[ir.Node, ir.Value]], str | None]:
    """The shortest way from a node to an output, as nodes and what they give; and the output."""
    if key(start) not in need.flows:
        return [], None
    readers, ends = _readers(network, need), {str(v.name) for v in network.model.graph.outputs}
    came: dict[str, tuple[ir.Node, ir.Value] | None] = {key(start): None}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for value in node.outputs:
            if str(value.name) in ends:
                return [*_back(node, came), (node, value)], str(value.name)
            for reader in readers.get(str(value.name), ()):
                if key(reader) not in came:
                    came[key(reader)] = (node, value)
                    waiting.append(reader)
    return [], None


def _back(
    node: ir.Node, came: dict[str, tuple[ir.Node, ir.Value] | None]
) -> list[tuple[ir.Node, ir.Value]]:
    steps = []
    while (before := came[key(node)]) is not None:
        steps.append(before)
        node = before[0]
    return steps[::-1]


def _readers(network: Network, need: Demand) -> Readers:
    """Tensor -> the nodes that need some of it."""
    found: Readers = {}
    for node in network.model.graph:
        flow = need.flows.get(key(node))
        if flow is None:
            continue
        pairs = zip(node.inputs, flow.inputs, strict=True)
        needed = [value for value, region in pairs if value is not None and region is not None]
        for value in (*needed, *captured(node)):
            found.setdefault(str(value.name), []).append(node)
    return found


def _step(node: ir.Node, tensor: ir.Value, need: Demand) -> Step:
    return Step(
        node=str(node.name),
        op_type=node.op_type,
        tensor=str(tensor.name),
        needed=_shares(tensor, need.regions.get(str(tensor.name), Region())),
        stopped=need.stopped(node),
    )


def _shares(tensor: ir.Value, region: Region) -> tuple[tuple[int, int], ...]:
    try:
        shape = shape_of(tensor)
    except Unsupported:
        return ()
    return tuple(zip(region.extent(shape), shape, strict=True))


def _askers(
    network: Network, categories: CategoryMap, kept: Sequence[int], node: ir.Node
) -> Iterator[str]:
    """Who needs the node, each asked alone."""
    outputs = [str(value.name) for value in network.model.graph.outputs]
    nothing: dict[str, Region | None] = dict.fromkeys(outputs)

    def needs(wanted: dict[str, Region | None]) -> bool:
        return key(node) in demand(network, {**nothing, **wanted}).flows

    def slots(owner: int | None) -> dict[str, Region | None]:
        return {
            entry.output: Region().with_axis(entry.axis, own)
            for entry in categories.outputs
            if (own := tuple(i for i, one in enumerate(entry.slots) if one == owner))
        }

    for index in kept:
        if needs(slots(index)):
            yield categories.names[index]
    for output, region in slots(None).items():
        if needs({output: region}):
            yield f"the shared slots of '{output}'"
    mapped = {entry.output for entry in categories.outputs}
    coded = {entry.output for entry in categories.coded}
    for output in outputs:
        if output not in mapped and needs({output: Region()}):
            holds = (
                "whose values are categories" if output in coded else "which holds no categories"
            )
            yield f"'{output}', {holds}"
