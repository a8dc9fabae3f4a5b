"""How good a trained network is: by category, by level of the tree, by source of the images."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecut.nested.images import ImageSet
from edgecut.taxonomy import Taxonomy


def top1(scores: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> float:
    """Of the images labelled with a leaf, the share whose highest leaf score is that leaf's.

    NaN where there are none.
    """
    leaves = np.array(taxonomy.leaves)
    asked = np.isin(labels, leaves)
    right = _chosen(scores[asked], leaves) == labels[asked]
    return float(right.mean()) if len(right) else float("nan")


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive's score is above a negative's (ties count half).

    By the ranks of the positives (Mann and Whitney 1947); NaN without positives or negatives.
    """
    # Equal scores share the mean of their ranks.
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
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
                "images": int(own.sum()),
                "top1": _number(top1(scores[own], images.labels[own], taxonomy)),
                "by_category": _by_category(scores[own], images.labels[own], taxonomy),
            }
            for source in sorted(set(images.sources.tolist()))
            for own in [images.sources == source]
        },
        "by_category": _by_category(scores, images.labels, taxonomy),
    }


def _chosen(scores: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """The leaf of the highest score, for each image."""
    found: np.ndarray = leaves[scores[:, leaves].argmax(1)]
    return found


def _by_category(
    scores: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy
) -> dict[str, dict[str, float | int | None]]:
    chosen = _chosen(scores, np.array(taxonomy.leaves))
    found: dict[str, dict[str, float | int | None]] = {}
    for node, name in enumerate(taxonomy.names):
        under = [node, *taxonomy.under(node)]
        positive = np.isin(labels, under)
        if not positive.any():
            continue
        # A label above a node leaves open whether the image shows it.
        above = [n for n in taxonomy.path(node) if n != node]
        known = ~np.isin(labels, above)
        found[name] = {
            "images": int(positive.sum()),
            "recall": _number(float(np.isin(chosen[positive], under).mean())),
            "auroc": _number(auroc(scores[known, node], positive[known])),
        }
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)
