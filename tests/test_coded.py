"""Outputs whose values are categories: what they mean after a cut, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from edgecut.categories import OutputValues
from edgecut.coded import with_margins
from edgecut.cutout import cut, reference
from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from tests.graphs import conv_weights, network_of, random_inputs, run

NAMES = ("background", "ant", "bee", "cat", "dog", "eel")
KEEP = ["bee", "eel"]
STAY = [0, 2, 5]
node = helper.make_node


def built(
    *after: NodeProto, outputs: list[str], names: tuple[str, ...] = NAMES, **weights: np.ndarray
) -> Network:
    """Six maps of scores, s, of a 4x4 image, and what chooses by them."""
    nodes = [
        node("Conv", ["image", "w"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "v"], ["s"]),
        *after,
    ]
    weights = {"w": conv_weights(8, 3, 1, 1), "v": conv_weights(6, 8, 1, 1, seed=1), **weights}
    network = network_of(nodes, inputs={"image": (1, 3, 4, 4)}, outputs=outputs, weights=weights)
    return with_categories(network, names, source="test")


def segmenter(**attributes: int) -> Network:
    return built(node("ArgMax", ["s"], ["y"], axis=1, **attributes), outputs=["y"])


def top(count: int, *after: NodeProto, outputs: tuple[str, ...] = ("v", "i")) -> Network:
    """The largest scores of a pooled image, and where they are."""
    nodes = [
        node("GlobalAveragePool", ["s"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("TopK", ["f", "k"], ["v", "i"], axis=1),
        *after,
    ]
    return built(*nodes, outputs=list(outputs), k=np.array([count]))


def scores_of(network: Network, name: str = "s") -> np.ndarray:
    """What the network chooses by."""
    model = network.editable()
    model.graph.outputs.append(
        next(v for n in model.graph for v in n.outputs if v.name == name)
    )
    return run(network.evolve(model, "shown"), random_inputs(network))[name]


def places(winners: np.ndarray, stay: list[int] = STAY) -> np.ndarray:
    """By hand: the place of each winner among what stays, or one more than there are."""
    return np.array([stay.index(w) if w in stay else len(stay) for w in winners.ravel()]).reshape(
        winners.shape
    )


def coded(network: Network) -> OutputValues:
    assert network.categories is not None
    (entry,) = network.categories.coded
    return entry


def test_values_are_found() -> None:
    network = segmenter()
    assert network.categories is not None and network.categories.names == NAMES[1:]
    assert coded(network).values == (None, 0, 1, 2, 3, 4) and not network.categories.outputs
    assert "ArgMax" in coded(network).reason


@pytest.mark.parametrize("scores", ["exact", "other"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_exact_values_are_what_the_full_network_chose(scores: str, keepdims: int) -> None:
    network = segmenter(keepdims=keepdims)
    feeds = random_inputs(network)
    (full,) = run(network, feeds).values()
    small, done = cut(network, KEEP, scores=scores)
    (got,) = run(small, feeds).values()
    np.testing.assert_array_equal(got, places(full))
    assert {0, 1, 3} <= set(got.ravel().tolist()) and got.dtype == np.int64
    assert coded(small).values == (None, 0, 1, None) and coded(small).other == 3
    assert done.cut.macs == done.full.macs
    (refusal,) = done.refusals
    assert refusal.op_type == "ArgMax" and "--scores renormalised" in refusal.reason


@pytest.mark.parametrize("keepdims", [0, 1])
def test_renormalised_values_are_chosen_among_the_kept(keepdims: int) -> None:
    network = segmenter(keepdims=keepdims)
    small, done = cut(network, KEEP, scores="renormalised")
    (got,) = run(small, random_inputs(network)).values()
    expected = scores_of(network)[:, STAY].argmax(1)
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)
    assert coded(small).values == (None, 0, 1) and coded(small).other is None
    assert not done.refusals and done.cut.macs == done.full.macs - 3 * 8 * 16


