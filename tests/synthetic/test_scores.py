"""Made-up pictures show nothing to find, so they must not say how far scores may reach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from edgecut.network import Network
from edgecut.produce import Tensors, produce
from edgecut.recipe import read_recipe
from edgecut.runtimes import open_runtime
from edgecut.synthetic.draw import open_pictures
from edgecut.target import read_target
from tests.graphs import network_of

node = helper.make_node
RED = np.zeros((1, 3, 8, 8), np.float32)
RED[:, 0] = 1.0


@pytest.fixture(scope="module")
def redness() -> Network:
    """10 for an image that is all red; no picture comes near."""
    nodes = [
        node("Conv", ["image", "w"], ["a"]),
        node("GlobalAveragePool", ["a"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "v"], ["scores"], transB=1),
    ]
    weights = {
        "w": np.eye(3, dtype=np.float32)[:, :, None, None],
        "v": np.float32([[10.0, -10.0, -10.0]]),
    }
    inputs = {"image": (1, 3, 8, 8)}
    return network_of(nodes, inputs=inputs, outputs=["scores"], weights=weights)


def score(network: Network, target: str, samples: Tensors, folder: Path) -> float:
    emitted = produce(network, read_target(target), "int8", samples)
    for suffix, content in emitted.files.items():
        (folder / f"a{suffix}").write_bytes(content)
    path = folder / f"a{next(iter(emitted.files))}"
    with open_runtime(path, emitted.format, emitted.inputs, emitted.outputs) as runtime:
        return float(runtime.run({"image": RED})["scores"].item())


@pytest.mark.parametrize("target", ["raspberry-pi-4", "intel-cpu"])
def test_scores_reach_further_than_any_picture(
    redness: Network, target: str, tmp_path: Path
) -> None:
    pictures = open_pictures(range(16), read_recipe("plain"), redness.image)
    assert score(redness, target, Tensors(pictures), tmp_path) > 9.0


def test_images_are_believed(redness: Network, tmp_path: Path) -> None:
    """As images the same pictures would cut the score off."""
    pictures = open_pictures(range(16), read_recipe("plain"), redness.image)
    images = Tensors(replace(pictures, synthetic=False))
    assert score(redness, "raspberry-pi-4", images, tmp_path) < 7.0
