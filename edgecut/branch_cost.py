"""What each branch of a network's taxonomy costs, found by cutting it off and counting."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from edgecut.categories import CategoryMap
from edgecut.cost import Cost, cost
from edgecut.cutout import categories_of, cut
from edgecut.demand import Refusal
from edgecut.network import Network

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchCost:
    """The cost of one node: of all that it needs, and of what that is beside the node above.

    ``whole`` is the cost of the network cut to the node or, where the node has no score, to all
    leaves under it. ``parameters`` and ``macs`` are what ``whole`` has more than the nearest node
    above that has a score, or than the stem. ``refusals`` are where the cut stopped.
    """

    whole: Cost
    parameters: int
    macs: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCost:
    """The cost of a network, of its stem (what every category needs), and of nodes by name.

    ``stem`` is None where there are no two categories at the top to share one.
    """

    full: Cost
    stem: Cost | None
    nodes: dict[str, BranchCost]

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Where any of the cuts stopped."""
        every = (refusal for branch in self.nodes.values() for refusal in branch.refusals)
        return tuple(dict.fromkeys(every))


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
    full = _Part(network=network, cost=cost(network))
    stem = _stem(full)
    found: dict[str, BranchCost] = {}
    for name, branch in _branches(full, tree.children(None), stem, wanted):
        found[name] = branch
        if progress is not None:
            progress(len(found), len(wanted))
    return TreeCost(full=full.cost, stem=stem, nodes=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A network that was cut from another, and its cost."""

    network: Network
    cost: Cost
    refusals: tuple[Refusal, ...] = ()

    @property
    def categories(self) -> CategoryMap:
        return categories_of(self.network)

    def cut(self, names: Collection[str]) -> _Part:
        """What is left for these categories; itself where it has no others."""
        if set(names) == set(self.categories.names):
            return self
        network, saved = cut(self.network, list(names))
        refusals = (*self.refusals, *saved.refusals)
        return _Part(network=network, cost=saved.cut, refusals=refusals)

    def scored_under(self, node: int) -> list[str]:
        """The names with a score of a node and of all under it."""
        names, tree = set(self.categories.names), self.categories.tree
        return [name for i in (node, *tree.under(node)) if (name := tree.names[i]) in names]


def _branches(
    part: _Part, nodes: Collection[int], above: Cost | None, wanted: Collection[str]
) -> Iterator[tuple[str, BranchCost]]:
    """The cost of these nodes of a network's tree, and of all under them; ``above`` theirs."""
    categories, tree = part.categories, part.categories.tree
    for node in nodes:
        name = tree.names[node]
        if name not in wanted:
            continue
        if not tree.children(node):
            yield name, _beside(part.cut([name]), above)
            continue
        branch = part.cut(part.scored_under(node))
        scored = name in categories.names
        whole = branch.cut([name]) if scored else branch
        yield name, _beside(whole, above)
        inner = branch.categories.tree
        below = inner.children(inner.find(name))
        yield from _branches(branch, below, whole.cost if scored else above, wanted)


def _stem(full: _Part) -> Cost | None:
    """What two categories at the top share: the costs of both, less that of both together."""
    tops = full.categories.tree.children(None)
    if len(tops) == 1:
        return None
    first = [full.scored_under(top)[0] for top in tops[:2]]
    both = full.cut(first)
    one, other = (both.cut([name]).cost for name in first)
    return Cost(
        parameters=one.parameters + other.parameters - both.cost.parameters,
        macs=one.macs + other.macs - both.cost.macs,
        weight_bytes=one.weight_bytes + other.weight_bytes - both.cost.weight_bytes,
    )


def _beside(part: _Part, above: Cost | None) -> BranchCost:
    return BranchCost(
        whole=part.cost,
        parameters=part.cost.parameters - (above.parameters if above else 0),
        macs=part.cost.macs - (above.macs if above else 0),
        refusals=part.refusals,
    )
