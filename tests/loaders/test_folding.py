"""Constants are folded, but never more of them than memory is for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecut.errors import EdgecutError
from edgecut.loaders import folding
from edgecut.network import Network
from tests.graphs import network_of, random_inputs, run

node = helper.make_node
Weights = dict[str, np.ndarray]


def summed(nodes: list[onnx.NodeProto], weights: Weights) -> Network:
    """x times the sum of a constant ``c``, which these nodes make."""
    nodes = [
        *nodes,
        node("Cast", ["c"], ["floats"], to=TensorProto.FLOAT),
        node("ReduceSum", ["floats"], ["sum"], keepdims=0),
        node("Mul", ["x", "sum"], ["y"]),
    ]
    return network_of(nodes, inputs={"x": (1, 4)}, outputs=["y"], weights=weights)


RANGE = node("Range", ["zero", "end", "one"], ["c"])
MUL = node("Mul", ["n", "m"], ["end"])
SMALL: Weights = {"zero": np.array(0), "one": np.array(1)}
WIDE = np.array([22000, 22000])
CASES: dict[str, tuple[list[onnx.NodeProto], Weights]] = {
    "ConstantOfShape": ([node("ConstantOfShape", ["s"], ["c"])], {"s": WIDE}),
    "Expand": ([node("Expand", ["one", "s"], ["c"])], {"one": np.ones((1, 1)), "s": WIDE}),
    "Tile": (
        [node("Add", ["s", "s"], ["t"]), node("Tile", ["one", "t"], ["c"])],
        {"one": np.ones((1, 1)), "s": WIDE},
    ),
    "ConstantOfShape of a product": (
        [node("Mul", ["n", "n"], ["s"]), node("ConstantOfShape", ["s"], ["c"])],
        {"n": np.array([10**6])},
    ),
    "Range": ([RANGE], SMALL | {"end": np.array(10**11)}),
    "Range of a product": ([MUL, RANGE], SMALL | {"n": np.array(10**6), "m": np.array(10**5)}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_constants_that_are_too_large_are_refused_unmade(
    case: tuple[list[onnx.NodeProto], Weights],
) -> None:
    with pytest.raises(EdgecutError) as caught:
        summed(*case)
    assert caught.value.code == "too-large" and "'c'" in caught.value.message
    assert "graph.onnx" in caught.value.message


def test_a_constant_whose_size_is_folded_first() -> None:
    network = summed([MUL, RANGE], SMALL | {"n": np.array(2), "m": np.array(3)})
    assert [n.op_type for n in network.model.graph] == ["Mul"]
    assert network.model.graph.opset_imports == {"": 18}
    feeds = random_inputs(network)
    np.testing.assert_allclose(run(network, feeds)["y"], 15 * feeds["x"], rtol=1e-6)


def test_a_size_that_only_the_image_tells_is_left_alone() -> None:
    nodes = [
        node("NonZero", ["x"], ["found"]),
        node("Shape", ["found"], ["s"]),
        node("ConstantOfShape", ["s"], ["c"]),
    ]
    network = summed(nodes, {})
    assert "ConstantOfShape" in [n.op_type for n in network.model.graph]
    assert [n.domain for n in network.to_proto().graph.node] == [""] * 6


def test_only_constants_are_folded() -> None:
    nodes = [node("Identity", ["x"], ["i"]), node("Shape", ["x"], ["to"])]
    nodes.append(node("Reshape", ["i", "to"], ["y"]))
    network = network_of(nodes, inputs={"x": (1, 4)}, outputs=["y"])
    assert [n.op_type for n in network.model.graph] == ["Identity", "Reshape"]


def test_onnxsim_does_not_write_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import onnxsim

    def talk(*_: object, **__: object) -> None:
        print("[bold magenta]larger than 2GB")
        raise RuntimeError("and fails")

    monkeypatch.setattr(onnxsim, "simplify", talk)
    with pytest.raises(EdgecutError) as caught:
        summed([RANGE], SMALL | {"end": np.array(3)})
    assert caught.value.code == "shape-inference" and capfd.readouterr() == ("", "")
    assert folding.LARGEST_BYTES == 256 * 2**20
