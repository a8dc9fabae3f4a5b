"""Where a top-down signal may enter a nested network, and how its scores then come out.

A signal for a category scales, by one gain, something in the branches of some nodes:

| signal | nodes | what is scaled |
|---|---|---|
| ``branch`` | the category's | its features, for its score and its children |
| ``path`` | the category's and all above it | the same |
| ``leaves`` | the leaves under it, or itself | the same |
| ``pooled`` | the category's | its pooled features, for its own score alone |
| ``input`` | the category's | what its branch takes from the one above |

Scaling features f by g gives g f: away from zero, where zero is nothing in particular. Or it gives
r + g (f - r), away from the features *at rest* r: what the branch gives, on average, for images
that do not show its category (``Branch.rest``). Signals of the second kind have ``from rest`` in
their names. For a leaf, ``branch``, ``leaves`` and ``pooled`` are one and the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from edgecut.nested.topology import NestedNet
from edgecut.taxonomy import Taxonomy

FEATURES, POOLED, INPUT = "features", "pooled", "input"
BATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Which nodes a signal for a node reaches, what it scales there, and from where."""

    nodes: Callable[[Taxonomy, int], Iterable[int]]
    scales: str
    from_rest: bool = False


def _itself(taxonomy: Taxonomy, node: int) -> Iterable[int]:
    return (node,)


def _leaves(taxonomy: Taxonomy, node: int) -> Iterable[int]:
    return taxonomy.leaves_under(node) or (node,)


SIGNALS = {
    "branch": Signal(nodes=_itself, scales=FEATURES),
    "branch from rest": Signal(nodes=_itself, scales=FEATURES, from_rest=True),
    "path": Signal(nodes=Taxonomy.path, scales=FEATURES),
    "path from rest": Signal(nodes=Taxonomy.path, scales=FEATURES, from_rest=True),
    "leaves": Signal(nodes=_leaves, scales=FEATURES),
    "leaves from rest": Signal(nodes=_leaves, scales=FEATURES, from_rest=True),
    "pooled": Signal(nodes=_itself, scales=POOLED),
    "input": Signal(nodes=_itself, scales=INPUT),
}
OURS = "branch from rest"
"""As edgecut has it; ``attention.checks`` tells whether it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A network's run without a signal: stem features, each node's features, scores (N, nodes)."""

    stem: torch.Tensor
    features: tuple[torch.Tensor, ...]
    scores: torch.Tensor


def plain(network: NestedNet, image: torch.Tensor) -> Run:
    """The run over images (N, 3, H, W), with all that signals start from."""
    stem = network.stem(image)
    features: list[torch.Tensor] = []
    scores = []
    for node, branch in enumerate(network.branches):
        parent = network.taxonomy.parents[node]
        made, score = branch(stem if parent is None else features[parent], None)
        features.append(made)
        scores.append(score)
    return Run(stem=stem, features=tuple(features), scores=torch.cat(scores, 1))


def under(network: NestedNet, run: Run, signal: Signal, target: int, gain: float) -> torch.Tensor:
    """Scores (N, nodes) under a signal; only what it changes is computed again."""
    taxonomy, scores = network.taxonomy, run.scores.clone()
    reached = set(signal.nodes(taxonomy, target))
    changed: dict[int, torch.Tensor] = {}
    for node in sorted({n for top in reached for n in (top, *taxonomy.under(top))}):
        parent, branch = taxonomy.parents[node], network.branches[node]
        here = node in reached
        if not here and parent not in changed:
            continue
        made = run.features[node]
        if parent in changed or (here and signal.scales == INPUT):
            below = run.stem if parent is None else changed.get(parent, run.features[parent])
            made = branch.features(below * gain if here and signal.scales == INPUT else below)
        if here and signal.scales == FEATURES:
            made = made * gain + (branch.rest * (1 - gain) if signal.from_rest else 0)
        pooled = made.mean((2, 3))
        if here and signal.scales == POOLED:
            pooled = pooled * gain
        else:
            changed[node] = made
        scores[:, node] = branch.score(pooled)[:, 0]
    return scores
