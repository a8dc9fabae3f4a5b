"""The networks: what each score depends on, and what gains do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edgecut.errors import EdgecutError
from edgecut.nested.recipe import BASES, NetworkSpec, StageSpec
from edgecut.nested.topology import DenseNet, NestedNet, branch_specs, network
from edgecut.taxonomy import Taxonomy
from tests.nested.toys import DENSE, NESTED, STAGE, TREE

NODES = range(len(TREE.names))


def nested(base: str = "resnet", **more: object) -> NestedNet:
    """A network whose normalisation is as if it were trained: not that of fresh layers."""
    torch.manual_seed(1)
    net = network(TREE, replace(NESTED, base=base, **more))  # type: ignore[arg-type]
    assert isinstance(net, NestedNet)
    for name, value in net.named_buffers():
        if value.is_floating_point():
            torch.nn.init.uniform_(value, 0.5 if "var" in name else -0.5, 1.5)
    return net.eval()


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def disturb(module: torch.nn.Module) -> None:
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            if value.is_floating_point():
                value.add_(0.25)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("node", NODES)
def test_a_score_depends_on_its_path_alone(base: str, node: int) -> None:
    """To the bit: whatever becomes of the other branches, it stays; one on the path moves it."""
    net = nested(base)
    with torch.inference_mode():
        before = net(images())
        for other in NODES:
            if other not in TREE.path(node):
                disturb(net.branches[other])
        after = net(images())
        assert torch.equal(before[:, node], after[:, node])
        assert not torch.equal(before, after)
        for above in TREE.path(node):
            was = net(images())[:, node]
            disturb(net.branches[above])
            assert not torch.equal(was, net(images())[:, node])


@pytest.mark.parametrize("base", BASES)
def test_neutral_gains_change_nothing(base: str) -> None:
    net = nested(base)
    with torch.inference_mode():
        plain = net(images())
        assert torch.equal(plain, net(images(), torch.ones(1, len(NODES))))
        assert torch.equal(plain, net(images(), torch.ones(2, len(NODES))))


@pytest.mark.parametrize("node", NODES)
def test_a_gain_reaches_its_branch_and_those_under_it(node: int) -> None:
    net = nested()
    gains = torch.ones(1, len(NODES))
    gains[0, node] = 2
    with torch.inference_mode():
        moved = (net(images()) != net(images(), gains)).all(0)
    assert [i for i in NODES if moved[i]] == [node, *TREE.under(node)]


def test_each_image_may_have_its_own_gains() -> None:
    net = nested()
    gains = torch.tensor([[1.0] * 6, [0.5] * 6])
    with torch.inference_mode():
        both = net(images(), gains)
        torch.testing.assert_close(both[:1], net(images()[:1]))
        torch.testing.assert_close(both[1:], net(images()[1:], gains[1:]))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("spec", [NESTED, DENSE], ids=["nested", "dense"])
def test_a_score_for_every_node(base: str, spec: NetworkSpec) -> None:
    net = network(TREE, replace(spec, base=base))
    assert isinstance(net, DenseNet if spec.model == "dense" else NestedNet)
    assert net(images(3)).shape == (3, len(NODES))


def test_dense_stages_stand_in_a_row() -> None:
    stages = (StageSpec(width=8, depth=1, stride=2), StageSpec(width=24, depth=2, stride=1))
    net = network(TREE, replace(DENSE, stages=stages))
    assert isinstance(net, DenseNet)
    assert net.stages(net.stem(images())).shape == (2, 24, 2, 2)


def test_a_branch_of_its_own_stands_in_for_that_of_its_level() -> None:
    wide = StageSpec(width=40, depth=1, stride=2)
    spec = replace(NESTED, branches={"pet": wide})
    assert branch_specs(TREE, spec) == tuple(
        wide if name == "pet" else STAGE for name in TREE.names
    )
    assert network(TREE, spec)(images()).shape == (2, len(NODES))


def test_a_branch_that_is_no_node() -> None:
    with pytest.raises(EdgecutError, match=r"\[network.branches\] names 'horse'") as error:
        network(TREE, replace(NESTED, branches={"horse": STAGE}))
    assert error.value.code == "bad-training-recipe"


def test_a_level_without_a_stage() -> None:
    spec = replace(NESTED, stages=(STAGE, STAGE))
    with pytest.raises(EdgecutError, match="'cat' lies on level 2, and there are 2") as error:
        network(TREE, spec)
    assert error.value.code == "bad-training-recipe"
    branches = {"cat": STAGE, "dog": STAGE}
    assert network(TREE, replace(spec, branches=branches))(images()).shape == (2, 6)


def test_a_flat_tree_needs_one_stage() -> None:
    flat = Taxonomy.flat(["a", "b"])
    assert network(flat, replace(NESTED, stages=(STAGE,)))(images()).shape == (2, 2)


@pytest.mark.parametrize(
    ("gains", "code", "said"),
    [
        (torch.ones(1, 5), "wrong-gains", "(1, 5)"),
        (torch.ones(1, 7), "wrong-gains", "(1, 7)"),
        (torch.ones(6), "wrong-gains", "(6,)"),
        (torch.ones(3, 6), "wrong-gains", "(2, 6)"),
        (torch.tensor([[1.0, 1, -0.5, 1, 1, 1]]), "bad-gain", "-0.5 is no gain for 'cat'"),
        (torch.tensor([[1.0, 1, 1, 1, 1, torch.nan]]), "bad-gain", "'person'"),
    ],
)
def test_bad_gains(gains: torch.Tensor, code: str, said: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        nested()(images(2), gains)
    assert caught.value.code == code and said in caught.value.message
