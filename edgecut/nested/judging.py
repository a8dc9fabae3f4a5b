"""How good a trained network is: by category, by level of the tree, by source of the images."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecut.nested.images import ImageSet
from edgecut.nested.loss import NONE
from edgecut.taxonomy import Taxonomy


def top1(scores: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> float:
    """The share of the images labelled with a leaf whose highest leaf score is that leaf's."""
    right = _right(scores, labels, taxonomy)
    return float(right.mean()) if len(right) else float("nan")


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive's score is above a negative's (ties count half)."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    # Equal scores share their mean rank.
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.bincount(inverse, ranks) / counts)[inverse] if len(values) < len(scores) else ranks
    above, below = int(positive.sum()), int((~positive).sum())
    if not above or not below:
        return float("nan")
    return float((ranks[positive].sum() - above * (above + 1) / 2) / (above * below))


def judged(scores: np.ndarray, images: ImageSet, taxonomy: Taxonomy) -> dict[str, Any]:
    """Plain values: top-1 over all and by source, recall and AUROC by category.

    Top-1 is over all leaves, on images labelled with a leaf. AUROC of a node is that of its score
    against all images that are known not to show it, images that show nothing in the tree included.
    """
    return {
        "images": len(images),
        "top1": _number(top1(scores, images.labels, taxonomy)),
        "by_source": {
            source: {
                "images": int(mine.sum()),
                "top1": _number(top1(scores[mine], images.labels[mine], taxonomy)),
                "by_category": _by_category(scores[mine], images.labels[mine], taxonomy),
            }
            for source in sorted(set(images.sources.tolist()))
            if (mine := images.sources == source).any()
        },
        "by_category": _by_category(scores, images.labels, taxonomy),
    }


def _right(scores: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> np.ndarray:
    leaves = np.array(taxonomy.leaves)
    asked = np.isin(labels, leaves)
    right: np.ndarray = leaves[scores[asked][:, leaves].argmax(1)] == labels[asked]
    return right


def _by_category(
    scores: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy
) -> dict[str, dict[str, float | int | None]]:
    leaves = np.array(taxonomy.leaves)
    chosen = leaves[scores[:, leaves].argmax(1)]
    found: dict[str, dict[str, float | int | None]] = {}
    for node, name in enumerate(taxonomy.names):
        under = [node, *taxonomy.under(node)]
        positive = np.isin(labels, under)
        if not positive.any():
            continue
        # A label above a node leaves open whether the image shows it.
        above = [n for n in taxonomy.path(node) if n != node]
        known = ~np.isin(labels, above) | (labels == NONE)
        found[name] = {
            "images": int(positive.sum()),
            "recall": _number(float(np.isin(chosen[positive], under).mean())),
            "auroc": _number(auroc(scores[known, node], positive[known])),
        }
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)
