"""The shipped network: what it costs, and how often it is right, by category and by source.

All images are of test splits. The crops of COCO's val photos are in a style that no other set
shares: whole persons and cars in traffic, where training saw mostly faces and single cars.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import SHARED
from benchmarks.paper import everyday as joined
from benchmarks.synthetic import CIFAR
from edgecut import cutout, shipped
from edgecut.category_set import read_taxonomy
from edgecut.cost import cost
from edgecut.nested import images, judging
from edgecut.network import Network
from edgecut.opened import running
from edgecut.source import load, recipe_of

SIZE = 32


def run() -> dict[str, Any]:
    """Cost, top-1 on CIFAR-10's test images, and ``judging.judged`` on all sources."""
    network = load(shipped.NETWORK)
    _, saved = cutout.cut(network, CIFAR)
    taxonomy = read_taxonomy(shipped.NETWORK)
    with tempfile.TemporaryDirectory() as folder:
        joined.write(SHARED / "data", Path(folder) / "everyday.parquet")
        data = images.read(Path(folder) / "everyday.parquet", taxonomy, SIZE)
    test = data.splits["test"]
    scores = _scores(network, test.images)
    official = test.sources == "cifar10"
    columns = [taxonomy.names.index(name) for name in CIFAR]
    picks = np.array(columns)[scores[official][:, columns].argmax(1)]
    return {
        "schema": "edgecut.everyday/1",
        "bytes": shipped.network(shipped.NETWORK).stat().st_size,
        "parameters": cost(network).parameters,
        "macs": cost(network).macs,
        "macs_of_ten": saved.cut.macs,
        "cifar10_test": {
            "images": int(official.sum()),
            "top1_of_ten": round(float((picks == test.labels[official]).mean()), 5),
            "top1_of_all": judging.top1(scores[official], test.labels[official], taxonomy),
        },
        "judged": judging.judged(scores, test, taxonomy),
    }


def _scores(network: Network, pictures: np.ndarray) -> np.ndarray:
    """Scores (N, nodes) of images (N, S, S, 3) uint8, from ONNX Runtime."""
    recipe = recipe_of(network, None)
    (output,) = (spec.name for spec in network.outputs)
    rows = []
    with running(network) as runtime:
        for picture in pictures:
            values = (picture * np.float32(recipe.scale) - recipe.mean) / recipe.std
            tensor = values.transpose(2, 0, 1)[None].astype(np.float32)
            rows.append(runtime.run({network.image.name: tensor})[output][0])
    return np.stack(rows)
