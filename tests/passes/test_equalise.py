"""Equalising changes nothing in float, and makes channel peaks alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import event, given
from onnx import NodeProto, helper

from edgecut.network import Network
from edgecut.passes.channels import trace
from edgecut.passes.equalise import GATE_RATIO, LARGEST_RATIO, depthwise_inputs, equalise
from edgecut.quantise.ranges import channel_ranges
from tests.carriers import carrying_networks
from tests.graphs import conv_weights, network_of, random_inputs, run
from tests.passes.test_channels import CARRIERS, CHANNELS, OBSTACLES
from tests.strategies import bounded

node = helper.make_node
SPREAD = np.array([0.02, 40.0, 1.0, 5.0], np.float32)


def spread(nodes: Sequence[NodeProto], weights: dict[str, np.ndarray], *others: str) -> Network:
    """conv -> nodes -> depthwise -> conv, with channel ranges that differ two thousand times."""
    own = {
        "w": conv_weights(CHANNELS, 3, 1, 1) * SPREAD.reshape(-1, 1, 1, 1),
        "bias": conv_weights(CHANNELS) * SPREAD,
        "d": conv_weights(CHANNELS * 2, 1, 3, 3, seed=1),
        "dbias": conv_weights(CHANNELS * 2, seed=2),
        "v": conv_weights(5, CHANNELS, 1, 1, seed=3),
    }
    every = [
        node("Conv", ["x", "w", "bias"], ["a"], name="first"),
        *nodes,
        node("Conv", ["b", "d", "dbias"], ["y"], name="depthwise", group=CHANNELS),
        node("Conv", ["b", "v"], ["z"], name="another reader"),
    ]
    shape = {"x": (1, 3, 8, 8)}
    return network_of(every, inputs=shape, outputs=["y", "z", *others], weights={**own, **weights})


def peaks_of(network: Network) -> dict[str, np.ndarray]:
    samples = [random_inputs(network)[network.image.name]]
    ranges = channel_ranges(network, depthwise_inputs(network), samples)
    return {name: found.peak for name, found in ranges.items()}


def assert_exact(full: Network, even: Network) -> None:
    feeds = random_inputs(full, seed=5)
    got = run(even, feeds)
    for name, value in run(full, feeds).items():
        # Where two pads have moved every value away, there are zeros alone.
        error = np.abs(got[name] - value).max() / (np.abs(value).max() or 1)
        assert error < 1e-5, (name, error)
    assert even.outputs == full.outputs


@pytest.mark.parametrize("name", CARRIERS)
def test_peaks_are_equal_afterwards_and_the_output_is_the_same(name: str) -> None:
    full = spread(*CARRIERS[name])
    even = equalise(full, peaks_of(full))
    assert even is not full
    assert_exact(full, even)
    before, after = peaks_of(full)["b"], peaks_of(even)["b"]
    assert before.max() / before.min() > 100
    # Channels below the floor of the ratio stay smaller; none of these are.
    if before.max() / before.min() < LARGEST_RATIO:
        np.testing.assert_allclose(after, after.mean(), rtol=1e-3)
    assert after.max() / after.min() < before.max() / before.min()


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_leaves_the_output_the_same(name: str) -> None:
    full = spread(*OBSTACLES[name])
    assert_exact(full, equalise(full, peaks_of(full)))


@pytest.mark.parametrize("name", ["Clip", "Sigmoid", "unknown operation", "Add of constants"])
def test_a_fixed_class_stays_as_it_is(name: str) -> None:
    full = spread(*OBSTACLES[name])
    assert equalise(full, peaks_of(full)) is full


def test_every_group_of_a_grouped_convolution_gets_its_own_factors() -> None:
    nodes = [node("Relu", ["a"], ["b"]), node("Conv", ["b", "g"], ["u"], group=2)]
    full = spread(nodes, {"g": conv_weights(6, CHANNELS // 2, 1, 1)})
    assert_exact(full, equalise(full, peaks_of(full)))


def test_channels_that_are_added_are_divided_alike() -> None:
    nodes = [
        node("Conv", ["x", "u"], ["c"], name="second"),
        node("Relu", ["c"], ["r"]),
        node("Add", ["a", "r"], ["b"]),
    ]
    full = spread(nodes, {"u": conv_weights(CHANNELS, 3, 1, 1, seed=7)})
    even = equalise(full, peaks_of(full))
    assert even is not full
    assert_exact(full, even)


def test_a_silent_channel_is_bounded() -> None:
    full = spread([node("Relu", ["a"], ["b"])], {})
    peaks = {"b": np.array([0.0, 100.0, 100.0, 100.0])}
    assert_exact(full, equalise(full, peaks))
    weights = equalise(full, peaks).model.graph.initializers["w/equalised"].const_value
    assert weights is not None and np.isfinite(weights.numpy()).all()


def test_silence_everywhere_changes_nothing() -> None:
    full = spread([node("Relu", ["a"], ["b"])], {})
    assert equalise(full, {"b": np.zeros(CHANNELS)}) is full


def test_equalising_again_is_exact_too() -> None:
    """The second run meets gates that have their own input already."""
    full = spread(*CARRIERS["SiLU"])
    once = equalise(full, peaks_of(full))
    twice = equalise(once, {"b": np.array([1.0, 90.0, 1.0, 1.0])})
    assert_exact(full, twice)


def test_weights_that_two_convolutions_share_are_parted() -> None:
    nodes = [node("Relu", ["a"], ["b"]), node("Conv", ["x", "w", "bias"], ["u"], name="twin")]
    full = spread(nodes, {}, "u")
    assert_exact(full, equalise(full, peaks_of(full)))


def test_depthwise_inputs_are_named_once() -> None:
    nodes = [
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "e"], ["u"], group=CHANNELS),
        node("Conv", ["b", "half"], ["t"], group=2),
    ]
    weights = {"e": conv_weights(CHANNELS, 1, 1, 1), "half": conv_weights(2, 2, 1, 1)}
    assert depthwise_inputs(spread(nodes, weights)) == ["b"]


@given(full=carrying_networks())
@bounded(150)
def test_random_networks_stay_the_same_and_free_peaks_become_equal(full: Network) -> None:
    before = peaks_of(full)
    even = equalise(full, before)
    event("equalised" if even is not full else "nothing to do")
    assert_exact(full, even)
    after = peaks_of(even) if even is not full else {}
    for name in after:
        if is_free_and_alone(full, name, before):
            event("equal peaks")
            np.testing.assert_allclose(after[name], after[name].mean(), rtol=1e-3)


def is_free_and_alone(full: Network, name: str, peaks: dict[str, np.ndarray]) -> bool:
    """Whether no other tensor and no channel of its own has a say in this tensor's factors."""
    channels, peak = trace(full.model.graph), peaks[name]
    if not 0 < peak.max() < LARGEST_RATIO * peak.min():
        return False
    classes = channels.classes(name)
    shared = any(np.isin(channels.classes(n), classes).any() for n in peaks if n != name)
    gated = any(
        np.isin(channels.classes(str(g.z.name)), classes).any() for g in channels.gates.values()
    )
    asks = peak.max() > GATE_RATIO * np.exp(np.mean(np.log(peak))) or not gated
    repeated = len(set(classes.tolist())) < len(classes)
    return bool(asks and not (shared or repeated or channels.fixed[classes].any()))
