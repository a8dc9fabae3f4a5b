"""The surgery: what is left of a graph, and under which names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from onnx import helper

from edgecut import cutout
from edgecut.demand import demand
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.region import Region
from edgecut.passes.narrow import narrow
from tests.graphs import conv_weights, network_of, random_inputs, run
from tests.strategies import NAMES, bounded, keep_lists, networks

IMAGE = {"x": (1, 6, 4, 4)}
node = helper.make_node


def only(*places: int, axis: int = 1) -> Region:
    return Region().with_axis(axis, places)


def cut(network: Network, wanted: Mapping[str, Region]) -> Network:
    """The narrowed network, checked against selection."""
    small = narrow(network, demand(network, wanted), wanted)
    feeds = random_inputs(network)
    full, got = run(network, feeds), run(small, feeds)
    assert list(got) == list(full)
    for name, value in full.items():
        region = wanted.get(name, Region())
        for axis in range(value.ndim):
            places = region.axis(axis)
            value = value if places is None else np.take(value, places, axis=axis)
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-6)
    return small


def operations(network: Network) -> list[str]:
    return [n.op_type for n in network.model.graph]


def weights(network: Network) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(value.const_value.shape.numpy())  # type: ignore[union-attr]
        for name, value in network.model.graph.initializers.items()
    }


def test_weights_are_sliced_and_dead_branches_are_gone() -> None:
    network = network_of(
        [
            node("Conv", ["x", "w"], ["a"]),
            node("Conv", ["x", "dead"], ["b"]),
            node("Concat", ["a", "b"], ["y"], axis=1),
        ],
        inputs=IMAGE,
        outputs=["y"],
        weights={"w": conv_weights(4, 6, 1, 1), "dead": conv_weights(3, 6, 1, 1)},
    )
    small = cut(network, {"y": only(1, 3)})
    assert operations(small) == ["Conv", "Concat"]
    assert weights(small) == {"w": (2, 6, 1, 1)}


def test_the_full_network_is_left_alone() -> None:
    nodes = [node("Conv", ["x", "w"], ["y"])]
    network = network_of(
        nodes, inputs=IMAGE, outputs=["y"], weights={"w": conv_weights(4, 6, 1, 1)}
    )
    before = network.to_bytes()
    cut(network, {"y": only(0)})
    assert network.to_bytes() == before


@pytest.mark.parametrize(
    ("places", "operation"),
    [
        *(([2], "Slice"), ([1, 2], "Slice"), ([1, 4], "Slice"), ([0, 2, 4], "Slice")),
        *(([0, 1, 3], "Gather"), ([0, 2, 3], "Gather"), ([1, 3, 4], "Gather")),
    ],
)
def test_what_is_evenly_spaced_is_sliced(places: list[int], operation: str) -> None:
    network = network_of([node("Relu", ["x"], ["y"])], inputs={"x": (1, 6)}, outputs=["y"])
    small = cut(network, {"y": only(*places)})
    assert operations(small) == [operation, "Relu"]


def test_keeping_everything_gives_the_same_graph() -> None:
    network = network_of(
        [
            node("Conv", ["x", "w"], ["a"], name="conv", pads=[1, 1, 1, 1]),
            node("Split", ["a", "sizes"], ["b", "c"], name="split", axis=1),
            node("Softmax", ["b"], ["d"], name="softmax", axis=1),
            node("Gather", ["c", "order"], ["e"], name="gather", axis=1),
            node("Reshape", ["e", "shape"], ["f"], name="reshape"),
            node("LRN", ["d"], ["g"], name="lrn", size=3),
        ],
        inputs=IMAGE,
        outputs=["f", "g", "a"],
        weights={
            "w": conv_weights(4, 6, 3, 3),
            "sizes": np.array([1, 3]),
            "order": np.array([2, 0, 1]),
            "shape": np.array([0, -1]),
        },
    )
    small = narrow(network, demand(network, {}), {})
    assert small.to_bytes() == network.to_bytes()


def test_slices_that_read_part_of_each_other_stay_when_everything_is_kept() -> None:
    network = network_of(
        [
            node("Slice", ["x", "zero", "end", "rows", "two"], ["a"]),
            node("Slice", ["a", "zero", "end", "columns", "two"], ["y"]),
        ],
        inputs=IMAGE,
        outputs=["y"],
        weights={
            "zero": np.array([0]),
            "end": np.array([4]),
            "two": np.array([2]),
            "rows": np.array([2]),
            "columns": np.array([3]),
        },
    )
    small = narrow(network, demand(network, {}), {})
    assert list(small.to_proto().graph.node) == list(network.to_proto().graph.node)


def test_an_output_that_shows_less_than_its_readers_need() -> None:
    network = network_of(
        [node("Relu", ["x"], ["a"]), node("Softmax", ["a"], ["y"], axis=1)],
        inputs=IMAGE,
        outputs=["a", "y"],
    )
    small = cut(network, {"a": only(1, 2), "y": only(0)})
    assert [spec.shape[1] for spec in small.outputs] == [2, 1]


def test_an_overwide_value_that_is_output_and_read_in_parts() -> None:
    """Softmax gives all; the output shows two slots, readers take one and three others."""
    network = network_of(
        [
            node("Softmax", ["x"], ["p"], axis=1),
            node("Relu", ["p"], ["y"]),
            node("Tanh", ["p"], ["z"]),
        ],
        inputs=IMAGE,
        outputs=["p", "y", "z"],
    )
    cut(network, {"p": only(0, 5), "y": only(3), "z": only(1, 2, 4)})
    cut(cut(network, {"p": only(0, 5), "z": only(1, 2, 4)}), {"p": only(1), "z": only(0, 2)})


def test_weights_that_two_nodes_share_with_different_wishes() -> None:
    network = network_of(
        [node("Conv", ["x", "w"], ["y"]), node("Conv", ["x", "w"], ["z"])],
        inputs=IMAGE,
        outputs=["y", "z"],
        weights={"w": conv_weights(5, 6, 1, 1)},
    )
    small = cut(network, {"y": only(0, 1), "z": only(4)})
    assert sorted(shape[0] for shape in weights(small).values()) == [1, 2]
    shared = cut(network, {"y": only(0, 1), "z": only(0, 1)})
    assert weights(shared) == {"w": (2, 6, 1, 1)}


def test_names_of_an_earlier_cut_are_not_taken_again() -> None:
    """Cutting twice, by different lists, must not give two tensors one name."""
    network = network_of(
        [
            node("Softmax", ["x"], ["p"], axis=1),
            node("Reshape", ["p", "shape"], ["q"]),
            node("Add", ["q", "q"], ["y"]),
            node("Tanh", ["p"], ["z"]),
        ],
        inputs=IMAGE,
        outputs=["y", "z", "p"],
        weights={"shape": np.array([1, 6, 16])},
    )
    small = network
    for dropped in ({"y": 0, "z": 1, "p": 2}, {"y": 3, "z": 0, "p": 1}, {"y": 1, "z": 2, "p": 0}):
        wanted = {
            spec.name: only(*(i for i in range(spec.shape[1]) if i != dropped[spec.name]))
            for spec in small.outputs
        }
        small = cut(small, wanted)
        made = [v.name for n in small.model.graph for v in n.outputs]
        assert len(made) == len(set(made))


def test_a_constant_that_two_nodes_share_is_not_lost_when_one_gets_its_own() -> None:
    network = network_of(
        [
            node("Reshape", ["x", "y/input1"], ["y"]),
            node("Reshape", ["x", "y/input1"], ["z"]),
        ],
        inputs={"x": (1, 6, 4)},
        outputs=["y", "z"],
        weights={"y/input1": np.array([1, 6, 2, 2])},
    )
    cut(network, {"y": only(0, 2)})


def test_outputs_that_are_inputs_or_constants() -> None:
    network = network_of(
        [node("Mul", ["x", "w"], ["y"])],
        inputs={"x": (1, 6)},
        outputs=["y"],
        weights={"w": np.arange(6, dtype=np.float32)},
    )
    graph = network.model.graph
    model = network.editable()
    graph = model.graph
    graph.outputs.append(graph.inputs[0])
    graph.outputs.append(graph.initializers["w"])
    both = network.evolve(model, "test")
    small = cut(both, {"y": only(2, 3), "w": only(0, 1)})
    assert [spec.name for spec in small.inputs] == ["x"]
    cut(both, {"y": only(2, 3)})
    with pytest.raises(EdgecutError) as error:
        narrow(both, demand(both, {"x": only(0)}), {"x": only(0)})
    assert error.value.code == "bad-slots"


def test_two_outputs_that_come_to_the_same_value() -> None:
    """After the cut, each slice is all that is left of the value it was taken from."""
    network = network_of(
        [
            node("Relu", ["x"], ["a"]),
            node("Split", ["a"], ["y", "z"], axis=1, num_outputs=2),
            node("Slice", ["y", "zero", "three", "one"], ["q"]),
        ],
        inputs={"x": (1, 6)},
        outputs=["y", "q", "a"],
        weights={"zero": np.array([0]), "three": np.array([3]), "one": np.array([1])},
    )
    wanted = {"y": only(0, 1), "q": only(0, 1), "a": only(0, 1)}
    assert operations(cut(network, wanted)) == ["Slice", "Relu", "Identity", "Identity"]
    cut(network, {"y": only(0, 1), "q": only(0, 1), "a": only(1)})


@pytest.mark.parametrize(
    ("shown", "expected"), [(["y"], ["Slice", "Relu"]), (["a", "y"], ["Slice", "Relu", "Identity"])]
)
def test_an_output_that_comes_to_what_it_was_taken_from(
    shown: list[str], expected: list[str]
) -> None:
    """What is left takes the output's name, if no other output has it."""
    network = network_of(
        [node("Relu", ["x"], ["a"]), node("Slice", ["a", "zero", "three", "one"], ["y"])],
        inputs={"x": (1, 6)},
        outputs=shown,
        weights={"zero": np.array([0]), "three": np.array([3]), "one": np.array([1])},
    )
    assert operations(cut(network, {name: only(0, 1) for name in shown})) == expected


