"""Small networks with known normalisation statistics."""

from __future__ import annotations

import numpy as np
from onnx import helper

from edgecut.network import Network
from edgecut.recipe import read_recipe
from edgecut.synthetic.draw import open_pictures
from tests.graphs import conv_weights, network_of, run

node = helper.make_node
SIDE = 16
CHANNELS = 6


def normalised(
    mean: np.ndarray, variance: np.ndarray, *, opset: int = 18, side: int = SIDE
) -> Network:
    """A convolution, its normalisation with these statistics, and scores."""
    count = len(mean)
    nodes = [
        node("Conv", ["image", "w"], ["a"], pads=[1] * 4),
        node("BatchNormalization", ["a", "scale", "bias", "mean", "variance"], ["b"]),
        node("Relu", ["b"], ["c"]),
        node("GlobalAveragePool", ["c"], ["d"]),
        node("Flatten", ["d"], ["scores"]),
    ]
    weights = {
        "w": conv_weights(count, 3, 3, 3),
        "scale": np.ones(count, np.float32),
        "bias": np.zeros(count, np.float32),
        "mean": mean.astype(np.float32),
        "variance": variance.astype(np.float32),
    }
    inputs = {"image": (1, 3, side, side)}
    return network_of(nodes, inputs=inputs, outputs=["scores"], weights=weights, opset=opset)


def as_trained_on(numbers: list[int]) -> Network:
    """The network as if it had been trained on these pictures."""
    blank = normalised(np.zeros(CHANNELS), np.ones(CHANNELS))
    seen = np.concatenate([activations(blank, number) for number in numbers], axis=1)
    return normalised(seen.mean(axis=1), seen.var(axis=1))


def activations(network: Network, number: int) -> np.ndarray:
    """What is normalised for a picture, shape (channels, positions)."""
    (sample,) = open_pictures([number], read_recipe("plain"), network.image)
    weights = network.model.graph.initializers["w"].const_value
    assert weights is not None
    proto = network_of(
        [node("Conv", ["image", "w"], ["a"], pads=[1] * 4)],
        inputs={"image": network.image.shape},
        outputs=["a"],
        weights={"w": weights.numpy()},
    )
    return run(proto, {"image": sample.tensor})["a"].reshape(CHANNELS, -1)
