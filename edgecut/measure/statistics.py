"""What samples that were taken in bursts say, and how sure it is.

Samples of one burst are alike: they share what went on in that tenth of a second. And so are bursts
of one start, which share the processes and where memory happened to lie in them. So intervals come
from drawing starts, and whole bursts of each (Davison and Hinkley 1997, 3.8), never single samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
OUTLIER_MADS = 5.0
FEWEST_FOR_P99 = 100
"""Of fewer samples, the 99th percentile is the largest one."""
_RESAMPLES = 2000
_MAD_TO_SIGMA = 1.4826  # of a normal distribution

Bursts = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The statistics of one artifact's latency, in milliseconds.

    ``median_ms`` is the median of the bursts' medians, and ``low_ms`` to ``high_ms`` its interval
    at ``CONFIDENCE``. ``p90_ms`` and ``p99_ms`` are of all samples together, the latter None where
    they are fewer than ``FEWEST_FOR_P99``. ``effective`` is how
    many independent samples would say as much about the mean; ``outliers`` how many samples lie
    more than five (normal-consistent) median absolute deviations above the median.
    """

    count: int
    median_ms: float
    p90_ms: float
    p99_ms: float | None
    low_ms: float
    high_ms: float
    effective: float
    outliers: int


def summary(bursts_ms: Bursts, rounds: Sequence[int] | None = None) -> Summary:
    """The statistics of samples, burst by burst; ``rounds`` as ``interval`` takes it."""
    samples = np.concatenate([np.asarray(burst, dtype=np.float64) for burst in bursts_ms])
    medians = burst_medians(bursts_ms)
    low, high = interval(medians, rounds)
    median = float(np.median(samples))
    spread = float(np.median(np.abs(samples - median))) * _MAD_TO_SIGMA
    return Summary(
        count=len(samples),
        median_ms=float(np.median(medians)),
        p90_ms=float(np.percentile(samples, 90)),
        p99_ms=p99(samples),
        low_ms=low,
        high_ms=high,
        effective=effective_count(bursts_ms),
        outliers=int((samples > median + OUTLIER_MADS * spread).sum()) if spread else 0,
    )


def burst_medians(bursts_ms: Bursts) -> NDArray[np.float64]:
    """The median of each burst."""
    return np.array([np.median(burst) for burst in bursts_ms])


def p99(samples: Sequence[float] | NDArray[np.float64]) -> float | None:
    """The 99th percentile; None where it would be the largest sample."""
    return float(np.percentile(samples, 99)) if len(samples) >= FEWEST_FOR_P99 else None


def interval(
    values: NDArray[np.float64], rounds: Sequence[int] | None = None
) -> tuple[float, float]:
    """The interval of the median, by a percentile bootstrap with a fixed seed.

    Args:
        values: one for each burst, start by start.
        rounds: how many of them each start has; by default there was one start.
    """
    return middle(resampled(values, rounds, np.random.default_rng(0)))


def resampled(
    values: NDArray[np.float64], rounds: Sequence[int] | None, random: np.random.Generator
) -> NDArray[np.float64]:
    """Medians of starts that are drawn, and of bursts drawn from each of them, as ``interval``."""
    sizes = np.array(rounds or [len(values)])
    starts = random.integers(0, len(sizes), size=(_RESAMPLES, len(sizes), 1))
    shares = random.random(size=(_RESAMPLES, len(sizes), max(1, len(values) // len(sizes))))
    first = np.cumsum(sizes) - sizes
    picks = first[starts] + (shares * sizes[starts]).astype(int)
    drawn: NDArray[np.float64] = np.median(values[picks].reshape(_RESAMPLES, -1), axis=1)
    return drawn


def middle(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Between what the middle ``CONFIDENCE`` of these values lies."""
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def effective_count(bursts_ms: Bursts) -> float:
    """How many independent samples say as much about the mean.

    From the variance between the means of bursts and that within them (Kish's design effect): n
    where bursts differ no more than their samples do, the number of bursts where all samples of a
    burst are equal.
    """
    sizes = np.array([len(burst) for burst in bursts_ms], dtype=np.float64)
    count, bursts = float(sizes.sum()), len(bursts_ms)
    samples = np.concatenate([np.asarray(burst, dtype=np.float64) for burst in bursts_ms])
    variance = samples.var()
    if bursts < 2 or variance == 0:
        return count
    means = np.array([np.mean(burst) for burst in bursts_ms])
    error = means.var(ddof=1) / bursts
    return float(np.clip(variance / error, bursts, count)) if error else count


def drift(bursts_ms: Bursts) -> tuple[float, float]:
    """How far the latency moved, and how likely so strong a trend is by chance.

    The first number is the median of the last third of the bursts over that of the first, less one;
    the second the two-sided p-value of Mann and Kendall's test, by its normal approximation.
    """
    medians = burst_medians(bursts_ms)
    third = max(1, len(medians) // 3)
    moved = float(np.median(medians[-third:]) / np.median(medians[:third]) - 1)
    return moved, trend_p(medians)


def trend_p(values: NDArray[np.float64]) -> float:
    """The two-sided p-value of Mann-Kendall's trend test; 1 for fewer than three values."""
    from math import erfc, sqrt

    n = len(values)
    if n < 3:
        return 1.0
    later, earlier = np.triu_indices(n, 1)[::-1]
    s = float(np.sign(values[later] - values[earlier]).sum())
    _, ties = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0:
        return 1.0
    z = (abs(s) - 1) / sqrt(variance) if s else 0.0
    return float(erfc(max(z, 0.0) / sqrt(2)))
