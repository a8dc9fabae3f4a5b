"""Tidying folds constants and batch norms, and leaves the results alone."""

from __future__ import annotations

import numpy as np
import onnxsim
import pytest
from onnx import TensorProto, helper

from edgecut.aside import large_of_products
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.passes.tidy import simplified, tidy
from tests.graphs import conv_weights, network_of, proto_of, random_inputs, run

node = helper.make_node


def example() -> Network:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("BatchNormalization", ["a", "p", "q", "r", "s"], ["b"]),
        node("Identity", ["b"], ["c"]),
        node("Add", ["two", "two"], ["four"]),
        node("Mul", ["c", "four"], ["y"]),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1), "two": np.array(2, np.float32)}
    weights |= {n: np.linspace(1, 2, 4).astype(np.float32) for n in "pqrs"}
    return network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y"], weights=weights)


def test_what_is_folded() -> None:
    full = example()
    small = tidy(full)
    assert [n.op_type for n in small.model.graph] == ["Conv"]
    assert (small.inputs, small.outputs) == (full.inputs, full.outputs)
    feeds = random_inputs(full)
    np.testing.assert_allclose(run(small, feeds)["y"], run(full, feeds)["y"], rtol=1e-4, atol=1e-5)
    assert small.history[-1] == "tidy"


def test_tidying_again_changes_nothing() -> None:
    once = tidy(example())
    assert tidy(once).to_bytes() == once.to_bytes() == tidy(example()).to_bytes()


def test_what_is_computed_twice_or_for_nobody_goes() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Conv", ["x", "w"], ["twin"]),
        node("Relu", ["a"], ["b"]),
        node("Relu", ["twin"], ["c"]),
        node("Sigmoid", ["c"], ["dead"]),
        node("Conv", ["b", "v"], ["d"]),
        node("Conv", ["c", "v"], ["e"]),
        node("Add", ["d", "e"], ["y"]),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1), "v": conv_weights(2, 4, 1, 1)}
    full = network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y"], weights=weights)
    small = tidy(full)
    assert [n.op_type for n in small.model.graph] == ["Conv", "Relu", "Conv", "Add"]
    feeds = random_inputs(full)
    np.testing.assert_allclose(run(small, feeds)["y"], run(full, feeds)["y"], rtol=1e-5, atol=1e-6)


def test_a_filter_that_a_normalisation_scales_by_zero_goes() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("BatchNormalization", ["a", "scale", "q", "q", "r"], ["b"]),
        node("HardSwish", ["b"], ["c"]),
        node("Conv", ["c", "v"], ["y"]),
    ]
    weights = {"w": conv_weights(4, 3, 3, 3), "v": conv_weights(2, 4, 1, 1)}
    weights |= {"scale": np.array([1, 0, 2, 0], np.float32), "r": np.ones(4, np.float32)}
    weights["q"] = np.linspace(1, 2, 4).astype(np.float32)
    full = network_of(nodes, inputs={"x": (1, 3, 6, 6)}, outputs=["y"], weights=weights)
    small = tidy(full)
    assert [v.shape.numpy()[1] for n in small.model.graph for v in n.outputs] == [2, 2, 2]  # type: ignore[union-attr]
    feeds = random_inputs(full)
    np.testing.assert_allclose(run(small, feeds)["y"], run(full, feeds)["y"], rtol=1e-4, atol=1e-5)


def custom() -> Network:
    from edgecut.loaders.onnx_file import from_proto

    proto = proto_of(
        [node("Fancy", ["x"], ["a"], domain="com.example"), node("Relu", ["a"], ["y"])],
        inputs={"x": (1, 3)},
        outputs=[],
    )
    proto.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3)))
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    return from_proto(proto, name="custom", where="custom.onnx", digest="")


def test_a_custom_operation_is_carried_along() -> None:
    assert [n.op_type for n in tidy(custom()).model.graph] == ["Fancy", "Relu"]


@pytest.mark.parametrize("message", ["first line\nsecond line", ""])
def test_what_onnxsim_raises_becomes_one_line(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    def fail(proto: object) -> None:
        raise RuntimeError(message)

    data = example().to_bytes()
    monkeypatch.setattr(onnxsim, "simplify", fail)
    with pytest.raises(EdgecutError) as error:
        simplified({"name": "it"}, data)
    assert error.value.code == "tidy-failed" and "\n" not in error.value.message


def test_large_factors_stay_outside_of_what_is_folded_and_come_back() -> None:
    random = np.random.default_rng(0)
    weights = {
        name: random.standard_normal((600, 600)).astype(np.float32) for name in ("a", "b", "c")
    }
    nodes = [
        node("MatMul", ["x", "a"], ["p"]),
        node("Identity", ["p"], ["q"]),
        node("MatMul", ["q", "b"], ["r"]),
        # Read by another node, too: that one may be folded, so the weight is inside.
        node("MatMul", ["r", "c"], ["s"]),
        node("Add", ["s", "c"], ["y"]),
    ]
    network = network_of(nodes, inputs={"x": (600, 600)}, outputs=["y"], weights=weights)
    assert large_of_products(network.model) == ["a", "b"]
    tidied = tidy(network)
    assert [n.op_type for n in tidied.model.graph] == ["MatMul", "MatMul", "Gemm"]
    assert [spec.name for spec in tidied.inputs] == ["x"]
    feeds = random_inputs(network)
    np.testing.assert_allclose(run(tidied, feeds)["y"], run(network, feeds)["y"], atol=0.1)
