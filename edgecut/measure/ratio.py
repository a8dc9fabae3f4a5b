"""How many times as long one of two things takes that ran in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecut.errors import EdgecutError
from edgecut.measure.measurement import Measurement
from edgecut.measure.statistics import CONFIDENCE, burst_medians, interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as long one contender takes as another, with a confidence interval."""

    of: str
    to: str
    ratio: float
    low: float
    high: float
    confidence: float
    pairs: int
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``VALID`` where both measurements are."""
        return "INVALID" if self.reasons else "VALID"


def ratio(of: Measurement, to: Measurement) -> Ratio:
    """The median over all rounds of (median of ``of``'s burst) / (median of ``to``'s burst).

    Both bursts of a round lie next to each other in time, so what slows the machine down slows
    both. The interval is a percentile bootstrap over starts and the rounds in them, seeded: the
    same measurements give the same interval.

    Raises:
        EdgecutError: ``not-interleaved`` unless both come from the same call of ``measure``.
    """
    if of.environment != to.environment or of.rounds != to.rounds:
        raise EdgecutError(
            f"'{of.name}' and '{to.name}' were not measured in turn, so they do not compare",
            code="not-interleaved",
            hint="measure both in one call",
        )
    values = burst_medians(of.bursts_ms) / burst_medians(to.bursts_ms)
    reasons = tuple(f"{m.name}: {reason}" for m in (of, to) for reason in m.reasons)
    return ratio_of(of.name, to.name, values, reasons, of.rounds)


def ratio_of(
    of: str,
    to: str,
    values: NDArray[np.float64],
    reasons: tuple[str, ...],
    rounds: Sequence[int] | None = None,
) -> Ratio:
    """The median ratio of all rounds, with its interval; ``rounds`` as ``interval`` takes it."""
    low, high = interval(values, rounds)
    return Ratio(
        of=of,
        to=to,
        ratio=float(np.median(values)),
        low=low,
        high=high,
        confidence=CONFIDENCE,
        pairs=len(values),
        reasons=reasons,
    )
