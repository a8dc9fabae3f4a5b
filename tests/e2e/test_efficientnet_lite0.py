"""EfficientNet-Lite0 sees what is on photos; so weights, factory and recipe fit together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.efficientnet_lite0 import PHOTOS, VEHICLES, gather_photos
from edgecut.categories import CategoryMap
from edgecut.evaluation import Subject, evaluate
from edgecut.network import Network
from edgecut.opened import running
from edgecut.runtimes import RunningArtifact
from edgecut.source import SampleSource, load

pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra 'bench'")
pytest.importorskip("skimage", reason="needs the extra 'bench'")


@pytest.fixture(scope="module")
def network() -> Network:
    factory = "benchmarks.efficientnet_lite0:efficientnet_lite0"
    return load(factory, input_shape="1x3x224x224", labels="imagenet1k")


@pytest.fixture(scope="module")
def runtime(network: Network) -> Iterator[RunningArtifact]:
    with running(network) as runtime:
        yield runtime


def categories_of(network: Network) -> CategoryMap:
    assert network.categories is not None
    return network.categories


def test_the_kept_categories_exist(network: Network) -> None:
    assert len(VEHICLES) == 10
    assert len(categories_of(network).indices(VEHICLES, where="here")) == 10


def test_it_sees_what_is_on_the_photos(
    network: Network, runtime: RunningArtifact, tmp_path: Path
) -> None:
    gather_photos(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PHOTOS)
    samples = SampleSource(path=str(tmp_path), recipe="efficientnet-lite").open(network)
    seen = {}
    for sample in samples:
        (scores,) = runtime.run({network.image.name: sample.tensor}).values()
        best = np.argsort(scores.ravel())[::-1][:5]
        seen[sample.name] = {categories_of(network).names[i] for i in best}
    assert samples.skipped == ()
    assert "Egyptian cat" in seen["chelsea.png"]
    assert "espresso" in seen["coffee.png"]
    assert "moped" in seen["motorcycle_left.png"]
    assert "missile" in seen["rocket.jpg"]


@pytest.mark.shared
def test_it_is_right_about_imagenet(
    network: Network, runtime: RunningArtifact, shared: Path
) -> None:
    """On all 1,000 images it was right 87.2 % of the time; with BGR it would be 76.9 %."""
    path = shared / "data" / "imagenet_sample.parquet"
    source = SampleSource(path=str(path), recipe="efficientnet-lite", limit=250)
    name, categories = network.image.name, categories_of(network)
    subject = Subject(run=lambda tensor: runtime.run({name: tensor}), categories=categories)
    rows = evaluate({"full": subject}, source.open(network), keep=categories.names)
    assert rows[-1]["category"] == "overall" and rows[-1]["samples"] == 250
    assert rows[-1]["top1"] > 0.82