def test_a_graph_input_that_nothing_reads_keeps_its_place() -> None:
    network = network_of(
        [node("Concat", ["x", "u"], ["y"], axis=1)],
        inputs={"x": (1, 2), "u": (1, 3)},
        outputs=["y"],
    )
    assert [spec.name for spec in cut(network, {"y": only(0)}).inputs] == ["x", "u"]


def test_one_weight_can_be_a_parameter_of_unknown_operations() -> None:
    network = network_of(
        [
            node("Conv", ["x", "w"], ["a"]),
            node("Einsum", ["a", "w"], ["b"], equation="bchw,ocij->bohw"),
            node("Concat", ["a", "b"], ["y"], axis=1),
        ],
        inputs=IMAGE,
        outputs=["y"],
        weights={"w": conv_weights(6, 6, 1, 1)},
    )
    assert weights(cut(network, {"y": only(0, 2)})) == {"w": (2, 6, 1, 1)}
    assert weights(cut(network, {"y": only(0, 7)}))["w"] == (6, 6, 1, 1)


def test_what_selects_nothing_stays_as_it_is() -> None:
    network = network_of(
        [
            node("Conv", ["x", "w"], ["a"]),
            node("Slice", ["a", "two", "two", "one"], ["b"]),
            node("Slice", ["x", "one", "two", "one"], ["c"]),
            node("Concat", ["b", "c", "x"], ["y"], axis=1),
        ],
        inputs=IMAGE,
        outputs=["y"],
        weights={"w": conv_weights(4, 6, 1, 1), "one": np.array([1]), "two": np.array([2])},
    )
    cut(network, {"y": only(0, 3)})
    cut(network, {})


@given(network=networks(gaps=True, most_steps=6), keep=keep_lists)
@bounded(200)
def test_a_cut_is_exact_or_leaves_no_slot_and_says_so(network: Network, keep: list[str]) -> None:
    assert network.categories is not None
    kept = [NAMES.index(name) for name in keep]
    gone = [entry.output for entry in network.categories.outputs if not entry.kept(kept)]
    if gone:
        with pytest.raises(EdgecutError) as error:
            cutout.cut(network, keep)
        assert (error.value.code, error.value.where) == ("bad-slots", gone[0])
        return
    small, done = cutout.cut(network, keep)
    feeds = random_inputs(network)
    full, got = run(network, feeds), run(small, feeds)
    for name, value in full.items():
        if name in done.selection:
            axis, slots = done.selection[name]
            value = np.take(value, slots, axis)
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-4)
