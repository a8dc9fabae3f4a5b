"""Scores behind a softmax: exact, over what is left, or with a slot for all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from edgecut.cutout import cut, reference
from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.scores import SCORES, with_other
from tests.graphs import conv_weights, network_of, random_inputs, run

NAMES = ("ant", "bee", "cat", "dog")
node = helper.make_node


def classifier(*after: str) -> Network:
    """A softmax over four categories, and operations behind it."""
    names = ["p", *(f"p{i}" for i in range(len(after)))]
    nodes = [
        node("Conv", ["image", "w"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Gemm", ["f", "v"], ["z"], transB=1),
        node("Softmax", ["z"], ["p"], axis=1),
        *(node(op, [names[i]], [names[i + 1]]) for i, op in enumerate(after)),
    ]
    nodes.insert(2, node("Flatten", ["b"], ["f"]))
    weights = {"w": conv_weights(6, 3, 1, 1), "v": conv_weights(4, 24, seed=1)}
    network = network_of(
        nodes, inputs={"image": (1, 3, 2, 2)}, outputs=[names[-1]], weights=weights
    )
    return with_categories(network, NAMES, source="test")


def detector(anchors: int = 2) -> Network:
    """Anchors of box, background and softmaxed categories, joined on one axis."""
    shape = np.array([1, anchors, 4 + 5, 9], np.int64)
    flat = np.array([1, anchors * 9, 3, 3], np.int64)
    nodes = [
        node("Conv", ["image", "w"], ["a"]),
        node("Reshape", ["a", "shape"], ["r"]),
        node("Split", ["r", "sizes"], ["box", "z"], axis=2),
        node("Softmax", ["z"], ["p"], axis=2),
        node("Concat", ["box", "p"], ["c"], axis=2),
        node("Reshape", ["c", "flat"], ["y"]),
    ]
    weights = {
        "w": conv_weights(anchors * 9, 3, 1, 1),
        "shape": shape,
        "flat": flat,
        "sizes": np.array([4, 5], np.int64),
    }
    network = network_of(nodes, inputs={"image": (1, 3, 3, 3)}, outputs=["y"], weights=weights)
    return with_categories(network, NAMES, source="test", slots=f"y:1:{anchors}*(5+4)")


def renormalised(scores: np.ndarray, axis: int) -> np.ndarray:
    return scores / scores.sum(axis=axis, keepdims=True)


def test_scores_over_what_is_left_sum_to_one_and_let_the_cut_through() -> None:
    network = classifier()
    feeds = random_inputs(network)
    (full,) = run(network, feeds).values()
    small, done = cut(network, ["bee", "dog"], scores="renormalised")
    (got,) = run(small, feeds).values()
    np.testing.assert_allclose(got, renormalised(full[:, [1, 3]], 1), rtol=1e-5)
    assert not done.refusals and done.scores == "renormalised"
    assert done.cut.macs == done.full.macs - 2 * 24
    assert cut(network, ["bee", "dog"])[1].cut.macs == done.full.macs


def test_background_is_among_what_is_left() -> None:
    network = detector()
    feeds = random_inputs(network)
    full = run(network, feeds)["y"].reshape(2, 9, 9)
    small, _ = cut(network, ["cat"], scores="renormalised")
    got = run(small, feeds)["y"].reshape(2, 6, 9)
    np.testing.assert_array_equal(got[:, :4], full[:, :4])
    np.testing.assert_allclose(got[:, 4:], renormalised(full[:, [4, 7]], 1), rtol=1e-5)


def test_other_holds_the_summed_probability_of_what_was_cut() -> None:
    network = classifier()
    feeds = random_inputs(network)
    (full,) = run(network, feeds).values()
    small, done = cut(network, ["bee", "dog"], scores="other")
    (got,) = run(small, feeds).values()
    assert small.outputs[0].shape == (1, 3)
    np.testing.assert_array_equal(got[:, :2], full[:, [1, 3]])
    np.testing.assert_allclose(got[:, 2], full[:, [0, 2]].sum(1), rtol=1e-6)
    assert small.categories is not None and small.categories.names == ("bee", "dog")
    assert small.categories.outputs[0].slots == (0, 1, None) and done.selection == {}


def test_each_anchor_has_its_own_other() -> None:
    network = detector()
    feeds = random_inputs(network)
    full = run(network, feeds)["y"].reshape(2, 9, 9)
    small, _ = cut(network, ["ant", "bee"], scores="other")
    got = run(small, feeds)["y"].reshape(2, 8, 9)
    np.testing.assert_array_equal(got[:, :7], full[:, :7])
    np.testing.assert_allclose(got[:, 7], full[:, 7:].sum(1), rtol=1e-6)
    assert small.categories is not None
    assert small.categories.outputs[0].slots == (None,) * 5 + (0, 1, None) + (None,) * 5 + (
        0,
        1,
        None,
    )


@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("network", [classifier(), detector(), detector(1)])
def test_the_reference_is_the_full_network_of_which_the_cut_gives_the_kept_slots(
    network: Network, scores: str
) -> None:
    feeds = random_inputs(network)
    small, done = cut(network, ["ant", "cat"], scores=scores)
    expected = run(reference(network, ["ant", "cat"], scores=scores), feeds)
    for name, value in run(small, feeds).items():
        axis, places = done.selection.get(name, (0, range(len(expected[name]))))
        np.testing.assert_allclose(value, np.take(expected[name], places, axis), rtol=1e-6)


@pytest.mark.parametrize("scores", ["renormalised", "other"])
def test_without_a_softmax_there_is_nothing_to_choose(scores: str) -> None:
    nodes = [node("Gemm", ["x", "w"], ["z"], transB=1), node("Sigmoid", ["z"], ["y"])]
    network = network_of(
        nodes, inputs={"x": (1, 7)}, outputs=["y"], weights={"w": conv_weights(4, 7)}
    )
    with pytest.raises(EdgecutError) as error:
        cut(with_categories(network, NAMES, source="test"), ["ant"], scores=scores)
    assert error.value.code == "no-softmax"


def test_what_is_no_probability_any_more_has_no_other() -> None:
    """The sum of square roots is none of the root of a sum."""
    with pytest.raises(EdgecutError) as error:
        cut(classifier("Sqrt"), ["ant"], scores="other")
    assert error.value.code == "no-softmax"
    cut(classifier("Sqrt"), ["ant"], scores="renormalised")


@pytest.mark.parametrize("scores", SCORES)
def test_keeping_everything_leaves_every_score_as_it_is(scores: str) -> None:
    network = classifier()
    small, done = cut(network, NAMES, scores=scores)
    assert done.cut == done.full and reference(network, NAMES, scores=scores) is network
    assert [n.op_type for n in small.model.graph] == [n.op_type for n in network.model.graph]


def test_slots_in_no_equal_runs_have_no_other() -> None:
    """Two slots of one category beside each other are no anchors."""
    network = classifier()
    assert network.categories is not None
    (entry,) = network.categories.outputs
    odd = replace(entry, slots=(1, 1, 2, 3))
    told = replace(network.categories, outputs=(odd,))
    with pytest.raises(EdgecutError) as error:
        with_other(network, told, [1])
    assert error.value.code == "no-softmax"


def test_an_output_may_lack_the_first_category() -> None:
    network = classifier()
    assert network.categories is not None
    (entry,) = network.categories.outputs
    told = replace(network.categories, outputs=(replace(entry, slots=(None, 1, 2, 3)),))
    found, _ = with_other(network, told, [1])
    feeds = random_inputs(network)
    (full,) = run(network, feeds).values()
    (got,) = run(found, feeds).values()
    np.testing.assert_allclose(got[:, 2], full[:, 2:].sum(1), rtol=1e-6)


def test_the_reference_keeps_the_type_of_its_scores() -> None:
    nodes = [
        node("Cast", ["x"], ["d"], to=11),
        node("MatMul", ["d", "w"], ["z"]),
        node("Softmax", ["z"], ["y"], axis=1),
    ]
    weights = {"w": conv_weights(7, 4).astype(np.float64)}
    network = network_of(nodes, inputs={"x": (1, 7)}, outputs=["y"], weights=weights)
    network = with_categories(network, NAMES, source="test")
    feeds = random_inputs(network)
    (expected,) = run(reference(network, ["bee"], scores="renormalised"), feeds).values()
    assert expected.dtype == np.float64
    np.testing.assert_allclose(expected, [[0, 1, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("second", ["Sigmoid", "Softmax"])
def test_scores_of_two_kinds_have_no_other(second: str) -> None:
    """Their sum would be no probability."""
    nodes = [
        node("Gemm", ["x", "w"], ["z"], transB=1),
        node("Split", ["z", "sizes"], ["a", "b"], axis=1),
        node("Softmax", ["a"], ["p"], axis=1),
        node(second, ["b"], ["q"]),
        node("Concat", ["p", "q"], ["y"], axis=1),
    ]
    weights = {"w": conv_weights(4, 7), "sizes": np.array([2, 2], np.int64)}
    network = network_of(nodes, inputs={"x": (1, 7)}, outputs=["y"], weights=weights)
    with pytest.raises(EdgecutError) as error:
        cut(with_categories(network, NAMES, source="test"), ["ant"], scores="other")
    assert error.value.code == "no-softmax"
