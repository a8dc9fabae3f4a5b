"""The cut: from a keep-list to the sub-network that the kept categories need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecut.attention import Attention
from edgecut.categories import CategoryMap
from edgecut.coded import among_all, among_kept, masked_choices
from edgecut.cost import Cost, cost
from edgecut.demand import Demand, Refusal, demand
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.region import Region
from edgecut.passes.narrow import narrow
from edgecut.scores import EXACT, OTHER, RENORMALISE, masked, renormalised, wanted_of, with_other


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a cut kept and saved. ``selection`` maps an output to (axis, kept slots)."""

    keep: tuple[str, ...]
    scores: str
    selection: dict[str, tuple[int, tuple[int, ...]]]
    refusals: tuple[Refusal, ...]
    full: Cost
    cut: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a keep-list asks for: the network as its scores are meant, and what of its outputs.

    ``choices`` are those that see every score, so that nothing before them can be cut.
    """

    network: Network
    categories: CategoryMap
    kept: tuple[int, ...]
    wanted: dict[str, Region]
    choices: tuple[Refusal, ...] = ()

    def need(self) -> Demand:
        """What of the network that takes, and where it stopped."""
        need = demand(self.network, self.wanted)
        return replace(need, refusals=(*need.refusals, *self.choices))


def asked(network: Network, keep: Sequence[str], scores: str) -> Asked:
    """What a keep-list asks for of a network.

    Raises:
        EdgecutError: ``no-categories``, ``no-softmax``, or what ``CategoryMap.indices`` and
            ``coded.among_kept`` raise.
    """
    task = _chosen(network, keep, scores)
    wanted, categories = task.wanted, task.categories
    if scores == RENORMALISE and (wanted or task.network is not network):
        whole = network if task.network is not network else None
        return replace(task, network=renormalised(task.network, wanted, whole=whole))
    if scores == OTHER and wanted:
        other, categories = with_other(task.network, categories, task.kept)
        wanted = wanted_of(categories, task.kept)
        return replace(task, network=other, categories=categories, wanted=wanted)
    return task


def _chosen(network: Network, keep: Sequence[str], scores: str) -> Asked:
    """What is asked for, before anything is done to a softmax: with its choices as meant."""
    categories = categories_of(network)
    kept = categories.indices(keep, where=network.name)
    choose = among_kept if scores == RENORMALISE else among_all
    coded = choose(network, categories, kept)
    return Asked(
        network=coded.network,
        categories=coded.categories,
        kept=kept,
        wanted=wanted_of(categories, kept),
        choices=coded.refusals,
    )


def cut(network: Network, keep: Sequence[str], *, scores: str = EXACT) -> tuple[Network, Cut]:
    """The sub-network for these categories, in the full network's slot order, and what it saved.

    ``keep`` may name parents and exclude: ``edgecut.keep`` has the table; ``edgecut.scores`` has
    that of ``scores``.

    Raises:
        EdgecutError: ``no-attention`` where no gain is left, or what ``asked`` raises.
    """
    task = asked(network, keep, scores)
    categories, wanted = task.categories, task.wanted
    need = task.need()
    gains = _gains_of(task.network, need)
    small = narrow(task.network, need, wanted, inputs=[gains.input] if gains else [])
    small = small.evolve(
        small.model, "cut", categories=categories.restricted(task.kept), attention=gains
    )
    return small, Cut(
        keep=tuple(categories.names[i] for i in task.kept),
        scores=scores,
        selection={
            entry.output: (entry.axis, entry.kept(task.kept))
            for entry in categories.outputs
            if entry.output in wanted
        },
        refusals=need.refusals,
        full=cost(network),
        cut=cost(small),
    )


def reference(network: Network, keep: Sequence[str], *, scores: str = EXACT) -> Network:
    """The full network of which a cut gives the kept slots: under such scores, its numbers.

    Raises:
        EdgecutError: as ``asked``.
    """
    if scores != RENORMALISE:
        return asked(network, keep, scores).network
    task = _chosen(network, keep, scores)
    if task.network is not network:
        # Not of the network with its choices made among the kept: that is what is to be checked.
        apart = masked_choices(network, categories_of(network), task.kept)
        return masked(task.network, task.wanted, whole=network, on=apart)
    return masked(network, task.wanted) if task.wanted else network


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
