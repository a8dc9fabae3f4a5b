import numpy as np
import pytest

from benchmarks.paper.bootstrap import by_target, crossed


def test_values_that_are_all_alike_leave_no_doubt() -> None:
    for found in (by_target([np.ones(5), np.ones(9)]), crossed(np.ones((3, 7)))):
        assert (found.mean, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_targets_weigh_the_same_however_many_images_they_have() -> None:
    assert by_target([np.zeros(2), np.ones(1000)]).mean == pytest.approx(0.5)


def test_the_interval_over_images_is_the_normal_one() -> None:
    # The mean of 400 coins: 0.5, with a standard error of 0.025.
    found = by_target([np.arange(400) % 2])
    assert (found.low, found.high) == pytest.approx((0.5 - 0.049, 0.5 + 0.049), abs=0.008)


def test_the_interval_over_targets_is_wide_though_images_agree() -> None:
    # Half of 16 targets give 1, half 0: the standard error is 0.5 / 4.
    found = by_target([np.full(1000, i % 2) for i in range(16)])
    assert (found.low, found.high) == pytest.approx((0.5 - 0.245, 0.5 + 0.245), abs=0.04)


def test_crossed_images_count_once_for_all_targets() -> None:
    # Every target says the same of an image, so there is no more to learn from 50 than from one.
    images = np.arange(400) % 2
    found = crossed(np.tile(images, (50, 1)))
    assert found.mean == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5 - 0.049, 0.5 + 0.049), abs=0.008)


def test_the_same_values_give_the_same_interval() -> None:
    values = [np.random.default_rng(i).random(30) for i in range(4)]
    assert by_target(values) == by_target(values)
    assert crossed(np.stack(values)) == crossed(np.stack(values))
