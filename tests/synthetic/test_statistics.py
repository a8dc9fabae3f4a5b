"""What normalisations remember and see, against what numpy finds in the tensors themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from edgecut.attention import Attention
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.recipe import read_recipe
from edgecut.synthetic import statistics
from edgecut.synthetic.draw import open_pictures
from edgecut.synthetic.statistics import Moments, moments, normalisations
from tests.graphs import network_of
from tests.synthetic.networks import CHANNELS, SIDE, activations, normalised

node = helper.make_node
RANDOM = np.random.default_rng(3)
MEAN, VARIANCE = RANDOM.normal(size=CHANNELS), RANDOM.uniform(0.5, 2.0, CHANNELS)


def images(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]


def constant_moments(first: list[float], second: list[float]) -> Moments:
    """One channel, of as many samples."""
    return Moments(
        first=np.float32([[m] for m in first]),
        second=np.float32([[s] for s in second]),
        spread=np.float32([1.0]),
        weight=np.float32([1.0]),
    )


def test_what_is_remembered() -> None:
    (found,) = normalisations(normalised(MEAN, VARIANCE))
    assert (found.name, found.positions) == ("a", SIDE * SIDE)
    np.testing.assert_allclose(found.mean, MEAN, rtol=1e-6)
    np.testing.assert_allclose(found.scale_squared, VARIANCE + 1e-5, rtol=1e-6)


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_what_is_seen(opset: int) -> None:
    network = normalised(MEAN, VARIANCE, opset=opset)
    found = moments(network, normalisations(network), _pictures(network, 3), count=3)
    for number in range(3):
        scaled = (activations(network, number) - MEAN[:, None]) / np.sqrt(VARIANCE + 1e-5)[:, None]
        np.testing.assert_allclose(found.first[number], scaled.mean(axis=1), atol=1e-4)
        np.testing.assert_allclose(found.second[number], (scaled**2).mean(axis=1), rtol=1e-3)


def _pictures(network: Network, count: int) -> list[np.ndarray]:
    return [s.tensor for s in open_pictures(range(count), read_recipe("plain"), network.image)]


def test_a_folded_network_remembers_nothing() -> None:
    network = normalised(MEAN, VARIANCE)
    assert normalisations(network) and normalisations(tidy(network)) == []


@pytest.mark.parametrize(
    ("mean", "variance"),
    [(np.full(CHANNELS, np.nan), VARIANCE), (MEAN, np.full(CHANNELS, -1.0))],
    ids=["not finite", "negative"],
)
def test_statistics_that_cannot_be_are_passed_over(mean: np.ndarray, variance: np.ndarray) -> None:
    assert normalisations(normalised(mean, variance)) == []


def test_statistics_that_are_computed_are_passed_over() -> None:
    nodes = [
        node("Relu", ["m"], ["mean"]),
        node("BatchNormalization", ["image", "one", "zero", "mean", "one"], ["y"]),
    ]
    numbers = {"one": np.ones(3, np.float32), "zero": np.zeros(3, np.float32)}
    inputs = {"image": (1, 3, 4, 4), "m": (3,)}
    assert normalisations(network_of(nodes, inputs=inputs, outputs=["y"], weights=numbers)) == []


def test_a_channel_that_never_moved_is_no_distance_away() -> None:
    """Its variance is 0 and epsilon all that divides it; samples that leave it alone match."""
    weights = {n: np.zeros(3, np.float32) for n in ("bias", "mean", "variance")}
    weights |= {"scale": np.ones(3, np.float32)}
    nodes = [node("BatchNormalization", ["image", *("scale", "bias", "mean", "variance")], ["y"])]
    still = network_of(nodes, inputs={"image": (1, 3, 4, 4)}, outputs=["y"], weights=weights)
    known = normalisations(still)
    quiet = moments(still, known, [np.zeros((1, 3, 4, 4), np.float32)], count=1)
    loud = moments(still, known, [np.ones((1, 3, 4, 4), np.float32)], count=1)
    assert quiet.distance([0]) == 0 and loud.distance([0]) > 100


def test_the_distance_is_that_of_normal_distributions() -> None:
    # Together: mean 1, mean square 1 + 4, so a deviation of 2.
    found = constant_moments([0.0, 2.0], [1.0, 9.0])
    assert found.distance([0, 1]) == pytest.approx(np.hypot(1.0, 2.0 - 1.0))
    assert found.distance([0]) == pytest.approx(0.0)


def test_layers_count_alike_however_many_channels_they_have() -> None:
    network = normalised(MEAN, VARIANCE)
    (wide,) = normalisations(network)
    narrow = replace(
        wide,
        name="image",
        positions=SIDE * SIDE,
        **{n: getattr(wide, n)[:3] for n in ("mean", "variance", "scale_squared")},
    )
    found = moments(network, [narrow, wide], images(2), count=2)
    np.testing.assert_allclose(found.weight, [1 / 6] * 3 + [1 / 12] * 6, rtol=1e-6)


def test_too_many_channels_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    network = normalised(MEAN, VARIANCE)
    known = normalisations(network)
    whole = moments(network, known, images(4), count=4)
    monkeypatch.setattr(statistics, "LARGEST_COUNT", 2 * 4 * CHANNELS // 3)
    part = moments(network, known, images(4), count=4)
    np.testing.assert_array_equal(part.first, whole.first[:, ::3])
    assert part.first.size + part.second.size <= 2 * 4 * CHANNELS // 3
    assert part.weight.sum() == pytest.approx(1.0)


def test_overflow_stays_finite() -> None:
    network = normalised(MEAN, VARIANCE)
    huge = [np.full((1, 3, SIDE, SIDE), 1e38, np.float32)]
    found = moments(network, normalisations(network), huge, count=1)
    assert np.isfinite(found.first).all() and np.isfinite(found.second).all()


def test_gains_are_neutral() -> None:
    nodes = [
        node("Unsqueeze", ["gains", "axes"], ["g"]),
        node("Mul", ["image", "g"], ["a"]),
        node("BatchNormalization", ["a", "one", "zero", "zero", "one"], ["y"]),
    ]
    numbers = {
        "one": np.ones(3, np.float32),
        "zero": np.zeros(3, np.float32),
        "axes": np.array([2, 3]),
    }
    inputs = {"image": (1, 3, 4, 4), "gains": (1, 3)}
    network = network_of(nodes, inputs=inputs, outputs=["y"], weights=numbers)
    attention = Attention(input="gains", neutral=2.0, largest=4.0, categories=("a", "b", "c"))
    network = network.evolve(network.model, "attend", attention=attention)
    image = np.ones((1, 3, 4, 4), np.float32)
    found = moments(network, normalisations(network), [image], count=1)
    np.testing.assert_allclose(found.first, 2.0, rtol=1e-4)
