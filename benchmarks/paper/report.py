"""What was found out, as ``paper.json``, as tables, and as plots."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.models import RESULTS
from benchmarks.paper import attention, plots, tables
from benchmarks.paper.evaluation import results
from benchmarks.paper.study import DENSE, NESTED, Study, Subject
from benchmarks.paper.summary import figures, means
from edgecut.nested.folder import METRICS, read_json

DIGITS = 6
MEANINGS = {
    "parameters_excluded, macs_excluded": "fractions of the full nested network that the cut one "
    "does without",
    "parameters_vs_dense, macs_vs_dense": "fractions of the dense baseline, its head cut to the "
    "same categories, that the cut nested network does without",
    "top1_full, top1_cut, top1_dense, top1_specialist": "top-1 among the kept categories, on the "
    "test images that show one of them: kept scores of the full nested network, of the cut one, of "
    "the dense baseline, and of a dense network trained on nothing else; null where one is kept",
    "auroc_*": "where one category is kept: of its score, against the images of all others",
    "fpr_*": "the share of images of dropped categories, and of nothing in the tree, that pass at "
    "the threshold which 95 % of the kept ones pass; the score is the largest kept one",
    "error, largest_difference": "cut against full, on images_cut test images: relative to the "
    "largest value, and absolute",
    "*_cut": "null where the cut network ran over a part of the test images alone",
    "realisation": "latency speed-up over MACs speed-up, full over cut",
}


def write(study: Study, folder: Path = RESULTS) -> dict[str, Any]:
    """Write what is known of all subjects, and give it: what ``paper.json`` holds."""
    found: dict[str, Any] = _rounded(gathered(study, folder))
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "paper.json").write_text(text, encoding="utf-8")
    render(folder)
    return found


def render(folder: Path = RESULTS) -> None:
    """Write tables and plots from the ``paper.json`` that is there."""
    found = json.loads((folder / "paper.json").read_text(encoding="utf-8"))
    shown = plots.write(found, folder)
    (folder / "paper.md").write_text(tables.page(found, shown), encoding="utf-8")


def gathered(study: Study, folder: Path) -> dict[str, Any]:
    """All results, with what is computed from them."""
    parts = {subject.name: results(subject) for subject in study.subjects()}

    def rows(part: str, key: str = "rows") -> list[dict[str, Any]]:
        return [row for one in parts.values() for row in one.get(part, {}).get(key, ())]

    found: dict[str, Any] = {
        "schema": "edgecut.paper/1",
        "meanings": MEANINGS,
        "rows": rows("accuracy"),
        "full": [row for s in study.subjects() if parts[s.name] for row in _full(s, parts[s.name])],
        "int8": rows("int8"),
        "latency": rows("latency"),
        "attention": rows("attention"),
        "attention_best": rows("attention", "best"),
        "attention_checks": [
            {
                "base": subject.base,
                "data": subject.data,
                **{k: parts[subject.name]["attention"][k] for k in attention.CHECKS},
            }
            for subject in study.subjects()
            if "attention" in parts[subject.name]
        ],
    }
    default = folder / "everyday.json"
    found["default"] = json.loads(default.read_text("utf-8")) if default.exists() else None
    found["averages"] = means(found["rows"])
    found["summary"] = figures(found)
    del found["default"]
    return found


def _full(subject: Subject, parts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row: what both full networks cost, and their top-1 over all leaves."""
    if "accuracy" not in parts:
        return
    costs = {m: read_json(subject.folder(m) / METRICS) for m in (NESTED, DENSE)}
    yield {
        "base": subject.base,
        "data": subject.data,
        **{
            f"{what}_{model}": cost[what]
            for model, cost in costs.items()
            for what in ("parameters", "macs")
        },
        **parts["accuracy"]["full"],
    }


def _rounded(value: Any) -> Any:
    """The same values, floats to few digits; what is not a number is not known."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
