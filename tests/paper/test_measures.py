import numpy as np
import pytest

from benchmarks.paper.cases import DROPPED, UNKNOWN
from benchmarks.paper.measures import (
    auroc,
    false_positives,
    relative_error,
    same_choice,
    top1,
)


def test_top1_is_over_images_of_kept_categories_alone() -> None:
    scores = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 2.0], [9.0, 0.0], [9.0, 0.0]])
    assert top1(scores, np.array([0, 1, 1, DROPPED, UNKNOWN])) == pytest.approx(2 / 3)


def test_top1_of_nothing_is_not_a_number() -> None:
    assert np.isnan(top1(np.zeros((2, 3)), np.array([DROPPED, DROPPED])))


def test_false_positives_at_the_threshold_that_nineteen_of_twenty_pass() -> None:
    # Kept images score 1..20: 19 of 20 pass at 2. Of the dropped ones, 2.0, 2.5 and 30 do.
    kept = np.arange(1.0, 21.0)
    dropped = np.array([0.0, 1.5, 2.0, 2.5, 30.0])
    scores = np.concatenate([kept, dropped])[:, None]
    what = np.array([0] * 20 + [DROPPED] * 5)
    assert false_positives(scores, what) == pytest.approx(3 / 5)


@pytest.mark.parametrize(("recall", "share"), [(1.0, 4 / 5), (0.5, 1 / 5), (0.94, 3 / 5)])
def test_a_lower_recall_lets_less_pass(recall: float, share: float) -> None:
    kept, dropped = np.arange(1.0, 21.0), np.array([0.0, 1.5, 2.0, 3.0, 30.0])
    what = np.array([0] * 20 + [DROPPED] * 5)
    found = false_positives(np.concatenate([kept, dropped])[:, None], what, recall=recall)
    assert found == pytest.approx(share)


def test_the_largest_kept_score_decides_whatever_category_it_is() -> None:
    scores = np.array([[5.0, 0.0], [0.0, 5.0], [0.0, 6.0], [1.0, 1.0]])
    assert false_positives(scores, np.array([0, 0, DROPPED, DROPPED])) == pytest.approx(0.5)


def test_images_that_may_show_a_kept_category_do_not_count() -> None:
    scores = np.array([[5.0], [9.0], [0.0]])
    assert false_positives(scores, np.array([0, UNKNOWN, DROPPED])) == 0.0
    assert np.isnan(false_positives(scores, np.array([0, UNKNOWN, UNKNOWN])))


def test_auroc_of_one_kept_score() -> None:
    scores = np.array([[3.0], [1.0], [2.0], [0.0], [99.0]])
    assert auroc(scores, np.array([0, 0, DROPPED, DROPPED, UNKNOWN])) == pytest.approx(3 / 4)


def test_the_same_choice_whatever_the_scores() -> None:
    one = np.array([[1.0, 2.0], [5.0, 0.0], [0.0, 1.0]])
    assert same_choice(one, 3 * one + 1) == 1.0
    assert same_choice(one, one[:, ::-1]) == 0.0


def test_an_error_is_told_of_the_largest_value() -> None:
    assert relative_error(np.array([1.0, -4.0]), np.array([1.0, -3.0])) == pytest.approx(0.25)
