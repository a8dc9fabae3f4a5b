"""What becomes of every node of a network in a cut: kept whole, narrowed, or gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecut.cost import macs_of
from edgecut.cutout import asked
from edgecut.demand import Demand, captured, key
from edgecut.network import Network
from edgecut.node_categories import node_categories
from edgecut.ops.rule import Unsupported, shape_of
from edgecut.passes.narrow import narrow
from edgecut.scores import EXACT

if TYPE_CHECKING:
    import onnx_ir as ir

WHOLE, NARROWED, GONE = "whole", "narrowed", "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """A node of the full network, and what a cut leaves of it.

    ``reads`` lists the places, in the list of all fates, of the nodes that it reads. ``shape`` is
    that of its first output, ``left`` what of it is left; both are None where they are not known,
    and ``left`` is None where nothing is. ``categories`` are those of the full network that need
    the node, and ``stopped`` says why the cut stops there.
    """

    node: str
    op_type: str
    tensor: str
    reads: tuple[int, ...]
    shape: tuple[int, ...] | None
    left: tuple[int, ...] | None
    macs: int
    macs_left: int
    categories: tuple[str, ...]
    stopped: str | None

    @property
    def kind(self) -> str:
        """``whole``, ``narrowed`` or ``gone``."""
        if self.left is None:
            return GONE
        return NARROWED if self.left != self.shape or self.macs_left < self.macs else WHOLE


def fates(network: Network, keep: Sequence[str], *, scores: str = EXACT) -> tuple[Fate, ...]:
    """The fate of every node, in running order.

    Raises:
        EdgecutError: what ``cutout.asked`` raises.
    """
    task = asked(network, keep, scores)
    need = task.need()
    small = narrow(task.network, need, task.wanted)
    left = {str(node.name): _macs(node) for node in small.model.graph}
    needed_by = node_categories(task.network)
    nodes = list(task.network.model.graph)
    places = {str(value.name): i for i, node in enumerate(nodes) for value in node.outputs}
    return tuple(
        Fate(
            node=str(node.name),
            op_type=node.op_type,
            tensor=key(node),
            reads=_reads(node, places),
            shape=_shape(node.outputs[0]),
            left=_left(node, need),
            macs=_macs(node),
            macs_left=left.get(str(node.name), 0),
            categories=needed_by.get(str(node.name), ()),
            stopped=need.stopped(node),
        )
        for node in nodes
    )


def _reads(node: ir.Node, places: dict[str, int]) -> tuple[int, ...]:
    read = [*(value for value in node.inputs if value is not None), *captured(node)]
    return tuple(dict.fromkeys(places[str(v.name)] for v in read if str(v.name) in places))


def _shape(value: ir.Value) -> tuple[int, ...] | None:
    try:
        return shape_of(value)
    except Unsupported:
        return None


def _left(node: ir.Node, need: Demand) -> tuple[int, ...] | None:
    """What is computed of the first output; None where nothing of the node is needed."""
    flow, shape = need.flows.get(key(node)), _shape(node.outputs[0])
    if flow is None:
        return None
    return () if shape is None else flow.outputs[0].fitted(shape).extent(shape)


def _macs(node: ir.Node) -> int:
    try:
        return macs_of(node)
    except Unsupported:
        return 0
