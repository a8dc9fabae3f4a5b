"""Where a top-down signal may enter a nested network, and how its scores then come out.

A signal for a category scales, by one gain, something in the branches of some nodes:

| signal | nodes | what is scaled |
|---|---|---|
| ``branch`` | the category's | its features, for its score and its children: as edgecut has it |
| ``path`` | the category's and all above it | the same |
| ``leaves`` | the leaves under it, or itself | the same |
| ``pooled`` | the category's | its pooled features, for its own score alone |
| ``input`` | the category's | what its branch takes from the one above |

For a leaf, ``branch``, ``leaves`` and ``pooled`` are one and the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from edgecut.nested.topology import NestedNet
from edgecut.taxonomy import Taxonomy

FEATURES, POOLED, INPUT = "features", "pooled", "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Which nodes a signal for a node reaches, and what it scales there."""

    nodes: Callable[[Taxonomy, int], Iterable[int]]
    scales: str


def _itself(taxonomy: Taxonomy, node: int) -> Iterable[int]:
    return (node,)


SIGNALS = {
    "branch": Signal(nodes=_itself, scales=FEATURES),
    "path": Signal(nodes=Taxonomy.path, scales=FEATURES),
    "leaves": Signal(nodes=lambda tree, node: tree.leaves_under(node) or (node,), scales=FEATURES),
    "pooled": Signal(nodes=_itself, scales=POOLED),
    "input": Signal(nodes=_itself, scales=INPUT),
}
OURS = "branch"


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
    for node, branch in enumerate(network.branches):
        parent = taxonomy.parents[node]
        here = node in reached
        if not here and parent not in changed:
            continue
        made = run.features[node]
        if parent in changed or (here and signal.scales == INPUT):
            below = run.stem if parent is None else changed.get(parent, run.features[parent])
            made = branch.features(below * gain if here and signal.scales == INPUT else below)
        if here and signal.scales == FEATURES:
            made = made * gain
        pooled = made.mean((2, 3))
        if here and signal.scales == POOLED:
            pooled = pooled * gain
        else:
            changed[node] = made
        scores[:, node] = branch.score(pooled)[:, 0]
    return scores
