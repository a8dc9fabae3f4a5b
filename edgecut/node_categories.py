"""Which of a network's categories each of its nodes serves."""

from __future__ import annotations

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
        wanted = {
            entry.output: Region().with_axis(entry.axis, slots) if slots else None
            for entry in categories.outputs
            for slots in [entry.kept((index,))]
        }
        flows = demand(network, wanted).flows
        for node in network.model.graph:
            if key(node) in flows:
                found[str(node.name)].append(name)
    return {node: tuple(sorted(names)) for node, names in found.items()}
