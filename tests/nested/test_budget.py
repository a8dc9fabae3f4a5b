"""Costs, and networks that fit into one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edgecut.cost import cost
from edgecut.errors import EdgecutError
from edgecut.loaders.onnx_file import load_onnx
from edgecut.nested.budget import cost_of, fitted, macs_of, parameters_of
from edgecut.nested.recipe import NetworkSpec, StageSpec
from edgecut.nested.run import Trained
from edgecut.nested.topology import network
from tests.nested.toys import DENSE, NESTED, TREE

STAGES = (
    StageSpec(width=16, depth=2, stride=2),
    StageSpec(width=24, depth=1, stride=1),
    StageSpec(width=32, depth=1, stride=1),
)


def test_counted_by_hand() -> None:
    """A stem of 8, and one block each for the two nodes of a flat tree."""
    from edgecut.taxonomy import Taxonomy

    net = network(Taxonomy.flat(["a", "b"]), replace(NESTED, stages=NESTED.stages[:1]))
    stem, block = 16 * 3 * 8 * 9, 16 * 8 * 8 * 9 * 2
    assert macs_of(net, 8) == stem + 2 * (block + 8)
    parameters = 3 * 8 * 9 + 2 * 8 + 2 * (2 * (8 * 8 * 9 + 2 * 8) + 8 + 1)
    assert parameters_of(net) == parameters


def test_macs_are_those_that_edgecut_counts(whole: Trained) -> None:
    found = cost(load_onnx(whole.folder / "model.onnx"))
    assert found.macs == whole.metrics["macs"] == cost_of(TREE, NESTED, 8)


def test_counting_leaves_a_network_as_it_is() -> None:
    net = network(TREE, NESTED).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    macs_of(net, 8)
    assert net.training and not net.stem[0][0]._forward_hooks
    assert all(torch.equal(t, before[n]) for n, t in net.state_dict().items())


@pytest.mark.parametrize(
    ("spec", "base"), [(NESTED, "resnet"), (NESTED, "convnext"), (DENSE, "mobilenet")]
)
def test_the_widest_within_the_budget(spec: NetworkSpec, base: str) -> None:
    """To the MAC: one less, and it is the step before."""
    spec = replace(spec, base=base, stages=STAGES)
    steps = list(dict.fromkeys(map(widths, (spec.scaled(2 ** (i / 400)) for i in range(1200)))))
    at = spec.scaled(1.5)
    budget = cost_of(TREE, at, 16)
    assert widths(fitted(TREE, spec, 16, budget)) == widths(at)
    narrower = fitted(TREE, spec, 16, budget - 1)
    assert widths(narrower) == steps[steps.index(widths(at)) - 1]
    assert cost_of(TREE, narrower, 16) < budget
    assert (narrower.base, narrower.stem_widths) == (base, spec.stem_widths)


def widths(spec: NetworkSpec) -> tuple[int, ...]:
    return tuple(stage.width for stage in spec.stages)


def test_a_budget_below_the_narrowest() -> None:
    narrowest = cost_of(TREE, NESTED.scaled(0.01), 8)
    assert fitted(TREE, NESTED, 8, narrowest) == NESTED.scaled(0.01)
    with pytest.raises(EdgecutError, match=f"costs {narrowest - 1} MACs or less") as error:
        fitted(TREE, NESTED, 8, narrowest - 1)
    assert error.value.code == "budget-too-small"


def test_a_network_that_cannot_be() -> None:
    deep = replace(NESTED, base="convnext", stages=(StageSpec(width=8, depth=1, stride=4),) * 3)
    with pytest.raises(EdgecutError, match="leave nothing of 8x8 pixels") as error:
        cost_of(TREE, deep, 8)
    assert error.value.code == "bad-training-recipe"
    assert cost_of(TREE, deep, 128) > 0
