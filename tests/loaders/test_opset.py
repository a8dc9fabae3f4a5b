"""Operations of old opsets keep their meaning; those without a counterpart are refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecut.errors import EdgecutError
from edgecut.loaders import exactness, opset
from tests.graphs import network_of, proto_of, random_inputs, run

node = helper.make_node
IR_VERSION = {9: 4, 10: 5}


def resize(
    version: int, mode: str, scales: tuple[float, float], *, constant: bool = False
) -> onnx.ModelProto:
    op_type = "Upsample" if version == opset.OLDEST else "Resize"
    nodes = [node(op_type, ["x", "scales"], ["y"], mode=mode)]
    values = np.array([1, 1, *scales], np.float32)
    if constant:
        tensor = onnx.numpy_helper.from_array(values)
        nodes.insert(0, node("Constant", [], ["scales"], value=tensor))
    weights = {} if constant else {"scales": values}
    inputs = {"x": (1, 2, 6, 6)}
    model = proto_of(nodes, inputs=inputs, outputs=["y"], weights=weights, opset=version)
    model.ir_version = IR_VERSION[version]
    return model


CASES = [
    (version, mode, scales)
    for version in IR_VERSION
    for mode in ("nearest", "linear")
    for scales in ((2, 2), (1.5, 2.6), (0.5, 0.5), (0.6, 0.4))
    if version > opset.OLDEST or scales[0] > 1
]


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("version", "mode", "scales"), CASES)
def test_old_resizes_start_at_pixel_zero(
    version: int, mode: str, scales: tuple[float, float], constant: bool
) -> None:
    model = resize(version, mode, scales, constant=constant)
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 6)).astype(np.float32)
    expected = run(model.SerializeToString(), {"x": x})["y"]
    got = run(opset.converted(model, "it").SerializeToString(), {"x": x})["y"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_an_old_resize_in_a_branch() -> None:
    def branch(name: str, mode: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, 8, 8))
        return helper.make_graph([node("Upsample", ["x", "s"], [name], mode=mode)], name, [], [out])

    nodes = [
        node("Cast", ["x"], ["signs"], to=TensorProto.BOOL),
        node("Cast", ["signs"], ["ones"], to=TensorProto.FLOAT),
        node("ReduceMax", ["ones"], ["one"], keepdims=0),
        node("Cast", ["one"], ["is"], to=TensorProto.BOOL),
        node(
            "If",
            ["is"],
            ["y"],
            then_branch=branch("t", "linear"),
            else_branch=branch("e", "nearest"),
        ),
    ]
    weights = {"s": np.array([1, 1, 2, 2], np.float32)}
    model = proto_of(nodes, inputs={"x": (1, 1, 4, 4)}, outputs=["y"], weights=weights, opset=9)
    model.ir_version = 4
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    expected = run(model.SerializeToString(), {"x": x})["y"]
    got = run(opset.converted(model, "it").SerializeToString(), {"x": x})["y"]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("version", [9, 11, 12])
def test_the_hardmax_that_flattens_is_refused(version: int) -> None:
    nodes = [node("Hardmax", ["x"], ["y"], axis=1)]
    with pytest.raises(EdgecutError) as caught:
        network_of(nodes, inputs={"x": (2, 3, 4)}, outputs=["y"], opset=version)
    assert caught.value.code == "unsupported-opset" and "Hardmax" in caught.value.message
    assert network_of(nodes, inputs={"x": (2, 3, 4)}, outputs=["y"], opset=13)


# What none of this foresees is caught by running both.


def softplus_for_relu(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    model.graph.node[0].op_type = "Softplus"
    model.opset_import[0].version = opset.WORKING
    return model


def test_a_conversion_that_changes_the_results_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("Relu", ["x"], ["y"])]
    assert network_of(nodes, inputs={"x": (2, 3)}, outputs=["y"], opset=12)
    monkeypatch.setattr(opset, "converted", softplus_for_relu)
    with pytest.raises(EdgecutError) as caught:
        network_of(nodes, inputs={"x": (2, 3)}, outputs=["y"], opset=12)
    assert caught.value.code == "load-not-exact" and "graph.onnx" in caught.value.message


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_are_equal_to_themselves_only(special: float) -> None:
    a, b = np.array([1, special]), np.array([1, 2.0])
    assert exactness.first_difference([a], [a.copy()]) is None
    assert exactness.first_difference([a], [b]) and exactness.first_difference([b], [a])


def test_differences() -> None:
    ones = np.ones(3, np.float32)
    assert exactness.first_difference([ones * 1.00001], [ones]) is None
    assert exactness.first_difference([ones * 1.001], [ones])
    assert exactness.first_difference([np.ones((1, 3), np.float32)], [ones])
    assert exactness.first_difference([np.array([1, 2])], [np.array([1, 3])])
    assert exactness.first_difference([np.zeros(0, np.float32)], [np.zeros(0, np.float32)]) is None


def test_a_model_that_draws_random_numbers_cannot_be_compared() -> None:
    nodes = [node("RandomNormalLike", ["x"], ["noise"]), node("Add", ["x", "noise"], ["y"])]
    network = network_of(nodes, inputs={"x": (2, 3)}, outputs=["y"], opset=12)
    assert run(network, random_inputs(network))["y"].shape == (2, 3)
