"""Equal siblings side by side: the same sums as one by one."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from edgecut.nested.recipe import BASES, StageSpec
from edgecut.nested.topology import NestedNet, network
from tests.nested.toys import NESTED, TREE

NEUTRAL = torch.ones(1, len(TREE.names), dtype=torch.float64)
EQUAL = {"rtol": 1e-9, "atol": 1e-11}


def built(base: str, *stages: StageSpec) -> NestedNet:
    torch.manual_seed(0)
    spec = replace(NESTED, base=base, stages=stages, branches={})
    made = network(TREE, spec).double().train()
    assert isinstance(made, NestedNet)
    return made


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("deep", "stride"), [(1, 2), (2, 1)], ids=["shrinking", "shortcuts that are the input"]
)
def test_training_side_by_side_is_training_one_by_one(base: str, deep: int, stride: int) -> None:
    """Scores, gradients, and what normalisation remembers, in double precision."""
    specs = [StageSpec(width=8, depth=deep, stride=s) for s in (2, stride, stride)]
    together = built(base, *specs)
    apart = copy.deepcopy(together)
    images = torch.randn(6, 3, 32, 32, dtype=torch.float64)

    one, other = together(images), apart(images, NEUTRAL)  # gains are never side by side
    torch.testing.assert_close(one, other, **EQUAL)
    weights = torch.randn_like(one)
    for scores in (one, other):
        (scores * weights).sum().backward()
    for (name, mine), (_, its) in zip(
        together.named_parameters(), apart.named_parameters(), strict=True
    ):
        assert mine.grad is not None and its.grad is not None, name
        torch.testing.assert_close(mine.grad, its.grad, **EQUAL)
    torch.testing.assert_close(dict(together.named_buffers()), dict(apart.named_buffers()), **EQUAL)


def test_siblings_of_one_make_are_one_row() -> None:
    wide = StageSpec(width=16, depth=1, stride=2)
    made = built("resnet", wide, wide, wide)
    leaves = {node for row in made.rows if row.parent is not None for node in row.nodes}
    assert leaves == {n for n, parent in enumerate(TREE.parents) if parent is not None}
    assert all(
        (row.stage is None) == (len(row.nodes) == 1)
        and {TREE.parents[node] for node in row.nodes} == {row.parent}
        for row in made.rows
    )
    assert any(len(row.nodes) > 1 for row in made.rows)


def test_a_node_made_otherwise_stands_alone() -> None:
    wide = StageSpec(width=16, depth=1, stride=2)
    first = next(
        row.nodes[0] for row in built("resnet", wide, wide, wide).rows if len(row.nodes) > 1
    )
    spec = replace(
        NESTED, stages=(wide, wide, wide), branches={TREE.names[first]: replace(wide, width=24)}
    )
    made = network(TREE, spec)
    assert isinstance(made, NestedNet)
    assert [row.nodes for row in made.rows if first in row.nodes] == [(first,)]


def test_rows_have_no_weights_of_their_own() -> None:
    made = built("resnet", *[StageSpec(width=8, depth=1, stride=2)] * 3)
    assert not [name for name in made.state_dict() if "rows" in name or "stage" in name]
