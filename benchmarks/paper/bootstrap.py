"""Confidence intervals by the percentile bootstrap, over targets and over images.

Targets are drawn with replacement, and for each drawn target its images: the interval tells what
other targets and other images would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean, and the interval of its resampled values."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


def by_target(values: Sequence[np.ndarray], *, resamples: int = RESAMPLES) -> Interval:
    """The mean over targets of the mean over each one's images.

    Args:
        values: one array for each target, of a value for each of its images; none is empty.
        resamples: as many draws.
    """
    random = np.random.default_rng(0)
    # The mean of a target's images in every draw, (targets, resamples).
    drawn = np.stack([_drawn_means(one, random, resamples) for one in values])
    # A target that is drawn twice brings the same images twice: that can only widen the interval.
    times = _draws(len(values), random, resamples) / len(values)
    means = (drawn * times.T).sum(0)
    return _interval(float(np.mean([one.mean() for one in values])), means)


def crossed(values: np.ndarray, *, resamples: int = RESAMPLES) -> Interval:
    """The mean of values (targets, images) where every target meets the same images."""
    random = np.random.default_rng(0)
    targets, images = values.shape
    rows = _draws(targets, random, resamples) / targets
    means = [rows[i] @ values @ (_draws(images, random, 1)[0] / images) for i in range(resamples)]
    return _interval(float(values.mean()), np.array(means))


def _drawn_means(values: np.ndarray, random: np.random.Generator, resamples: int) -> np.ndarray:
    """The means of ``resamples`` draws of as many values as there are."""
    # Values are few different ones (right, wrong, no change): their counts say all.
    distinct, counts = np.unique(values, return_counts=True)
    times = random.multinomial(len(values), counts / len(values), resamples)
    means: np.ndarray = times @ distinct / len(values)
    return means


def _draws(count: int, random: np.random.Generator, resamples: int) -> np.ndarray:
    """How often each of ``count`` things is drawn, (resamples, count)."""
    return random.multinomial(count, np.full(count, 1 / count), resamples)


def _interval(mean: float, means: np.ndarray) -> Interval:
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(mean=mean, low=float(low), high=float(high))
