"""What was found out, as ``paper.json``, as tables, and as plots."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.models import RESULTS
from benchmarks.paper import attention, plots, tables
from benchmarks.paper.comparisons import Row, beside_specialists, means
from benchmarks.paper.evaluation import LATENCY, results
from benchmarks.paper.study import DENSE, NESTED, Study, Subject
from benchmarks.paper.summary import figures
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
    "points_vs_dense, fpr_vs_dense": "by case, what the cut nested network has more than the dense "
    "baseline: of top-1, of AUROC where one category is kept; and of fpr, where less is better",
    "points_vs_specialist": "the same against the specialist, over the lists that have one alone; "
    "least and most of them",
    "same_as_float, same_as_full": "int8: the share of the test images that show a kept category "
    "(images) on which the artifact's highest kept score is that of the float network; and that of "
    "the full network's artifact of the same runtime and scheme",
    "same_as_float_everywhere": "the same on all test images, most of which may show none",
    "top1_float": "int8: top-1 of the float network on those images, beside the artifact's top1",
    "weights, calibrated_on": "latency: fresh weights, for training changes no time; what "
    "int8 was calibrated on. Rows without these are of trained networks and real images",
    "latency_on": "the machine and the versions that a subject's latency was measured with",
    "realisation": "latency speed-up over MACs speed-up, full over cut",
    "verdict, reasons": "latency: what is not VALID is no result and is not judged by",
    "met": "by every subject; one that was not measured does not meet a figure",
}


def write(study: Study, folder: Path = RESULTS) -> dict[str, Any]:
    """Write what is known of all subjects, and give it: what ``paper.json`` holds."""
    found: dict[str, Any] = _rounded(gathered(study, folder))
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paper.json").write_text(text, encoding="utf-8")
    render(folder)
    return found


def render(folder: Path = RESULTS) -> None:
    """Write tables and plots from the ``paper.json`` that is there."""
    found = _read(folder / "paper.json")
    shown = plots.write(found, folder)
    (folder / "paper.md").write_text(tables.page(found, shown), encoding="utf-8")


def gathered(study: Study, folder: Path) -> dict[str, Any]:
    """All results, with what is computed from them.

    Of subjects without results of their own in a part, the rows that ``paper.json`` has stay.
    """
    before = _read(folder / "paper.json")
    found: dict[str, Any] = {"schema": "edgecut.paper/2", "meanings": MEANINGS}
    for part, own in _found(study).items():
        found[part] = merged(before.get(part, ()), own)
    found["averages"] = means(found["rows"])
    found["specialists"] = beside_specialists(found["rows"])
    default = _read(folder / "everyday.json") or None
    found["summary"] = figures({**found, "default": default})
    return found


def merged(before: Sequence[Row], found: Sequence[Row]) -> list[Row]:
    """What was found, and what there was before of other subjects, in the subjects' order."""
    new = {_subject(row) for row in found}
    return sorted([*found, *(row for row in before if _subject(row) not in new)], key=_subject)


def _subject(row: Row) -> tuple[str, str]:
    return row["data"], row["base"]


def _found(study: Study) -> dict[str, list[Row]]:
    """Part of ``paper.json`` -> the rows of all subjects that have results."""
    parts = {subject: results(subject) for subject in study.subjects()}

    def rows(part: str, key: str = "rows") -> list[Row]:
        return [row for one in parts.values() for row in one.get(part, {}).get(key, ())]

    return {
        "rows": rows("accuracy"),
        "full": [row for subject, one in parts.items() for row in _full(subject, one)],
        "int8": rows("int8"),
        "latency": rows(LATENCY),
        "latency_on": [
            {"base": subject.base, "data": subject.data, **one[LATENCY]["taken_on"]}
            for subject, one in parts.items()
            if LATENCY in one
        ],
        "attention": rows("attention"),
        "attention_best": rows("attention", "best"),
        "attention_checks": [
            {
                "base": subject.base,
                "data": subject.data,
                **{check: one["attention"][check] for check in attention.CHECKS},
            }
            for subject, one in parts.items()
            if "attention" in one
        ],
    }


def _read(path: Path) -> dict[str, Any]:
    """What a file of results holds; nothing where there is none."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
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
