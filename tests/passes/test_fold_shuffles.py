"""Chains that only pick along one axis become one selection; others are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, helper

from edgecut.network import Network
from edgecut.passes.fold_shuffles import fold_shuffles
from tests.graphs import network_of, random_inputs, run

node = helper.make_node


def network(nodes: Sequence[NodeProto], shape: Sequence[int], **ints: Sequence[int]) -> Network:
    weights = {name: np.array(values, np.int64) for name, values in ints.items()}
    return network_of(nodes, inputs={"x": shape}, outputs=["y"], weights=weights)


def shuffle(groups: int, channels: int = 6) -> Network:
    return network(
        [
            node("Relu", ["x"], ["a"]),
            node("Reshape", ["a", "parted"], ["b"]),
            node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3, 4]),
            node("Reshape", ["c", "whole"], ["d"]),
            node("Tanh", ["d"], ["y"]),
        ],
        (1, channels, 4, 4),
        parted=(1, groups, channels // groups, 4, 4),
        whole=(1, channels, 4, 4),
    )


def folded(full: Network, *expected: str) -> Network:
    """The folded network, of these operations, exact, and idle a second time."""
    small = fold_shuffles(full)
    assert [n.op_type for n in small.model.graph] == list(expected)
    feeds = random_inputs(full)
    np.testing.assert_array_equal(run(small, feeds)["y"], run(full, feeds)["y"])
    assert small.outputs == full.outputs
    assert fold_shuffles(small) is small
    return small


@pytest.mark.parametrize("groups", [2, 3])
def test_channel_shuffle(groups: int) -> None:
    folded(shuffle(groups), "Relu", "Gather", "Tanh")


def test_shuffle_and_split_becomes_a_strided_slice() -> None:
    nodes = [
        node("Reshape", ["x", "parted"], ["b"]),
        node("Transpose", ["b"], ["c"], perm=[1, 0, 2]),
        node("Gather", ["c", "first"], ["d"], axis=0),
        node("Reshape", ["d", "whole"], ["e"]),
        node("Tanh", ["e"], ["y"]),
    ]
    full = network(nodes, (1, 6, 4, 4), parted=(3, 2, 16), first=(1,), whole=(1, 3, 4, 4))
    folded(full, "Slice", "Tanh")


def test_slices_with_steps_and_directions() -> None:
    nodes = [
        node("Slice", ["x", "a0", "a1", "axis", "back"], ["b"]),
        node("Slice", ["b", "b0", "b1", "axis", "two"], ["c"]),
        node("Relu", ["c"], ["y"]),
    ]
    ints = {"a0": (-1,), "a1": (-100,), "b0": (1,), "b1": (6,), "two": (2,), "back": (-1,)}
    folded(network(nodes, (1, 8, 3), axis=(1,), **ints), "Gather", "Relu")


def test_a_selection_along_the_last_axis() -> None:
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 2, 1]),
        node("Gather", ["a", "some"], ["b"], axis=1),
        node("Transpose", ["b"], ["c"], perm=[0, 2, 1]),
        node("Relu", ["c"], ["y"]),
    ]
    folded(network(nodes, (1, 3, 5), some=(4, 0)), "Gather", "Relu")


def test_a_step_that_is_read_elsewhere_stays() -> None:
    full = shuffle(2)
    model = full.editable()
    middle = next(v for n in model.graph for v in n.outputs if v.name == "c")
    model.graph.outputs.append(middle)
    both = full.evolve(model, "test")
    small = fold_shuffles(both)
    feeds = random_inputs(full)
    before, after = run(both, feeds), run(small, feeds)
    assert all(np.array_equal(before[name], after[name]) for name in ("y", "c"))
    assert [n.op_type for n in small.model.graph].count("Gather") == 1


def idle(full: Network) -> None:
    assert fold_shuffles(full) is full


def test_a_true_transpose_is_left_alone() -> None:
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 2, 1]),
        node("Reshape", ["a", "same"], ["b"]),
        node("Relu", ["b"], ["y"]),
    ]
    idle(network(nodes, (1, 4, 4), same=(1, 4, 4)))


def test_a_transpose_over_a_batch_is_left_alone() -> None:
    """Its first row holds elements of other rows, which lie past the end of the axis."""
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[1, 0, 2]),
        node("Identity", ["a"], ["b"]),
        node("Relu", ["b"], ["y"]),
    ]
    idle(network(nodes, (2, 2, 5)))


def test_a_change_of_rank_is_left_alone() -> None:
    nodes = [
        node("Reshape", ["x", "flat"], ["a"]),
        node("Gather", ["a", "some"], ["b"], axis=1),
        node("Relu", ["b"], ["y"]),
    ]
    idle(network(nodes, (1, 2, 4), flat=(1, 8), some=(1, 3)))


def test_selections_along_two_axes_are_left_alone() -> None:
    nodes = [
        node("Gather", ["x", "some"], ["a"], axis=1),
        node("Gather", ["a", "some"], ["b"], axis=2),
        node("Relu", ["b"], ["y"]),
    ]
    idle(network(nodes, (1, 4, 4), some=(1, 3)))


def test_a_gather_with_computed_places_is_left_alone() -> None:
    nodes = [
        node("ArgMax", ["x"], ["where"], axis=1, keepdims=0),
        node("Gather", ["x", "where"], ["a"], axis=1),
        node("Squeeze", ["a", "one"], ["b"]),
        node("Relu", ["b"], ["y"]),
    ]
    idle(network(nodes, (1, 4), one=(1,)))


def test_a_slice_that_does_not_say_its_axes_is_left_alone() -> None:
    nodes = [
        node("Slice", ["x", "start", "end"], ["a"]),
        node("Identity", ["a"], ["b"]),
        node("Relu", ["b"], ["y"]),
    ]
    idle(network(nodes, (4, 4), start=(1,), end=(3,)))


def test_a_single_operation_is_left_alone() -> None:
    idle(network([node("Gather", ["x", "some"], ["y"], axis=1)], (1, 4, 2), some=(2, 0)))
