"""What each branch of a network's taxonomy costs, found by cutting it off and counting."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from edgecut.cost import Cost, cost
from edgecut.cutout import categories_of, cut
from edgecut.network import Network
from edgecut.taxonomy import Taxonomy

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchCost:
    """The cost of one node: of all that it needs, and of what that is beside the node above.

    ``whole`` is the cost of the network cut to the node or, where the node has no score, to all
    leaves under it. ``parameters`` and ``macs`` are what ``whole`` has more than the nearest node
    above that has a score, or than the stem.
    """

    whole: Cost
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCost:
    """The cost of a network, of its stem (what every category needs), and of nodes by name.

    ``stem`` is None where there are no two categories at the top to share one.
    """

    full: Cost
    stem: Cost | None
    nodes: dict[str, BranchCost]


def tree_cost(
    network: Network, *, nodes: Collection[str] | None = None, progress: Progress | None = None
) -> TreeCost:
    """The cost of the branches of a network.

    A branch is cut from what was cut for the branch above it, so that the work does not grow with
    the number of nodes times the network's size.

    Args:
        network: a network with categories.
        nodes: names of the nodes to find the cost of, all by default; those above one of them
            must be among them.
        progress: told of nodes done, and of all there are.

    Raises:
        EdgecutError: ``no-categories``, or what ``cutout.cut`` raises.
    """
    tree = categories_of(network).tree
    wanted = set(tree.names if nodes is None else nodes)
    stem = _stem(network)
    found: dict[str, BranchCost] = {}
    for name, branch in _branches(network, tree.children(None), stem, wanted):
        found[name] = branch
        if progress is not None:
            progress(len(found), len(wanted))
    return TreeCost(full=cost(network), stem=stem, nodes=found)


def _branches(
    network: Network, nodes: Collection[int], above: Cost | None, wanted: Collection[str]
) -> Iterator[tuple[str, BranchCost]]:
    """The cost of these nodes of a network's tree and of all under them; ``above`` theirs."""
    categories = categories_of(network)
    tree = categories.tree
    for node in nodes:
        name = tree.names[node]
        if name not in wanted:
            continue
        leaf, scored = not tree.children(node), name in categories.names
        part = network if leaf else _cut(network, _scored(network, tree, node))
        whole = cost(part if not (leaf or scored) else _cut(part, [name]))
        yield name, _beside(whole, above)
        if not leaf:
            inner = categories_of(part).tree
            below = inner.children(inner.find(name))
            yield from _branches(part, below, whole if scored else above, wanted)


def _cut(network: Network, names: Collection[str]) -> Network:
    """The network cut to these categories; itself where it has no others."""
    everything = set(names) == set(categories_of(network).names)
    return network if everything else cut(network, list(names))[0]


def _scored(network: Network, tree: Taxonomy, node: int) -> list[str]:
    """The names with a score of a node and of all under it."""
    names = set(categories_of(network).names)
    return [name for i in (node, *tree.under(node)) if (name := tree.names[i]) in names]


def _stem(network: Network) -> Cost | None:
    """What two categories at the top share: the costs of both, less that of both together."""
    categories = categories_of(network)
    tree = categories.tree
    first = [_scored(network, tree, top)[0] for top in tree.children(None)[:2]]
    if len(first) < len(("one", "other")):
        return None
    both = _cut(network, first)
    one, other = (cost(_cut(both, [name])) for name in first)
    together = cost(both)
    return Cost(
        parameters=one.parameters + other.parameters - together.parameters,
        macs=one.macs + other.macs - together.macs,
        weight_bytes=one.weight_bytes + other.weight_bytes - together.weight_bytes,
    )


def _beside(whole: Cost, above: Cost | None) -> BranchCost:
    return BranchCost(
        whole=whole,
        parameters=whole.parameters - (above.parameters if above else 0),
        macs=whole.macs - (above.macs if above else 0),
    )
