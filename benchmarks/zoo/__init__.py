"""The zoo: architectures that others wrote and heads of every family, cut at random and judged.

``python -m benchmarks.run --suite zoo``; it needs transformers, see ``peers/README.md``.
"""

from __future__ import annotations

import sys
from typing import Any


def run(*, keep_lists: int) -> dict[str, Any] | None:
    """``rows`` for each model and keep-list, ``models`` for each model.

    Args:
        keep_lists: how many random keep-lists each model is cut to.
    """
    from benchmarks.zoo.judging import judged
    from benchmarks.zoo.subjects import missing, subjects

    if absent := missing():
        print(
            f"not installed: {', '.join(absent)}; see benchmarks/peers/README.md", file=sys.stderr
        )
        return None
    rows, models = [], []
    for subject in subjects():
        print(f"  {subject.name}", file=sys.stderr, flush=True)
        model, own = judged(subject, keep_lists)
        models.append(model)
        rows += own
    return {"schema": "edgecut.zoo/1", "models": models, "rows": rows}
