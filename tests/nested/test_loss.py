"""What scores are told: labels of leaves, of inner nodes, of nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgecut.nested.loss import NONE, TreeLoss
from edgecut.nested.recipe import Schedule
from edgecut.taxonomy import Taxonomy
from tests.nested.toys import SCHEDULE, TREE

ANIMAL, PET, CAT, DOG, BIRD, PERSON = range(6)
PLAIN = replace(SCHEDULE, label_smoothing=0.0, level_weight=0.5, presence_weight=0.25)
CHOICE = replace(PLAIN, presence_weight=0.0)
SCORES = torch.tensor([[0.3, -1.2, 0.7, 2.0, -0.4, 1.1]])


def loss_of(label: int, schedule: Schedule = PLAIN, tree: Taxonomy = TREE) -> torch.Tensor:
    scores = SCORES[:, : len(tree.names)]
    value: torch.Tensor = TreeLoss(tree, schedule)(scores, torch.tensor([label]))
    return value


def gradient_of(label: int, schedule: Schedule = PLAIN) -> list[float]:
    scores = SCORES.clone().requires_grad_()
    TreeLoss(TREE, schedule)(scores, torch.tensor([label])).backward()
    assert scores.grad is not None
    found: list[float] = scores.grad[0].tolist()
    return found


def choice(node: int, *among: int) -> float:
    """Cross entropy of a node among others."""
    values = np.exp(SCORES[0].numpy().astype(float)[list(among)])
    return float(-np.log(np.exp(float(SCORES[0, node])) / values.sum()))


def presence(there: set[int], asked: set[int]) -> float:
    chances = 1 / (1 + np.exp(-SCORES[0].numpy().astype(float)))
    return float(-sum(np.log(chances[n] if n in there else 1 - chances[n]) for n in asked))


def test_a_leaf() -> None:
    """Which node of each level it is, the leaf weighing most, and which are there."""
    expected = (
        0.5 * choice(ANIMAL, PERSON, ANIMAL)
        + 0.5 * choice(PET, PERSON, PET, BIRD)
        + choice(DOG, PERSON, CAT, DOG, BIRD)
        + 0.25 * presence({ANIMAL, PET, DOG}, set(range(6)))
    )
    assert float(loss_of(DOG)) == pytest.approx(expected, rel=1e-5)


def test_a_leaf_high_in_the_tree_is_itself_on_every_level() -> None:
    expected = (
        0.5 * choice(PERSON, PERSON, ANIMAL)
        + 0.5 * choice(PERSON, PERSON, PET, BIRD)
        + choice(PERSON, PERSON, CAT, DOG, BIRD)
    )
    assert float(loss_of(PERSON, CHOICE)) == pytest.approx(expected, rel=1e-5)


def test_an_inner_node() -> None:
    """What lies under it is not asked for: neither which it is, nor whether it is there."""
    expected = 0.5 * choice(ANIMAL, PERSON, ANIMAL) + 0.5 * choice(PET, PERSON, PET, BIRD)
    expected += 0.25 * presence({ANIMAL, PET}, {PERSON, ANIMAL, PET, BIRD})
    assert float(loss_of(PET)) == pytest.approx(expected, rel=1e-5)
    gradient = gradient_of(PET)
    assert gradient[CAT] == gradient[DOG] == 0.0
    assert all(gradient[node] != 0.0 for node in (PERSON, ANIMAL, PET, BIRD))


def test_an_inner_node_smoothed_is_as_silent() -> None:
    gradient = gradient_of(ANIMAL, replace(PLAIN, label_smoothing=0.2))
    assert [node for node in range(6) if gradient[node] == 0.0] == [PET, CAT, DOG, BIRD]


def test_nothing() -> None:
    """It teaches that no node is there, and chooses none."""
    assert float(loss_of(NONE)) == pytest.approx(0.25 * presence(set(), set(range(6))), rel=1e-5)
    assert float(loss_of(NONE, CHOICE)) == 0.0
    assert gradient_of(NONE, CHOICE) == [0.0] * 6
    assert min(gradient_of(NONE)) > 0.0


def test_a_batch_gives_the_mean() -> None:
    labels = [DOG, PET, NONE]
    loss = TreeLoss(TREE, PLAIN)
    together = loss(SCORES.expand(3, -1), torch.tensor(labels))
    alone = [float(loss_of(label)) for label in labels]
    assert float(together) == pytest.approx(np.mean(alone), rel=1e-5)


def test_a_flat_tree_chooses_once() -> None:
    flat = Taxonomy.flat(["a", "b", "c"])
    assert float(loss_of(1, CHOICE, flat)) == pytest.approx(choice(1, 0, 1, 2), rel=1e-5)


def test_the_teacher() -> None:
    """Kullback and Leibler's divergence of the leaves, softened, times the temperature's square."""
    told = replace(CHOICE, teacher_weight=0.5, temperature=2.0)
    loss, label = TreeLoss(TREE, told), torch.tensor([CAT])
    same = float(loss(SCORES, label, SCORES))
    assert same == pytest.approx(float(loss_of(CAT, CHOICE)), rel=1e-5)
    other = torch.tensor([[1.0, 5.0, 5.0, -1.0, 0.5, 0.0]])
    leaves = [PERSON, CAT, DOG, BIRD]
    ours, theirs = (np.exp(s[0].numpy().astype(float)[leaves] / 2) for s in (SCORES, other))
    ours, theirs = ours / ours.sum(), theirs / theirs.sum()
    divergence = float((theirs * np.log(theirs / ours)).sum())
    assert float(loss(SCORES, label, other)) == pytest.approx(same + 0.5 * 4 * divergence, rel=1e-5)
    inner = other.clone()
    inner[0, [ANIMAL, PET]] = 9.0  # whether an inner node is there weighs nothing here
    assert float(loss(SCORES, label, inner)) == float(loss(SCORES, label, other))


def test_the_teacher_says_of_each_node_whether_it_is_there() -> None:
    """As the divergence of a coin's two sides, and nothing where both agree."""
    told = replace(CHOICE, teacher_weight=0.5, temperature=2.0, presence_weight=0.2)
    loss, label = TreeLoss(TREE, told), torch.tensor([CAT])
    other = SCORES.clone()
    other[0, PET] = 9.0
    ours, theirs = (1 / (1 + np.exp(-float(s[0, PET]))) for s in (SCORES, other))
    divergence = theirs * np.log(theirs / ours) + (1 - theirs) * np.log((1 - theirs) / (1 - ours))
    same = float(loss(SCORES, label, SCORES))
    assert same == pytest.approx(float(TreeLoss(TREE, told)(SCORES, label)), rel=1e-5)
    got = float(loss(SCORES, label, other))
    assert got == pytest.approx(same + 0.5 * 0.2 * divergence, rel=1e-5)
