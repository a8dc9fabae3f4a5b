"""Which of a network's categories each of its nodes serves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from edgecut.cutout import categories_of
from edgecut.demand import demand, key
from edgecut.network import Network
from edgecut.ops.region import Region


def node_categories(network: Network) -> dict[str, tuple[str, ...]]:
    """The categories that need a node, sorted, by the node's name.

    A category needs what its own slots and the shared ones (box, objectness) need, found backward
    from them. A node that all need is shared by all.

    Raises:
        EdgecutError: ``no-categories``.
    """
    categories = categories_of(network)
    found: dict[str, list[str]] = {str(node.name): [] for node in network.model.graph}
    for index, name in enumerate(categories.names):
        slots = {entry.output: (entry.axis, entry.kept((index,))) for entry in categories.outputs}
        useful = _without(network, [output for output, (_, kept) in slots.items() if not kept])
        wanted = {
            output: Region().with_axis(axis, kept) for output, (axis, kept) in slots.items() if kept
        }
        flows = demand(useful, wanted).flows
        for node in useful.model.graph:
            if key(node) in flows:
                found[str(node.name)].append(name)
    return {node: tuple(sorted(names)) for node, names in found.items()}


def _without(network: Network, outputs: Collection[str]) -> Network:
    """The network without these outputs: a category that has no slot there needs none of it."""
    if not outputs:
        return network
    model = network.editable()
    for value in list(model.graph.outputs):
        if value.name in outputs:
            model.graph.outputs.remove(value)
    return replace(network, model=model)
