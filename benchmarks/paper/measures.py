"""Accuracy among kept categories, and what else a device sees. NaN where there is no image."""

from __future__ import annotations

import numpy as np

from benchmarks.paper.cases import DROPPED

RECALL = 0.95


def top1(scores: np.ndarray, shown: np.ndarray) -> float:
    """Of the images that show a kept category, the share whose highest kept score is its.

    Args:
        scores: kept scores (N, K).
        shown: for each image the place of what it shows, negative for none of the kept.
    """
    asked = shown >= 0
    if not asked.any():
        return float("nan")
    return float((scores[asked].argmax(1) == shown[asked]).mean())


def false_positives(scores: np.ndarray, shown: np.ndarray, *, recall: float = RECALL) -> float:
    """The share of images of dropped categories that pass for kept ones.

    An image passes whose largest kept score reaches a threshold: the highest one at which at
    least ``recall`` of the images of kept categories pass. Images of which it is not known
    whether they show a kept category do not count.
    """
    loudest = scores.max(1)
    kept, dropped = loudest[shown >= 0], loudest[shown == DROPPED]
    if not len(kept) or not len(dropped):
        return float("nan")
    # So many of the kept ones may lie below; rounding must not take one more.
    missed = int(np.floor((1 - recall) * len(kept) + 1e-9))
    threshold = np.partition(kept, missed)[missed]
    return float((dropped >= threshold).mean())


def auroc(scores: np.ndarray, shown: np.ndarray) -> float:
    """How well one kept score (N, 1) tells images of its category from all others."""
    from edgecut.nested.judging import auroc as by_ranks

    known = shown >= DROPPED
    return by_ranks(scores[known, 0], shown[known] >= 0)


def same_choice(one: np.ndarray, other: np.ndarray) -> float:
    """The share of images (N, K) for which both have the same highest score."""
    return float((one.argmax(1) == other.argmax(1)).mean()) if len(one) else float("nan")


def relative_error(expected: np.ndarray, got: np.ndarray) -> float:
    """The largest difference, of the largest value."""
    return float(np.abs(expected - got).max() / np.abs(expected).max())
