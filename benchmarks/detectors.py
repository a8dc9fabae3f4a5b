"""Accuracy of the detectors cut to person and car: full, cut, every artifact, and the peer's int8.

252 COCO val2017 photos judge; 128 train2017 photos calibrate. The peer keeps all 80 categories, of
which person and car are judged.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import files
from benchmarks.models import SUBJECTS, Subject
from edgecut import appraise, pipeline
from edgecut.cutout import categories_of
from edgecut.evaluation import Subject as Judged
from edgecut.evaluation import evaluate
from edgecut.recipe import read_recipe
from edgecut.runtimes import open_runtime


def run(*, models: Sequence[str], keep: Sequence[str], targets: Sequence[str]) -> dict[str, Any]:
    """Rows ``{model, what, category, ap, ap50}`` and ``{model, path, bytes, verification}``."""
    accuracy, artifacts = [], []
    for name in models:
        subject = SUBJECTS[name]()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "dist"
            result = pipeline.build(
                subject.source,
                keep=keep,
                out=out,
                samples=subject.calibration,
                targets=targets,
            )
            found = appraise.evaluate(out, truth=subject.judging.path, split=subject.judging.split)
            accuracy += [{"model": name, **row} for row in found.rows]
            artifacts += [
                {
                    "model": name,
                    "path": one.artifact.path,
                    "bytes": one.artifact.bytes,
                    "verification": one.verification.to_json(),
                }
                for one in result.built
            ]
            if name == "yolox_nano":
                accuracy += [{"model": name, **row} for row in _peer(subject, keep, Path(folder))]
    return {"schema": "edgecut.detectors/1", "accuracy": accuracy, "artifacts": artifacts}


def _peer(subject: Subject, keep: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    network = subject.network()
    categories = categories_of(network)
    with ExitStack() as stack:
        judged = {}
        for scheme, path in files.peer_files(subject, folder / "peer").items():
            runs = stack.enter_context(_peer_runtime(path, network.image.name))
            judged[f"onnx2tf, {scheme}"] = Judged(run=runs, categories=categories)
        if judged:
            yield from evaluate(
                judged,
                subject.judging.open(network),
                keep=keep,
                rules=read_recipe(subject.judging.recipe).detections,
            )


@contextmanager
def _peer_runtime(path: Path, image: str) -> Iterator[Any]:
    """Runs the peer's file; its output is 1 x slots x positions, ours 1 x positions x slots."""
    inputs, outputs = files.peer_ports(path)
    with open_runtime(path, "tflite", inputs, outputs, threads=os.cpu_count() or 1) as runtime:

        def run(tensor: np.ndarray) -> dict[str, np.ndarray]:
            (output,) = runtime.run({inputs[0].network_name: tensor}).values()
            return {"output": np.swapaxes(output, 1, 2)}

        yield run
