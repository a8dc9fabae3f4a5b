"""The cases of the study: what a network is cut to.

Every single leaf; every parent, which is the coarser task; and keep-lists drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgecut.taxonomy import Taxonomy

LISTS = 30
SEED = 0
KINDS = ("leaf", "parent", "list")
UNKNOWN = -2
"""What an image shows that is labelled with no more than something above a kept category."""
DROPPED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A keep-list, and what kind of one it is."""

    kind: str
    name: str
    keep: tuple[str, ...]


def cases(taxonomy: Taxonomy, *, lists: int = LISTS, seed: int = SEED) -> tuple[Case, ...]:
    """Every leaf, every parent, and ``lists`` different lists of 2 to half of the leaves."""
    leaves = set(taxonomy.leaves)
    single = [
        Case(kind="leaf" if node in leaves else "parent", name=name, keep=(name,))
        for node, name in enumerate(taxonomy.names)
    ]
    drawn = [
        Case(kind="list", name=f"list {number}", keep=tuple(taxonomy.names[n] for n in nodes))
        for number, nodes in enumerate(_drawn(taxonomy.leaves, lists, seed))
    ]
    return tuple(sorted(single, key=lambda case: KINDS.index(case.kind)) + drawn)


def _drawn(leaves: Sequence[int], count: int, seed: int) -> list[tuple[int, ...]]:
    """Sizes are drawn evenly, then as many leaves, ascending; none twice, all if there are few."""
    random = np.random.default_rng(seed)
    sizes = range(2, len(leaves) // 2 + 1)
    there_are = sum(math.comb(len(leaves), size) for size in sizes)
    found: dict[tuple[int, ...], None] = {}  # a set in order
    while len(found) < min(count, there_are):
        size = int(random.choice(sizes))
        found[tuple(sorted(random.choice(leaves, size, replace=False).tolist()))] = None
    return list(found)


def chosen(among: Iterable[Case], kind: str, count: int, *, seed: int = SEED) -> tuple[Case, ...]:
    """As many cases of a kind, drawn at random, in their order; all where there are no more."""
    own = [case for case in among if case.kind == kind]
    random = np.random.default_rng([seed, KINDS.index(kind)])
    picks = random.permutation(len(own))[:count]
    return tuple(own[i] for i in sorted(picks.tolist()))


def nodes_of(taxonomy: Taxonomy, keep: Sequence[str]) -> tuple[int, ...]:
    """The nodes of a keep-list's names, in its order."""
    return tuple(taxonomy.names.index(name) for name in keep)


def shown(taxonomy: Taxonomy, labels: np.ndarray, keep: Sequence[str]) -> np.ndarray:
    """Which entry of ``keep`` each image shows, by its label (N,): a place, DROPPED or UNKNOWN.

    An image shows a category if its label is that or lies under it. A label above a kept
    category leaves open whether the image shows it.
    """
    table = np.full(len(taxonomy.names) + 1, DROPPED)  # the last one is that of no label
    for place, node in enumerate(nodes_of(taxonomy, keep)):
        table[[n for n in taxonomy.path(node) if n != node]] = UNKNOWN
        table[[node, *taxonomy.under(node)]] = place
    found: np.ndarray = table[labels]
    return found
