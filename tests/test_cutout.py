"""The oracles of the cut, on random networks and on the real detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from onnx import helper

from edgecut.cutout import Cut, cut
from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.source import load
from tests.graphs import conv_weights, network_of, random_inputs, run
from tests.strategies import NAMES, bounded, keep_lists, networks

TOLERANCE = 1e-5


def selected(full: Mapping[str, np.ndarray], done: Cut) -> dict[str, np.ndarray]:
    """The full network's kept slots."""
    return {
        name: np.take(value, done.selection[name][1], axis=done.selection[name][0])
        if name in done.selection
        else value
        for name, value in full.items()
    }


def assert_same(got: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].shape == value.shape
        largest = max(1.0, float(np.abs(value).max(initial=0.0)))
        assert float(np.abs(got[name] - value).max(initial=0.0)) <= TOLERANCE * largest, name


def structure(network: Network) -> list[object]:
    """What computes: every node and its weights, but for selections.

    A chain of selections may still merge when it is cut again; it computes nothing.
    """
    nodes = [
        (
            node.op_type,
            [
                None if value.const_value is None else value.const_value.numpy().tobytes()
                for value in node.inputs
                if value is not None
            ],
            {name: str(found.value) for name, found in node.attributes.items()},
            [tuple(value.shape or ()) for value in node.outputs],
        )
        for node in network.model.graph
        if node.op_type not in ("Slice", "Gather", "Identity")
    ]
    return [nodes, network.inputs, network.outputs]


def assert_nothing_idle(network: Network) -> None:
    """No node and no weight that nothing reads, and no name that stands for two things."""
    graph = network.model.graph
    for node in graph:
        assert any(v.uses() or v.is_graph_output() for v in node.outputs), node.name
    for value in graph.initializers.values():
        assert value.uses() or value.is_graph_output(), value.name
    names = [v.name for n in graph for v in n.outputs if v.name]
    names += [*graph.initializers, *(v.name for v in graph.inputs)]
    assert len(names) == len(set(names))


@given(network=networks(), keep=keep_lists)
@bounded(1000)
def test_cut_equals_selection(network: Network, keep: list[str]) -> None:
    """Oracle 1."""
    feeds = random_inputs(network)
    small, done = cut(network, keep)
    for refusal in done.refusals:
        event(f"refused {refusal.op_type}")
    assert_same(run(small, feeds), selected(run(network, feeds), done))
    assert_nothing_idle(small)


@given(network=networks(), keep=keep_lists)
@bounded(300)
def test_cutting_twice_changes_nothing(network: Network, keep: list[str]) -> None:
    """Oracle 2."""
    small, _ = cut(network, keep)
    again, done = cut(small, keep)
    assert done.selection == {}
    assert structure(again) == structure(small)
    assert done.cut == done.full


@given(network=networks(), keep=keep_lists, data=st.data())
@bounded(300)
def test_cutting_in_two_steps_equals_one(
    network: Network, keep: list[str], data: st.DataObject
) -> None:
    part = data.draw(st.lists(st.sampled_from(keep), min_size=1, unique=True))
    feeds = random_inputs(network)
    first, _ = cut(network, keep)
    second, _ = cut(first, part)
    direct, _ = cut(network, part)
    assert_same(run(second, feeds), run(direct, feeds))
    assert_nothing_idle(second)
    assert second.categories is not None and direct.categories is not None
    assert second.categories.outputs == direct.categories.outputs


@given(network=networks(share_weights=False), keep=keep_lists, more=keep_lists)
@bounded(300)
def test_keeping_more_never_removes_more(
    network: Network, keep: list[str], more: list[str]
) -> None:
    """Oracle 3. Weights that several nodes share may have to part, so none are shared here."""
    _, few = cut(network, keep)
    _, many = cut(network, [*keep, *more])
    assert few.cut.parameters <= many.cut.parameters <= many.full.parameters
    assert few.cut.macs <= many.cut.macs <= many.full.macs


def test_a_cut_network_carries_its_own_categories() -> None:
    network = classifier()
    small, done = cut(network, ["dog", "ANT", " ant "])
    assert done.keep == ("ant", "dog")
    assert small.categories is not None
    assert small.categories.names == ("ant", "dog")
    assert small.categories.outputs[0].slots == (0, 1)
    assert small.history[-1] == "cut" and small.digest == network.digest
    assert done.full.parameters == 4 * 7 and done.cut.parameters == 2 * 7
    assert done.selection == {"y": (1, (0, 3))}


def classifier() -> Network:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    network = network_of(
        nodes, inputs={"x": (1, 7)}, outputs=["y"], weights={"w": conv_weights(4, 7)}
    )
    return with_categories(network, NAMES, source="test")


@pytest.mark.parametrize(
    ("keep", "code", "hint"),
    [
        ([], "empty-keep", "--keep ant"),
        (["", "  "], "empty-keep", "--keep ant"),
        (["cow"], "unknown-category", "tree"),
        (["ant", "bees"], "unknown-category", "did you mean 'bee'"),
    ],
)
def test_bad_keep_lists(keep: list[str], code: str, hint: str) -> None:
    with pytest.raises(EdgecutError) as error:
        cut(classifier(), keep)
    assert error.value.code == code and hint in str(error.value.hint)


def test_a_network_without_categories_cannot_be_cut() -> None:
    network = classifier()
    bare = Network(name="bare", model=network.model, digest="")
    with pytest.raises(EdgecutError) as error:
        cut(bare, ["ant"])
    assert error.value.code == "no-categories" and "--labels" in str(error.value.hint)


# The real detectors. All categories and more lists: benchmarks/exactness.py.


@pytest.fixture(scope="module", params=["yolox-nano", "fastestdet"])
def detector(shared: Path, request: pytest.FixtureRequest) -> Network:
    path = next((shared / "models" / request.param).glob("*.onnx"))
    return load(str(path), labels="coco80")


def sample_lists(names: Sequence[str]) -> list[list[str]]:
    """Five categories alone, and five random lists."""
    random = np.random.default_rng(0)
    single = [[names[i]] for i in random.choice(len(names), 5, replace=False)]
    sizes = random.integers(2, len(names), 5)
    return [*single, *(sorted(random.choice(names, n, replace=False).tolist()) for n in sizes)]


@pytest.mark.shared
def test_cut_equals_selection_on_a_real_detector(detector: Network) -> None:
    feeds = {name: 50 * value for name, value in random_inputs(detector).items()}
    full = run(detector, feeds)
    assert detector.categories is not None
    for keep in sample_lists(detector.categories.names):
        small, done = cut(detector, keep)
        for name, value in selected(full, done).items():
            error = np.abs(run(small, feeds)[name] - value).max()
            assert error <= TOLERANCE * np.abs(value).max(), keep
        assert_nothing_idle(small)
        assert done.cut.macs <= done.full.macs


@pytest.mark.shared
def test_keeping_everything_of_a_real_detector_changes_nothing(detector: Network) -> None:
    assert detector.categories is not None
    small, done = cut(detector, detector.categories.names)
    assert done.cut == done.full and done.refusals == ()
    kept, full = small.to_proto().graph, detector.to_proto().graph
    assert (list(kept.node), list(kept.output)) == (list(full.node), list(full.output))
    assert sorted(w.name for w in kept.initializer) == sorted(w.name for w in full.initializer)
