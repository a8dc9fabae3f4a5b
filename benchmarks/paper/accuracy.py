"""Every case: what the cut saves, that it gives the full network's scores, and how good they are.

Scores are those of ONNX Runtime on the tidied networks, on test images. The full nested and the
dense network run once over all of them, and a case takes its kept slots. The cut networks of
keep-lists, and of ``WHOLE`` leaves and parents, run over all test images as well, those of the
other cases over ``CHECKED`` of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.paper import measures, networks
from benchmarks.paper.cases import Case, chosen, nodes_of, shown
from benchmarks.paper.costs import savings
from benchmarks.paper.data import images_of
from benchmarks.paper.study import DENSE, NESTED, Subject
from edgecut.cutout import cut
from edgecut.nested.images import ImageSet
from edgecut.network import Network
from edgecut.progress import Tell
from edgecut.taxonomy import Taxonomy

CHECKED = 64
WHOLE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of the test images: by the full and the dense network, and by specialists."""

    test: ImageSet
    nested: np.ndarray
    dense: np.ndarray
    specialists: Mapping[str, np.ndarray]


def rows(subject: Subject, tell: Tell) -> dict[str, Any]:
    """``rows``, one for each case, and ``full``: top-1 over all leaves of both full networks."""
    nested, dense = (networks.opened(subject.folder(model)) for model in (NESTED, DENSE))
    tell("costs", 0, 0)
    saved = savings(nested, dense, subject.cases)
    tell("scores", 0, 0)
    scores = _scores(subject, nested, dense)
    single = ("leaf", "parent")
    whole = {case.name for kind in single for case in chosen(subject.cases, kind, WHOLE)}
    found = []
    for place, case in enumerate(subject.cases):
        tell("cases", place, len(subject.cases))
        everywhere = case.kind == "list" or case.name in whole
        found.append(
            {
                "base": subject.base,
                "data": subject.data,
                "kind": case.kind,
                "case": case.name,
                "keep": list(case.keep),
                **saved[case.name],
                **judged(subject.taxonomy, scores, case),
                **_cut(subject.taxonomy, scores, case, nested, everywhere),
            }
        )
    return {"rows": found, "full": _full(subject.taxonomy, scores)}


def judged(taxonomy: Taxonomy, scores: Scores, case: Case) -> dict[str, Any]:
    """How good the kept scores of the full network are, those of the dense one, a specialist's."""
    places = list(nodes_of(taxonomy, case.keep))
    what = shown(taxonomy, scores.test.labels, case.keep)
    kept = {"full": scores.nested[:, places], "dense": scores.dense[:, places]}
    if case.name in scores.specialists:
        kept["specialist"] = scores.specialists[case.name]
    found: dict[str, Any] = {"images": int((what >= 0).sum())}
    for name in ("full", "dense", "specialist"):
        found |= _figures(name, kept.get(name), what)
    return found


def _figures(name: str, kept: np.ndarray | None, what: np.ndarray) -> dict[str, float | None]:
    """Top-1 where there is a choice, AUROC where there is none, and false positives."""
    several = kept is not None and kept.shape[1] > 1
    return {
        f"top1_{name}": _number(measures.top1(kept, what)) if several else None,
        f"auroc_{name}": None if kept is None or several else _number(measures.auroc(kept, what)),
        f"fpr_{name}": None if kept is None else _number(measures.false_positives(kept, what)),
    }


def _cut(
    taxonomy: Taxonomy, scores: Scores, case: Case, nested: Network, everywhere: bool
) -> dict[str, Any]:
    """The cut network's own figures, and how far its scores are from the full network's."""
    small, _ = cut(nested, case.keep)
    test = scores.test
    count = len(test) if everywhere else min(CHECKED, len(test))
    chosen_ones = np.arange(count) * len(test) // count
    got = networks.scores(small, test.images[chosen_ones])
    expected = scores.nested[chosen_ones][:, list(nodes_of(taxonomy, case.keep))]
    what = shown(taxonomy, test.labels, case.keep)
    figures = _figures("cut", got if everywhere else None, what)
    return {
        **figures,
        "images_cut": count,
        "error": measures.relative_error(expected, got),
        "largest_difference": float(np.abs(expected - got).max()),
    }


def _scores(subject: Subject, nested: Network, dense: Network) -> Scores:
    test = images_of(subject).splits["test"]
    specialists = {}
    for number, case in enumerate(subject.specialised):
        network = networks.opened(subject.folder(f"specialist-{number}"))
        assert network.categories is not None
        order = [network.categories.names.index(name) for name in case.keep]
        specialists[case.name] = networks.scores(network, test.images)[:, order]
    return Scores(
        test=test,
        nested=networks.scores(nested, test.images),
        dense=networks.scores(dense, test.images),
        specialists=specialists,
    )


def _full(taxonomy: Taxonomy, scores: Scores) -> dict[str, float | None]:
    leaves = [taxonomy.names[leaf] for leaf in taxonomy.leaves]
    everything = judged(taxonomy, scores, Case(kind="list", name="", keep=tuple(leaves)))
    return {name: everything[name] for name in ("top1_full", "top1_dense")}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
