"""What a cut saves: parameters and MACs of every case, against the full network and the dense one.

All costs are those of tidied networks. The dense baseline is cut to the same categories, too: its
head gets narrower, and no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.paper.cases import KINDS, Case
from edgecut.cost import Cost, cost
from edgecut.cutout import cut
from edgecut.network import Network

# Beside the plain average over all cases there is one over the kinds, each weighing the same: in a
# tree of 200 leaves there are six times as many single leaves as anything else.
ALL, BY_KIND = "all", "kinds alike"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Fractions that a cut network does without: of the full network, and of the dense one."""

    parameters_excluded: float
    macs_excluded: float
    parameters_vs_dense: float
    macs_vs_dense: float

    @classmethod
    def of(cls, small: Cost, full: Cost, dense: Cost) -> Saving:
        """What ``small`` saves."""
        return cls(
            parameters_excluded=1 - small.parameters / full.parameters,
            macs_excluded=1 - small.macs / full.macs,
            parameters_vs_dense=1 - small.parameters / dense.parameters,
            macs_vs_dense=1 - small.macs / dense.macs,
        )


def savings(nested: Network, dense: Network, cases: Iterable[Case]) -> dict[str, dict[str, float]]:
    """Case name -> its savings, found by really cutting both networks."""
    full = cost(nested)
    return {
        case.name: asdict(
            Saving.of(cost(cut(nested, case.keep)[0]), full, cost(cut(dense, case.keep)[0]))
        )
        for case in cases
    }


def averages(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, Any]:
    """Means of columns over the rows of each ``kind``, over all, and over the kinds' means.

    None does not count; where there is nothing else, the mean is None.
    """
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    found = {kind: _means([r for r in rows if r["kind"] == kind], columns) for kind in kinds}
    found[BY_KIND] = _means(list(found.values()), columns)
    found[ALL] = _means(rows, columns)
    return found


def most(rows: Sequence[Mapping[str, Any]], parameters: float, macs: float) -> Mapping[str, Any]:
    """The case that comes nearest to excluding both shares, or goes furthest beyond them."""
    return max(
        rows,
        key=lambda row: min(row["parameters_excluded"] / parameters, row["macs_excluded"] / macs),
    )


def _means(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, float | None]:
    def mean(column: str) -> float | None:
        values = [row[column] for row in rows if row[column] is not None]
        return float(np.mean(values)) if values else None

    return {column: mean(column) for column in columns}
