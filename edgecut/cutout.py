"""The cut: from a keep-list to the sub-network that the kept categories need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecut.attention import Attention
from edgecut.categories import CategoryMap
from edgecut.cost import Cost, cost
from edgecut.demand import Demand, Refusal, demand
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

    ``keep`` may name parents and exclude: ``edgecut.keep`` has the table.

    Raises:
        EdgecutError: ``no-categories``, ``no-attention`` where no gain is left, or what
            ``CategoryMap.indices`` raises.
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
    gains = _gains_of(network, need)
    small = narrow(network, need, wanted, inputs=[gains.input] if gains else [])
    small = small.evolve(
        small.model, "cut", categories=categories.restricted(kept), attention=gains
    )
    return small, Cut(
        keep=tuple(categories.names[i] for i in kept),
        selection=selection,
        refusals=need.refusals,
        full=cost(network),
        cut=cost(small),
    )


def _gains_of(network: Network, need: Demand) -> Attention | None:
    """The gains that the kept scores read: those of the kept categories and of what is above."""
    whole = network.attention
    if whole is None:
        return None
    region = need.regions.get(whole.input)
    if region is None:
        raise EdgecutError(
            f"no gain of {network.name} acts on the kept categories",
            code="no-attention",
            hint="leave --attention out",
        )
    slots = region.axis(1)
    return whole if slots is None else whole.restricted(slots)


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
