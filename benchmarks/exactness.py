"""Cut = select: every single category, random keep-lists, and all photos.

Random input: each category alone and random keep-lists, on one normally distributed input.
Photos: kept person and car (or ten vehicles) on all judging images. Errors are relative to the
largest kept value. ONNX Runtime runs both networks, once as it comes, once without its graph
optimisations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.efficientnet_lite0 import VEHICLES
from benchmarks.models import SUBJECTS, Subject
from edgecut import cutout
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.verification import selected

KEPT = {"efficientnet_lite0": VEHICLES}
DETECTED = ("person", "car")


def run(*, models: Sequence[str], random_lists: int) -> dict[str, Any]:
    """Rows ``{model, input, keep_lists, max_relative_error, ...}``."""
    rows = []
    for name in models:
        subject = SUBJECTS[name]()
        network = subject.network()
        for optimised in (True, False):
            rows.append(_on_random_input(network, name, random_lists, optimised))
        rows.append(_on_photos(network, subject))
    return {"schema": "edgecut.exactness/1", "rows": rows}


def _on_random_input(
    network: Network, name: str, random_lists: int, optimised: bool
) -> dict[str, Any]:
    categories = cutout.categories_of(network).names
    random = np.random.default_rng(0)
    lists = [[category] for category in categories]
    for _ in range(random_lists):
        count = int(random.integers(2, len(categories)))
        lists.append(sorted(random.choice(categories, count, replace=False).tolist()))
    image = random.standard_normal(network.image.shape).astype(np.float32)
    full = _session(network, optimised).run(None, {network.image.name: image})
    worst, exact = 0.0, 0
    for keep in lists:
        error = _error(network, keep, image, full, optimised)
        worst, exact = max(worst, error), exact + (error <= 1e-5)
    return {
        "model": name,
        "input": "one random image",
        "graph_optimisations": optimised,
        "keep_lists": len(lists),
        "within_1e-5": exact,
        "max_relative_error": worst,
    }


def _error(
    network: Network, keep: list[str], image: np.ndarray, full: list[Any], optimised: bool
) -> float:
    small, saved = cutout.cut(network, keep)
    got = _session(tidy(small), optimised).run(None, {network.image.name: image})
    names = [spec.name for spec in network.outputs]
    return _relative(
        selected(dict(zip(names, full, strict=True)), saved.selection),
        dict(zip(names, got, strict=True)),
    )


def _on_photos(network: Network, subject: Subject) -> dict[str, Any]:
    keep = KEPT.get(subject.name, DETECTED)
    small, saved = cutout.cut(network, keep)
    whole, part = _session(network, True), _session(tidy(small), True)
    names = [spec.name for spec in network.outputs]
    worst, count = 0.0, 0
    for sample in subject.judging.open(network):
        feeds = {network.image.name: sample.tensor}
        full = dict(zip(names, whole.run(None, feeds), strict=True))
        got = dict(zip(names, part.run(None, feeds), strict=True))
        worst = max(worst, _relative(selected(full, saved.selection), got))
        count += 1
    return {
        "model": subject.name,
        "input": f"{count} images",
        "graph_optimisations": True,
        "keep_lists": 1,
        "within_1e-5": int(worst <= 1e-5),
        "max_relative_error": worst,
    }


def _session(network: Network, optimised: bool) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(network.to_bytes(), options, providers=["CPUExecutionProvider"])


def _relative(expected: dict[str, np.ndarray], got: dict[str, np.ndarray]) -> float:
    return max(
        float(np.abs(expected[name] - got[name]).max() / np.abs(expected[name]).max())
        for name in expected
    )
