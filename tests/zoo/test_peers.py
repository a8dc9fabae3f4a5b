"""The peers of the zoo on a small classifier, and whether their judge would notice."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, helper

from benchmarks import tables, zoo_peers
from benchmarks.peers import last_layers
from benchmarks.peers.last_layers import Answer, Task
from edgecut.network import Network
from tests.graphs import conv_weights, network_of, random_inputs, run

node = helper.make_node
TASK = Task(outputs={0: (1, (0, 1, 2, 3), (1, 3))}, categories=4)
WEIGHTS = {"v": conv_weights(4, 3, 1, 1), "w": conv_weights(4, 5), "c": np.arange(4.0, dtype="f")}
HEADS: dict[str, tuple[list[NodeProto], tuple[int, ...], float]] = {
    "a convolution": ([node("Conv", ["x", "v"], ["y"])], (1, 3, 2, 2), 0.5),
    "a product with a bias": (
        [node("Gemm", ["x", "w", "c"], ["y"], transB=1)],
        (2, 5),
        0.5,
    ),
    "something behind it": (
        [node("Conv", ["x", "v"], ["a"]), node("Sigmoid", ["a"], ["y"])],
        (1, 3, 2, 2),
        0.0,
    ),
}


def network(nodes: list[NodeProto], shape: Sequence[int]) -> Network:
    read = {name for one in nodes for name in one.input}
    weights = {name: array for name, array in WEIGHTS.items() if name in read}
    return network_of(nodes, inputs={"x": shape}, outputs=["y"], weights=weights)


@pytest.mark.parametrize("head", HEADS)
def test_by_hand_the_last_layer_is_sliced_or_else_the_scores(head: str) -> None:
    nodes, shape, share = HEADS[head]
    full = network(nodes, shape)
    feeds = random_inputs(full)
    answer = last_layers.by_hand(full.to_proto(), feeds, TASK)
    assert answer.parameters_excluded == share
    np.testing.assert_allclose(answer.outputs[0], run(full, feeds)["y"][:, [1, 3]], rtol=1e-6)


def test_torch_pruning_prunes_the_last_layer() -> None:
    pytest.importorskip("torch_pruning", reason="needs torch-pruning, which is not here")
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)).eval()
    image = torch.randn(2, 3)
    before = module(image).detach().numpy()
    answer = last_layers.torch_pruning(module, image, TASK)
    assert answer.parameters_excluded == pytest.approx(18 / 68)
    np.testing.assert_allclose(answer.outputs[0], before[:, [1, 3]], rtol=1e-6)


def judged(way: object) -> dict[str, object]:
    full = [np.array([[1.0, 2, 3, 4]]), np.array([5.0])]
    return zoo_peers._judged(way, full, [TASK], 1)  # type: ignore[arg-type]


def answering(*outputs: list[list[float]] | list[float]) -> object:
    found = [np.array(output) for output in outputs]
    return lambda number: Answer(outputs=found, parameters_excluded=0.25)


def test_the_judge_takes_the_kept_slots_and_nothing_else() -> None:
    right = judged(answering([[2, 4]], [5]))
    assert right["right"] and right["handled"] and right["parameters_excluded"] == 0.25
    for wrong in (
        answering([[2, 4.01]], [5]),
        answering([[2, 4]], [6]),  # what is no category's counts, too
        answering([[2, np.nan]], [5]),
        answering([[1, 2, 3, 4]], [5]),
        answering([[2, 4]]),
    ):
        found = judged(wrong)
        assert found["handled"] and not found["right"] and found["reason"]


def test_what_raises_or_takes_too_long_is_not_handled() -> None:
    def raising(number: int) -> Answer:
        raise RuntimeError("shape\nis invalid")

    def slow(number: int) -> Answer:
        time.sleep(5)
        raise AssertionError

    assert judged(raising)["reason"] == "RuntimeError: shape"
    found = judged(slow)
    assert not found["handled"] and "more than 1 s" in str(found["reason"])


def test_the_table_counts_who_answers_and_who_is_right() -> None:
    own = {"model": "m", "family": "classifier"}
    rows = [
        {**own, "way": "edgecut", **judged(answering([[2, 4]], [5]))},
        {**own, "way": "torch-pruning", **judged(answering([[2, 5]], [5]))},
    ]
    data = {
        "settings": {"every": 3, "keep_lists": 1},
        "peers": {"torch-pruning": "1.6.1"},
        "rows": rows,
    }
    text = tables.TABLES["zoo_peers"](data)
    assert "| m | 25.0 % | wrong: off by 0.25 of the largest value |" in text
    assert "torch-pruning: an answer for 1, right for 0" in text
