"""How far two series of arrays agree: sums that grow sample by sample, without keeping any."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fewer positions than this correlate by chance.
_FEWEST_POSITIONS = 64
# The share of clear choices that must be the reference's, and of those of any one value. Right
# builds of YOLOX-nano with an ArgMax over its categories reach .9987 in float16, and .79 (LiteRT)
# and .93 (OpenVINO) in int8; wrong ones .13 at best (values shifted), .58 (the most frequent value
# everywhere) and .49 (the values of another sample). See docs/adr/0015.
AGREEMENT = {"float32": 1.0, "float16": 0.99, "int8": 0.7}
LEAST_OF_A_VALUE = 0.5
NONE_CLEAR = "none of its choices is clear, so none was compared"


@dataclass(slots=True)
class Group:
    """Running sums over the samples for one group of slots of one output."""

    name: str
    count: int = 0
    total: float = 0.0
    energy: float = 0.0
    candidate_total: float = 0.0
    candidate_energy: float = 0.0
    noise: float = 0.0
    peak: float = 0.0
    gap: float = 0.0
    worst_sample: str = ""

    def add(self, sample: str, reference: NDArray[Any], candidate: NDArray[Any]) -> None:
        """Count one more sample in; arrays of one shape, float64."""
        error = np.abs(reference - candidate)
        gap = float(error.max(initial=0.0))
        if gap > self.gap or not self.worst_sample:
            self.gap, self.worst_sample = max(gap, self.gap), sample
        self.peak = max(self.peak, float(np.abs(reference).max(initial=0.0)))
        self.count += reference.size
        self.total += float(reference.sum())
        self.energy += float(np.square(reference).sum())
        self.candidate_total += float(candidate.sum())
        self.candidate_energy += float(np.square(candidate).sum())
        self.noise += float(np.square(error).sum())

    def relative_error(self) -> float:
        """Largest difference over the largest reference value."""
        if self.gap == 0.0:
            return 0.0
        return self.gap / self.peak if self.peak else math.inf

    def _variances(self) -> tuple[float, float]:
        """Of the reference and the candidate, times their number."""
        count = max(self.count, 1)
        reference = self.energy - self.total**2 / count
        if reference > 1e-9 * self.energy:
            return reference, max(self.candidate_energy - self.candidate_total**2 / count, 0.0)
        # A group that never varies has no variance to explain: then its whole energy counts.
        return self.energy, self.candidate_energy

    def sqnr_db(self) -> float:
        """10 log10(variance of the reference / mean square of the error)."""
        if self.noise == 0.0:
            return math.inf
        signal, _ = self._variances()
        return 10 * math.log10(signal / self.noise) if signal > 0.0 else -math.inf

    def gain(self) -> float:
        """Ratio of the standard deviations, candidate over reference."""
        reference, candidate = self._variances()
        if reference == candidate:
            return 1.0
        return math.sqrt(candidate / reference) if reference > 0.0 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How much a comparison of one output's values rests on.

    Of ``total`` choices ``clear`` were compared, and these name so many different ``values``.
    """

    output: str
    total: int
    clear: int
    values: int


@dataclass(slots=True)
class Named:
    """How often one output names the same category on both sides, where the choice is clear."""

    name: str
    total: int = 0
    count: int = 0
    agreed: int = 0
    gap: float = 0.0
    worst: float = 1.0
    worst_sample: str = ""
    values: dict[float, tuple[int, int]] = field(default_factory=dict)

    def add(
        self,
        sample: str,
        reference: NDArray[Any],
        candidate: NDArray[Any],
        clear: NDArray[np.bool_],
    ) -> None:
        """Count one more sample in; arrays of one shape."""
        wanted, given = reference[clear], candidate[clear]
        right = wanted == given
        self.total += reference.size
        self.count += right.size
        self.agreed += int(right.sum())
        differences = np.abs(wanted.astype(np.float64) - given.astype(np.float64))
        self.gap = max(self.gap, float(differences.max(initial=0.0)))
        share = float(right.mean()) if right.size else 1.0
        if share < self.worst or not self.worst_sample:
            self.worst, self.worst_sample = min(share, self.worst), sample
        for value in np.unique(wanted).tolist():
            here = wanted == value
            seen, met = self.values.get(value, (0, 0))
            self.values[value] = (seen + int(here.sum()), met + int(right[here].sum()))

    def share(self) -> float:
        """Of the clear choices, those on which both sides agree."""
        return self.agreed / self.count if self.count else 0.0

    def faults(self, scheme: str) -> Iterator[str]:
        """What is wrong with an output of this scheme."""
        if not self.count:
            yield f"{self.name}: {NONE_CLEAR}"
        elif self.share() < AGREEMENT[scheme]:
            at = f"; worst in sample {self.worst_sample}" if self.worst_sample else ""
            yield f"{self.name}: {self.agreed} of {self.count} choices are the reference's{at}"
        for value, (seen, met) in self.values.items():
            if seen >= _FEWEST_POSITIONS and met < LEAST_OF_A_VALUE * seen:
                yield f"{self.name}: of {seen} positions that mean {value:g} only {met} do"


@dataclass(slots=True)
class Order:
    """Sums for the correlation of every reference slot with every candidate slot."""

    cross: NDArray[np.float64]
    totals: NDArray[np.float64]
    squares: NDArray[np.float64]
    positions: int = 0

    @classmethod
    def of(cls, slots: int) -> Order:
        """Empty sums for so many slots."""
        return cls(np.zeros((slots, slots)), np.zeros((2, slots)), np.zeros((2, slots)))

    def add(self, reference: NDArray[Any], candidate: NDArray[Any]) -> None:
        """Count one more sample in; arrays are (slots, positions), float64."""
        self.positions += reference.shape[1]
        self.cross += reference @ candidate.T
        for side, rows in enumerate((reference, candidate)):
            self.totals[side] += rows.sum(axis=1)
            self.squares[side] += np.square(rows).sum(axis=1)

    def correlations(self) -> NDArray[np.float64]:
        """Pearson's r of reference slot i with candidate slot j; 0 where one is constant."""
        means = self.totals / self.positions
        covariance = self.cross / self.positions - np.outer(means[0], means[1])
        variances = np.maximum(self.squares / self.positions - np.square(means), 0.0)
        scale = np.sqrt(np.outer(variances[0], variances[1]))
        return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 1e-30)

    def misplaced(self) -> list[tuple[int, int]]:
        """(slot, the slot whose values it holds) for every slot that left its place."""
        if self.positions < _FEWEST_POSITIONS:
            return []
        table = self.correlations()
        nearest, own = table.argmax(axis=0), np.diagonal(table)
        clear = (table.max(axis=0) >= 0.5) & (own <= table.max(axis=0) - 0.2)
        # A weak category may come to resemble a strong one that is still in its own place; in a
        # permutation that other one has left its place as well.
        left = nearest != np.arange(len(nearest))
        return [(int(j), int(nearest[j])) for j in np.flatnonzero(clear & left & left[nearest])]
