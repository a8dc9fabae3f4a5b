"""Which samples to take, so that together they look like what a network saw in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecut.synthetic.statistics import Moments

_ROUNDS = 10
# What an exchange must gain, of the whole, so that rounding errors exchange nothing.
_GAIN = 1e-9


def choose(moments: Moments, count: int) -> tuple[int, ...]:
    """The indices of ``count`` samples whose joint moments are nearest to the training set's.

    First one sample after the other, each the best beside those before it (kernel herding, Welling
    2009), so that the first few are a good choice as well; then one is exchanged for another as
    long as that helps. What is made small is the weighted sum over the channels of
    mean ** 2 + ((mean square - spread ** 2) / 2) ** 2, near to the square of ``Moments.distance``
    and, unlike it, a sum over pairs of samples: so all pairs are computed once.
    """
    pairs = _pairs(moments)
    taken: list[int] = []
    for _ in range(count):
        taken.append(_best(pairs, taken, instead_of=None))
    for _ in range(_ROUNDS):
        before = list(taken)
        for place in range(count):
            taken[place] = _best(pairs, taken, instead_of=place)
        if taken == before:
            break
    return tuple(taken)


def _pairs(moments: Moments) -> NDArray[np.float64]:
    """The inner products of the samples' weighted moments, shape (samples, samples)."""
    root = np.sqrt(moments.weight)
    means = moments.first * root
    squares = (moments.second - moments.spread**2) * (root / 2)
    return np.asarray(means @ means.T + squares @ squares.T, dtype=np.float64)


def _best(pairs: NDArray[np.float64], taken: list[int], instead_of: int | None) -> int:
    """The sample that goes best with the taken ones, in the place of one of them or beside all."""
    others = [index for place, index in enumerate(taken) if place != instead_of]
    # |others + x| ** 2, up to what no x changes.
    length = 2 * pairs[others].sum(axis=0) + pairs.diagonal()
    length[others] = np.inf
    best = int(np.argmin(length))
    if instead_of is None:
        return best
    now = taken[instead_of]
    whole = pairs[np.ix_(others, others)].sum() + length[now]
    return best if length[best] < length[now] - _GAIN * whole else now
