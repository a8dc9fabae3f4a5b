"""The choice of samples, against trying every set."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from edgecut.synthetic.choice import choose
from edgecut.synthetic.statistics import Moments


def random_moments(count: int, channels: int = 4, seed: int = 0) -> Moments:
    random = np.random.default_rng(seed)
    first = random.normal(0.3, 1.0, (count, channels)).astype(np.float32)
    second = first**2 + random.uniform(0.1, 3.0, first.shape).astype(np.float32)
    one = np.ones(channels, np.float32)
    return Moments(first=first, second=second, spread=one, weight=one / channels)


def cost(moments: Moments, chosen: tuple[int, ...]) -> float:
    taken = list(chosen)
    mean, square = moments.first[taken].mean(0), moments.second[taken].mean(0)
    return float(np.mean(mean**2 + ((square - 1) / 2) ** 2))


@pytest.mark.parametrize("seed", range(8))
def test_nearly_the_best_of_all_sets(seed: int) -> None:
    found = random_moments(14, seed=seed)
    every = sorted(cost(found, one) for one in combinations(range(14), 4))
    # Among the best of a thousand sets, where a set taken blindly lies in the middle.
    assert cost(found, choose(found, 4)) <= every[len(every) // 100]


def test_none_is_taken_twice_and_the_first_is_the_best_alone() -> None:
    found = random_moments(40)
    chosen = choose(found, 12)
    assert len(set(chosen)) == 12
    alone = min(range(40), key=lambda one: cost(found, (one,)))
    assert choose(found, 1) == (alone,)


def test_the_same_moments_give_the_same_choice() -> None:
    found = random_moments(60)
    assert choose(found, 20) == choose(found, 20)


def test_all_of_them() -> None:
    assert sorted(choose(random_moments(9), 9)) == list(range(9))
