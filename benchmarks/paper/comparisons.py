"""Each case beside its rivals, the dense baseline and the specialist, and means by subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.paper.costs import averages

COLUMNS = (
    *("parameters_excluded", "macs_excluded", "parameters_vs_dense", "macs_vs_dense"),
    *("points_vs_dense", "top1_full", "top1_dense", "auroc_full", "auroc_dense"),
    *("fpr_full", "fpr_dense", "fpr_vs_dense"),
)

Row = Mapping[str, Any]


def by_subject(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """(data, base) -> its rows."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["data"], row["base"]), []).append(row)
    return found


def means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each subject and kind of case the means of the columns."""
    return [
        {"base": base, "data": data, "over": over, **found}
        for (data, base), own in by_subject(rows).items()
        for over, found in averages([beside_dense(row) for row in own], COLUMNS).items()
    ]


def beside_dense(row: Row) -> dict[str, Any]:
    """The row with what it has more than the dense baseline: of top-1, or AUROC of one, and FPR."""
    measure = "auroc" if len(row["keep"]) == 1 else "top1"
    return {
        **row,
        "points_vs_dense": _more(row, measure, "dense"),
        "fpr_vs_dense": _more(row, "fpr", "dense"),
    }


def beside_specialists(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each subject the cut and the specialist on the keep-lists that have one, and no others.

    ``points_vs_specialist`` is the mean of the differences list by list, with the least and most.
    """
    return [
        {"base": base, "data": data, **_beside_specialists(own)}
        for (data, base), rows_of in by_subject(rows).items()
        if (own := [row for row in rows_of if row["top1_specialist"] is not None])
    ]


def _beside_specialists(rows: Sequence[Row]) -> dict[str, Any]:
    columns = [f"{m}_{of}" for m in ("top1", "fpr") for of in ("full", "specialist")]
    points = [_more(row, "top1", "specialist") for row in rows]
    return {
        "lists": len(rows),
        **{column: float(np.mean([row[column] for row in rows])) for column in columns},
        "points_vs_specialist": float(np.mean(points)),
        "least": min(points),
        "most": max(points),
    }


def _more(row: Row, measure: str, than: str) -> Any:
    ours, theirs = row[f"{measure}_full"], row[f"{measure}_{than}"]
    return None if ours is None or theirs is None else ours - theirs
