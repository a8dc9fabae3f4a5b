"""The nested network: a serial stem, and a branch for each node of a taxonomy.

The branch of a node builds on the features of its parent's branch, and gives the node a score.
So a score depends on nothing but the path from the stem to its node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from edgecut.nested.blocks import conv, stage
from edgecut.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """Blocks in a row: how wide, how many, and the stride of the first."""

    width: int
    depth: int
    stride: int


class Stem(nn.Module):
    """The generic low-level features, which every category shares."""

    def __init__(self, base: str, first: StageSpec, stages: Sequence[StageSpec]) -> None:
        super().__init__()
        self.first = conv(3, first.width, 3, stride=first.stride)
        channels, rest = first.width, []
        for spec in stages:
            rest.append(stage(base, channels, spec.width, spec.depth, spec.stride))
            channels = spec.width
        self.stages = nn.Sequential(*rest)
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, channels, h, w) of images (N, 3, H, W)."""
        return self.stages(torch.relu(self.first(x)))


class Branch(nn.Module):
    """The high-level features of one node, and its score."""

    def __init__(self, base: str, channels: int, spec: StageSpec) -> None:
        super().__init__()
        self.features = stage(base, channels, spec.width, spec.depth, spec.stride)
        self.score = nn.Linear(spec.width, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, width, h, w) for the children, and scores (N, 1)."""
        features = self.features(x)
        return features, self.score(features.mean((2, 3)))


class NestedNet(nn.Module):
    """Scores (N, nodes), as logits, of images (N, 3, H, W); nodes in the taxonomy's order."""

    def __init__(self, taxonomy: Taxonomy, base: str, stem: Stem, specs: Sequence[StageSpec]):
        super().__init__()
        self.taxonomy = taxonomy
        self.stem = stem
        self.branches = nn.ModuleList()
        for node, spec in enumerate(specs):
            parent = taxonomy.parents[node]
            channels = stem.channels if parent is None else specs[parent].width
            self.branches.append(Branch(base, channels, spec))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (N, nodes)."""
        generic = self.stem(x)
        features: list[torch.Tensor] = []
        scores: list[torch.Tensor] = []
        for parent, branch in zip(self.taxonomy.parents, self.branches, strict=True):
            below = generic if parent is None else features[parent]
            made, score = branch(below)
            features.append(made)
            scores.append(score)
        return torch.cat(scores, 1)
