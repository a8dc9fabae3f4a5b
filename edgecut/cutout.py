"""The cut: from a keep-list to the sub-network that the kept categories need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecut.categories import CategoryMap
from edgecut.cost import Cost, cost
from edgecut.demand import Refusal, demand
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.region import Region
from edgecut.passes.narrow import narrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a cut kept and saved. ``selection`` maps an output to (axis, kept slots)."""

    keep: tuple[str, ...]
    selection: dict[str, tuple[int, tuple[int, ...]]]
    refusals: tuple[Refusal, ...]
    full: Cost
    cut: Cost


def cut(network: Network, keep: Sequence[str]) -> tuple[Network, Cut]:
    """The sub-network for these categories, in the full network's slot order, and what it saved.

    Raises:
        EdgecutError: ``no-categories``, ``empty-keep`` or ``unknown-category``.
    """
    categories = categories_of(network)
    kept = categories.indices(keep, where=network.name)
    selection = {
        entry.output: (entry.axis, entry.kept(kept))
        for entry in categories.outputs
        if len(entry.kept(kept)) < len(entry.slots)
    }
    wanted = {
        output: Region().with_axis(axis, slots) for output, (axis, slots) in selection.items()
    }
    need = demand(network, wanted)
    small = narrow(network, need, wanted)
    small = small.evolve(small.model, "cut", categories=categories.restricted(kept))
    return small, Cut(
        keep=tuple(categories.names[i] for i in kept),
        selection=selection,
        refusals=need.refusals,
        full=cost(network),
        cut=cost(small),
    )


def categories_of(network: Network) -> CategoryMap:
    """The network's categories.

    Raises:
        EdgecutError: ``no-categories`` where nobody said what its slots mean.
    """
    if network.categories is None:
        raise EdgecutError(
            f"nothing says what categories {network.name} tells apart",
            code="no-categories",
            hint="give --labels: a shipped set (coco80, imagenet1k, ...) or a file, one per line",
        )
    return network.categories
