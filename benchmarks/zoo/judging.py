"""One model of the zoo, cut to random keep-lists: is every cut exact, and what does it save?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.zoo.leftovers import leftovers
from benchmarks.zoo.subjects import Subject
from edgecut.cost import Cost, cost
from edgecut.cutout import Cut, categories_of, cut
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.verification import selected

EXACT = 1e-5  # of the largest kept value
SEARCHED = 3  # keep-lists of each model of which leftovers are looked for,
MOST_SEARCHED_MACS = 100e6  # unless that would take hours: thousands of channels, one by one


def judged(subject: Subject, keep_lists: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the model is and how it fared, and a row for each keep-list."""
    network = subject.network()
    full, feeds = tidy(network), _random_feeds(network)
    whole = {on: _outputs(network, feeds, optimised=on) for on in (False, True)}
    rows, left = [], []
    searched = SEARCHED if cost(full).macs <= MOST_SEARCHED_MACS else 0
    for number, keep in enumerate(_lists(categories_of(network).names, keep_lists)):
        small, done = cut(network, keep)
        errors = [
            _error(selected(outputs, done.selection), _outputs(small, feeds, optimised=on))
            for on, outputs in whole.items()
        ]
        small = tidy(small)
        rows.append(_row(subject.name, done, errors, cost(full), cost(small)))
        if number < searched:
            left.append(leftovers(small))
    model = {
        "model": subject.name,
        "source": subject.source,
        "family": subject.family,
        "nodes": len(list(full.model.graph)),
        "parameters": cost(full).parameters,
        "macs": cost(full).macs,
        "uncounted": len(cost(full).uncounted),
        "operations": sorted({node.op_type for node in network.model.graph}),
        "keep_lists": len(rows),
        "exact": sum(row["exact"] for row in rows),
        "searched": min(searched, len(rows)),
        "missed": sorted({name for one in left for name in one.missed}),
        "idle": sorted({name for one in left for name in one.idle}),
    }
    return model, rows


def _row(
    name: str, done: Cut, errors: Sequence[tuple[float, float]], full: Cost, small: Cost
) -> dict[str, Any]:
    """``errors``: absolute and relative, without ONNX Runtime's optimisations, then with them."""
    relative = float(np.max([relative for _, relative in errors]))  # NaN stays NaN
    return {
        "model": name,
        "keep": len(done.keep),
        "max_abs_error": errors[0][0],
        "max_abs_error_optimised": errors[1][0],
        "max_relative_error": relative,
        "exact": relative <= EXACT,
        "parameters_excluded": _excluded(full.parameters, small.parameters),
        "macs_excluded": _excluded(full.macs, small.macs),
        "refusals": sorted({f"{r.op_type}: {r.reason}" for r in done.refusals}),
    }


def _lists(names: Sequence[str], count: int) -> list[list[str]]:
    """Random keep-lists of one to all but one of the categories, each of them once."""
    random = np.random.default_rng(0)
    found: dict[tuple[int, ...], None] = {}
    most = 2 ** len(names) - 2
    while len(found) < min(count, most):
        size = int(random.integers(1, len(names)))
        found[tuple(sorted(random.choice(len(names), size, replace=False).tolist()))] = None
    return [[names[i] for i in places] for places in found]


def _random_feeds(network: Network) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        spec.name: random.standard_normal(spec.shape).astype(np.float32) for spec in network.inputs
    }


def _outputs(
    network: Network, feeds: dict[str, np.ndarray], *, optimised: bool
) -> dict[str, np.ndarray]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(network.to_bytes(), options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in network.outputs]
    return dict(zip(names, session.run(names, feeds), strict=True))


def _error(expected: dict[str, np.ndarray], got: dict[str, np.ndarray]) -> tuple[float, float]:
    """The largest error over all outputs, absolute, and relative to the output's largest value."""
    pairs = [(expected[name], got[name]) for name in expected]
    absolute = [float(np.abs(a - b).max()) if a.shape == b.shape else np.inf for a, b in pairs]
    largest = [float(np.abs(a).max()) or 1.0 for a, _ in pairs]
    shares = [a / b for a, b in zip(absolute, largest, strict=True)]
    return float(np.max(absolute)), float(np.max(shares))  # where max may drop a NaN


def _excluded(before: int, after: int) -> float:
    return 1 - after / before if before else 0.0
