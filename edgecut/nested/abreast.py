"""Equal siblings computed side by side.

A device runs each branch by itself, and so is a network stored and exported. Training runs the
siblings of one make as one stage, whose weights are theirs, one behind the other: few wide
convolutions in place of many narrow ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgecut.nested.blocks import stage
from edgecut.nested.recipe import StageSpec
from edgecut.taxonomy import Taxonomy

if TYPE_CHECKING:
    from edgecut.nested.topology import Branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Nodes of one parent whose branches are equal, and the stage that is all of theirs."""

    parent: int | None
    nodes: tuple[int, ...]
    stage: nn.Module | None
    """On the meta device, for it has no weights of its own; None where a node stands alone."""


def rows(
    taxonomy: Taxonomy, base: str, stem_width: int, specs: Sequence[StageSpec]
) -> tuple[Row, ...]:
    """All nodes, parents before their children."""
    alike: dict[tuple[int | None, StageSpec, int | None], list[int]] = {}
    for node, spec in enumerate(specs):
        parent = taxonomy.parents[node]
        channels = stem_width if parent is None else specs[parent].width
        # One whose shortcut is its input itself has no weights there to stand beside others.
        alone = node if channels == spec.width and spec.stride == 1 else None
        alike.setdefault((parent, spec, alone), []).append(node)
    found = []
    for (parent, spec, _), nodes in alike.items():
        channels = stem_width if parent is None else specs[parent].width
        merged = None
        if len(nodes) > 1:
            with torch.device("meta"):
                merged = stage(
                    base, channels, spec.width, spec.depth, spec.stride, parts=len(nodes)
                )
        found.append(Row(parent=parent, nodes=tuple(nodes), stage=merged))
    return tuple(found)


def run(
    row: Row, branches: Sequence[Branch], x: torch.Tensor
) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
    """Features (N, width, h, w) of each node of a row, and scores (N, nodes of the row)."""
    own = [branches[node] for node in row.nodes]
    if row.stage is None:
        features, score = own[0](x, None)
        return (features,), score
    parameters = [dict(branch.features.named_parameters()) for branch in own]
    buffers = [dict(branch.features.named_buffers()) for branch in own]
    row.stage.train(own[0].training)
    merged = _behind(parameters) | (state := _behind(buffers))
    features = torch.func.functional_call(row.stage, merged, (x,))
    _give_back(state, buffers)
    pooled = features.mean((2, 3)).unflatten(1, (len(own), -1))
    weight = torch.cat([branch.score.weight for branch in own])
    bias = torch.cat([branch.score.bias for branch in own])
    return features.chunk(len(own), 1), (pooled * weight).sum(2) + bias


def _behind(parts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The tensors of each name one behind the other; of counts, which are equal, one."""
    return {
        name: torch.cat([part[name] for part in parts]) if tensor.ndim else tensor.clone()
        for name, tensor in parts[0].items()
    }


@torch.no_grad()
def _give_back(state: dict[str, torch.Tensor], buffers: Sequence[dict[str, torch.Tensor]]) -> None:
    for name, tensor in state.items():
        parts = tensor.chunk(len(buffers)) if tensor.ndim else [tensor] * len(buffers)
        for own, part in zip(buffers, parts, strict=True):
            own[name].copy_(part)
