"""The networks: a serial stem, then a branch for each node of a taxonomy, or dense stages for all.

The branch of a node builds on the features of its parent's branch, and gives the node a score.
So a score depends on nothing but the path from the stem to its node.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from edgecut.errors import EdgecutError
from edgecut.nested import abreast
from edgecut.nested.blocks import conv, stage
from edgecut.nested.recipe import NetworkSpec, StageSpec
from edgecut.taxonomy import Taxonomy


class Stem(nn.Sequential):
    """The generic low-level features (N, C, h, w) of images (N, 3, H, W)."""

    def __init__(self, widths: Sequence[int], strides: Sequence[int]) -> None:
        steps = zip(pairwise([3, *widths]), strides, strict=True)
        super().__init__(
            *(nn.Sequential(conv(c, w, 3, stride=s), nn.ReLU()) for (c, w), s in steps)
        )


class Branch(nn.Module):
    """The high-level features of one node, and its score.

    ``rest``, shape (1, width, 1, 1), are the features that a gain leaves as they are: those of a
    branch whose category is not to be seen (``edgecut.nested.rest``).
    """

    rest: torch.Tensor

    def __init__(self, base: str, channels: int, spec: StageSpec) -> None:
        super().__init__()
        self.features = stage(base, channels, spec.width, spec.depth, spec.stride)
        self.score = nn.Linear(spec.width, 1)
        self.register_buffer("rest", torch.zeros(1, spec.width, 1, 1))

    def forward(
        self, x: torch.Tensor, gain: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, width, h, w) for the children, and scores (N, 1).

        ``gain``, shape (N or 1, 1), scales how far the features are from rest. Written so that a
        gain of 1 changes no bit.
        """
        features = self.features(x)
        if gain is not None:
            gain = gain[:, :, None, None]
            features = features * gain + self.rest * (1 - gain)
        return features, self.score(features.mean((2, 3)))


class NestedNet(nn.Module):
    """Scores (N, nodes), as logits, of images (N, 3, H, W); nodes in the taxonomy's order."""

    def __init__(self, taxonomy: Taxonomy, spec: NetworkSpec) -> None:
        super().__init__()
        self.taxonomy = taxonomy
        self.stem = Stem(spec.stem_widths, spec.stem_strides)
        specs = branch_specs(taxonomy, spec)
        self.branches = nn.ModuleList()
        for node, own in enumerate(specs):
            parent = taxonomy.parents[node]
            channels = spec.stem_widths[-1] if parent is None else specs[parent].width
            self.branches.append(Branch(spec.base, channels, own))
        self.rows = abreast.rows(taxonomy, spec.base, spec.stem_widths[-1], specs)

    def forward(self, image: torch.Tensor, gains: torch.Tensor | None = None) -> torch.Tensor:
        """Scores (N, nodes), under ``gains`` (N or 1, nodes) of which 1 is neutral.

        Raises:
            EdgecutError: ``wrong-gains`` for another number of them, ``bad-gain`` for one that is
                negative or not finite.
        """
        if gains is not None and not torch.compiler.is_compiling():
            _check_gains(gains, len(image), self.taxonomy.names)
        if self.training and gains is None:
            return self._abreast(self.stem(image))
        return torch.cat(self._run(image, gains)[1], 1)

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The features (N, width, h, w) of each node's branch."""
        return self._run(image, None)[0]

    def _run(
        self, image: torch.Tensor, gains: torch.Tensor | None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The features and the scores of each node, branch by branch."""
        generic = self.stem(image)
        features: list[torch.Tensor] = []
        scores: list[torch.Tensor] = []
        for node, branch in enumerate(self.branches):
            parent = self.taxonomy.parents[node]
            below = generic if parent is None else features[parent]
            gain = None if gains is None else gains[:, node : node + 1]
            made, score = branch(below, gain)
            features.append(made)
            scores.append(score)
        return features, scores

    def _abreast(self, generic: torch.Tensor) -> torch.Tensor:
        """The same, but for rounding: equal siblings side by side."""
        features: dict[int | None, torch.Tensor] = {None: generic}
        scores: dict[int, torch.Tensor] = {}
        for row in self.rows:
            made, own = abreast.run(row, self.branches, features[row.parent])
            features |= zip(row.nodes, made, strict=True)
            scores |= zip(row.nodes, own.split(1, 1), strict=True)
        return torch.cat([scores[node] for node in range(len(self.branches))], 1)


class DenseNet(nn.Module):
    """The baseline: the same stem and blocks in a row, and one layer for all scores (N, nodes)."""

    def __init__(self, taxonomy: Taxonomy, spec: NetworkSpec) -> None:
        super().__init__()
        self.taxonomy = taxonomy
        self.stem = Stem(spec.stem_widths, spec.stem_strides)
        widths = [spec.stem_widths[-1], *(s.width for s in spec.stages)]
        self.stages = nn.Sequential(
            *(
                stage(spec.base, channels, s.width, s.depth, s.stride)
                for channels, s in zip(widths, spec.stages, strict=False)
            )
        )
        self.score = nn.Linear(widths[-1], len(taxonomy.names))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores (N, nodes), as logits, of images (N, 3, H, W)."""
        scores: torch.Tensor = self.score(self.stages(self.stem(image)).mean((2, 3)))
        return scores


def _check_gains(gains: torch.Tensor, images: int, names: Sequence[str]) -> None:
    # Sliced, too many would go unseen, and one row too few would be given to all images.
    if gains.ndim != 2 or gains.shape[0] not in (1, images) or gains.shape[1] != len(names):
        raise EdgecutError(
            f"the network takes gains of shape (1, {len(names)}) or ({images}, {len(names)}); "
            f"given was shape {tuple(gains.shape)}",
            code="wrong-gains",
            hint=f"one for each node, in the order {', '.join(names)}",
        )
    good = torch.isfinite(gains) & (gains >= 0)
    if not good.all():
        place = int((~good).nonzero()[0, 1])
        raise EdgecutError(
            f"{float(gains[~good][0]):g} is no gain for '{names[place]}': gains are 0 or more",
            code="bad-gain",
            where=names[place],
            hint="1 is neutral, more enhances, less inhibits",
        )


def branch_specs(taxonomy: Taxonomy, spec: NetworkSpec) -> tuple[StageSpec, ...]:
    """What each node's branch is made of: its own entry, or that of its level.

    Raises:
        EdgecutError: ``bad-training-recipe`` for a branch that is no node, or a level without
            a stage.
    """
    for name in spec.branches:
        if name not in taxonomy.names:
            raise EdgecutError(
                f"[network.branches] names '{name}', which is not in the taxonomy",
                code="bad-training-recipe",
                where=name,
            )
    specs = []
    for node, name in enumerate(taxonomy.names):
        level = taxonomy.level(node)
        if name not in spec.branches and level >= len(spec.stages):
            raise EdgecutError(
                f"'{name}' lies on level {level}, and there are {len(spec.stages)} [[stages]]",
                code="bad-training-recipe",
                where=name,
                hint="give a [[network.stages]] for each level of the taxonomy",
            )
        specs.append(spec.branches.get(name) or spec.stages[level])
    return tuple(specs)


def network(taxonomy: Taxonomy, spec: NetworkSpec) -> NestedNet | DenseNet:
    """The network that a recipe describes, with fresh weights."""
    return (NestedNet if spec.model == "nested" else DenseNet)(taxonomy, spec)
