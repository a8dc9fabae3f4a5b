"""Where signals enter a network, against hooks that do the same by force; and what they change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from benchmarks.paper import attention, signals
from benchmarks.paper.signals import FEATURES, INPUT, POOLED, SIGNALS
from edgecut.nested.images import ImageSet
from edgecut.nested.topology import NestedNet
from tests.nested.toys import NESTED, SIZE, TREE

GAIN = 2.5


@pytest.fixture(scope="module")
def network() -> NestedNet:
    torch.manual_seed(0)
    net = NestedNet(TREE, NESTED).eval()
    for branch in net.branches:
        torch.nn.init.uniform_(branch.rest, 0.1, 0.9)
    return net


@contextmanager
def forced(network: NestedNet, name: str, target: int) -> Iterator[None]:
    """The network, with the signal hooked into it."""
    signal, hooks = SIGNALS[name], []
    for node in signal.nodes(TREE, target):
        branch = network.branches[node]
        away = branch.rest if signal.from_rest else 0
        if signal.scales == FEATURES:
            hook = branch.features.register_forward_hook(
                lambda _, __, made, away=away: away + GAIN * (made - away)
            )
        elif signal.scales == INPUT:
            hook = branch.features.register_forward_pre_hook(lambda _, given: (GAIN * given[0],))
        else:
            hook = branch.score.register_forward_pre_hook(lambda _, given: (GAIN * given[0],))
        hooks.append(hook)
    yield
    for hook in hooks:
        hook.remove()


def pixels() -> torch.Tensor:
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("target", range(len(TREE.names)))
def test_a_signal_changes_what_it_should(network: NestedNet, name: str, target: int) -> None:
    plain = network(pixels())
    with forced(network, name, target):
        expected = network(pixels())
    run = signals.plain(network, pixels())
    got = signals.under(network, run, SIGNALS[name], target, GAIN)
    assert torch.allclose(got, expected, atol=1e-5)
    assert not torch.allclose(got, plain, atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("name", SIGNALS)
def test_a_neutral_gain_changes_nothing(network: NestedNet, name: str) -> None:
    run = signals.plain(network, pixels())
    for target in range(len(TREE.names)):
        assert torch.equal(signals.under(network, run, SIGNALS[name], target, 1.0), run.scores)


def test_where_a_signal_may_enter_is_told_apart() -> None:
    assert {signal.scales for signal in SIGNALS.values()} == {FEATURES, POOLED, INPUT}
    assert signals.OURS in SIGNALS


def test_the_effects_of_calls_are_counted_by_hand() -> None:
    cat, dog, bird, person = (TREE.names.index(n) for n in ("cat", "dog", "bird", "person"))
    labels = np.array([cat, cat, dog, dog, bird, TREE.names.index("pet")])
    images = ImageSet(images=np.zeros((6, 1, 1, 3)), labels=labels, sources=labels.astype(str))
    plain = np.array([cat, dog, dog, dog, bird, cat])
    under_cat = np.array([cat, cat, cat, dog, bird, cat])  # one more right, one less
    under_dog = np.array([dog, dog, dog, dog, person, dog])  # two less
    found = attention.Calls(plain=plain, under={("branch", 2.0): np.stack([under_cat, under_dog])})
    (row,) = attention.effects(TREE, found, images, (cat, dog))
    assert row["recall_plain"] == pytest.approx((0.5 + 1.0) / 2)
    assert row["recall_change"]["mean"] == pytest.approx((0.5 + 0.0) / 2)
    assert row["accuracy_plain"] == pytest.approx(4 / 5)
    assert row["accuracy_change"]["mean"] == pytest.approx((0 / 5 - 2 / 5) / 2)
    # Cats while dogs are enhanced lose one of two, dogs while cats are lose one of two.
    assert row["control_change"]["mean"] == pytest.approx((-0.5 - 0.5) / 2)


def test_the_best_gain_enhances_and_costs_little_accuracy() -> None:
    def row(gain: float, recall: float, accuracy: float) -> dict[str, object]:
        change = {"recall_change": {"mean": recall}, "accuracy_change": {"mean": accuracy}}
        return {"signal": "branch", "gain": gain, **change}

    rows = [row(0.5, 0.9, 0.0), row(1.25, 0.02, 0.0), row(1.5, 0.05, -0.009), row(4, 0.3, -0.02)]
    assert attention.best_gain(rows, "branch")["gain"] == 1.5
    assert attention.best_gain(rows[-1:], "branch")["gain"] == 4


def test_the_control_is_never_of_the_targets_own_path() -> None:
    animal, pet, cat, person = (TREE.names.index(n) for n in ("animal", "pet", "cat", "person"))
    assert attention.unrelated(TREE, (animal, pet, cat)) == [None, None, None]
    assert attention.unrelated(TREE, (cat, person)) == [1, 0]
