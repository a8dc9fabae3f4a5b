"""Judging: top-1, recall and AUROC, by category and by source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecut.nested.images import ImageSet
from edgecut.nested.judging import auroc, judged, top1
from edgecut.nested.loss import NONE
from tests.nested.toys import TREE

ANIMAL, PET, CAT, DOG, BIRD, PERSON = range(6)


def counted(scores: np.ndarray, positive: np.ndarray) -> float:
    """Every pair looked at."""
    pairs = [
        1.0 if above > below else 0.5 if above == below else 0.0
        for above in scores[positive]
        for below in scores[~positive]
    ]
    return float(np.mean(pairs))


@pytest.mark.parametrize("values", [3, 10, 1000], ids="{} values".format)
@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_pairs_in_order(values: int, seed: int) -> None:
    """With few values, most pairs are ties."""
    random = np.random.default_rng([values, seed])
    scores = random.integers(0, values, 60).astype(np.float32)
    positive = random.random(60) < 0.3
    assert auroc(scores, positive) == pytest.approx(counted(scores, positive), abs=1e-12)


def test_auroc_at_its_ends() -> None:
    scores, first = np.arange(4.0), np.array([True, True, False, False])
    assert (auroc(scores, ~first), auroc(scores, first)) == (1.0, 0.0)
    assert auroc(np.zeros(4), first) == 0.5
    assert math.isnan(auroc(scores, np.ones(4, bool)))
    assert math.isnan(auroc(scores, np.zeros(4, bool)))


def scores_for(*chosen: int) -> np.ndarray:
    """Scores whose highest is that of the chosen node; those of parents are not compared."""
    scores = np.random.default_rng(0).random((len(chosen), 6)).astype(np.float32)
    scores[:, [ANIMAL, PET]] += 50
    scores[np.arange(len(chosen)), list(chosen)] += 10
    return scores


def images(*labels: int, sources: str = "") -> ImageSet:
    return ImageSet(
        images=np.zeros((len(labels), 8, 8, 3), np.uint8),
        labels=np.array(labels),
        sources=np.array(list(sources or "a" * len(labels))),
    )


def test_top1_asks_of_leaves_alone() -> None:
    labels = np.array([CAT, DOG, PET, NONE, BIRD, PERSON])
    assert top1(scores_for(CAT, CAT, BIRD, BIRD, BIRD, DOG), labels, TREE) == 2 / 4
    assert math.isnan(top1(scores_for(CAT, CAT), np.array([PET, NONE]), TREE))


def test_by_category_and_source() -> None:
    scores = scores_for(CAT, CAT, BIRD, DOG, BIRD, CAT)
    found = judged(scores, images(CAT, DOG, PET, DOG, BIRD, NONE, sources="aaabbb"), TREE)
    assert found["images"] == 6
    assert found["top1"] == 0.75
    recalls = {name: one["recall"] for name, one in found["by_category"].items()}
    assert recalls == {"animal": 1.0, "pet": 0.75, "cat": 1.0, "dog": 0.5, "bird": 1.0}
    assert {name: one["images"] for name, one in found["by_category"].items()} == {
        "animal": 5, "pet": 4, "cat": 1, "dog": 2, "bird": 1
    }  # fmt: skip
    assert list(found["by_source"]) == ["a", "b"]
    assert [one["top1"] for one in found["by_source"].values()] == [0.5, 1.0]
    assert found["by_source"]["b"]["by_category"]["dog"]["recall"] == 1.0


def test_auroc_leaves_out_what_is_not_known() -> None:
    """Whether an image labelled 'pet' shows a cat is open; that one of nothing does not is not."""
    labels = np.array([CAT, CAT, PET, DOG, NONE])
    scores = np.zeros((5, 6), np.float32)
    scores[:, CAT] = [3.0, 1.0, 9.0, 2.0, 0.0]
    found = judged(scores, images(*labels), TREE)["by_category"]["cat"]["auroc"]
    assert found == counted(scores[[0, 1, 3, 4], CAT], np.array([True, True, False, False]))


def test_what_cannot_be_told_is_none() -> None:
    found = judged(scores_for(BIRD), images(PET), TREE)
    assert found["top1"] is None
    assert found["by_category"]["pet"] == {"images": 1, "recall": 0.0, "auroc": None}
