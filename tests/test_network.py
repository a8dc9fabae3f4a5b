"""The central value."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgecut.aside import large, outlined
from edgecut.errors import EdgecutError
from edgecut.loaders.onnx_file import load_onnx
from edgecut.network import Network, TensorSpec, digest_of, to_model
from edgecut.passes.tidy import tidy
from tests.graphs import conv_weights, network_of, proto_of, random_inputs, run

node = helper.make_node


def example(**inputs: tuple[int, ...]) -> Network:
    names = list(inputs)
    nodes = [node("Relu", [name], [f"{name}_y"]) for name in names]
    return network_of(nodes, inputs=inputs, outputs=[f"{name}_y" for name in names])


def test_inputs_and_outputs() -> None:
    network = example(x=(1, 3, 4, 4), size=(1, 2))
    assert network.inputs == (
        TensorSpec(name="x", shape=(1, 3, 4, 4), dtype="float32"),
        TensorSpec(name="size", shape=(1, 2), dtype="float32"),
    )
    assert [spec.name for spec in network.outputs] == ["x_y", "size_y"]
    assert network.image.name == "x"


@pytest.mark.parametrize("inputs", [{"x": (1, 3)}, {"x": (1, 3, 4, 4), "u": (1, 3, 4, 4)}])
def test_an_image_input_is_exactly_one(inputs: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(EdgecutError) as error:
        _ = example(**inputs).image
    assert error.value.code == "no-image-input"


def test_an_output_without_a_static_shape() -> None:
    nodes = [node("NonZero", ["x"], ["a"]), node("Cast", ["a"], ["y"], to=1)]
    network = network_of(nodes, inputs={"x": (1, 3)}, outputs=["y"])
    with pytest.raises(EdgecutError) as error:
        _ = network.outputs
    assert error.value.code == "dynamic-shape" and error.value.where == "y"


def test_editing_a_clone_leaves_the_network_alone() -> None:
    network = example(x=(1, 3))
    before = network.to_bytes()
    model = network.editable()
    next(iter(model.graph)).name = "changed"
    model.metadata_props["a"] = "b"
    model.graph.inputs[0].name = "other"
    assert network.to_bytes() == before != network.evolve(model, "step").to_bytes()


def test_evolving_keeps_categories_and_adds_to_the_history() -> None:
    network = example(x=(1, 3))
    later = network.evolve(network.model, "one").evolve(network.model, "two")
    assert later.history == ("load", "one", "two") and later.digest == network.digest
    assert network.history == ("load",)


def test_bytes_repeat_and_write(tmp_path: Path) -> None:
    network = example(x=(1, 3))
    network.write(tmp_path / "it.onnx")
    assert (tmp_path / "it.onnx").read_bytes() == network.to_bytes()
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def heavy() -> Network:
    """A network with one weight that counts as large."""
    weights = {
        "w": np.random.default_rng(0).standard_normal((600, 500)).astype(np.float32),
        "bias": np.ones(500, np.float32),
    }
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "bias"], ["y"])]
    return network_of(nodes, inputs={"x": (1, 600)}, outputs=["y"], weights=weights)


def test_weights_that_are_much_lie_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = heavy()
    assert network.weight_bytes == 4 * (600 * 500 + 500)
    monkeypatch.setattr("edgecut.network.INSIDE_BYTES", network.weight_bytes - 1)
    network.write(tmp_path / "it.onnx")
    assert (tmp_path / "it.onnx.data").stat().st_size == 4 * 600 * 500
    feeds, again = random_inputs(network), load_onnx(tmp_path / "it.onnx")
    np.testing.assert_array_equal(run(again, feeds)["y"], run(network, feeds)["y"])


def test_more_than_a_protobuf_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    network = heavy()
    monkeypatch.setattr("edgecut.network.PROTOBUF_BYTES", 4 * 500 - 1)
    for act in (network.to_bytes, lambda: tidy(network)):
        with pytest.raises(EdgecutError) as error:
            act()
        assert error.value.code == "too-large"


def test_a_file_is_replaced_and_not_written_into(tmp_path: Path) -> None:
    """The weights of a network may still lie in it."""
    heavy().write(tmp_path / "it.onnx")
    network = load_onnx(tmp_path / "it.onnx")
    feeds = random_inputs(network)
    before = run(network, feeds)["y"]
    model = network.editable()
    model.metadata_props["a"] = "b" * 1000
    later = network.evolve(model, "step")
    later.write(tmp_path / "it.onnx")
    np.testing.assert_array_equal(run(later, feeds)["y"], before)
    assert [path.name for path in tmp_path.iterdir()] == ["it.onnx"]


def test_an_outline_and_its_weights_are_the_model() -> None:
    network = heavy()
    before = network.to_bytes()
    assert large(network.model) == ["w"]
    proto, weights = outlined(network.model, ["w"])
    assert [value.name for value in proto.graph.input] == ["x", "w"]
    assert [tensor.name for tensor in proto.graph.initializer] == ["bias"]
    again = replace(network, model=to_model(proto, weights))
    assert [spec.name for spec in again.inputs] == ["x"]
    feeds = random_inputs(network)
    np.testing.assert_array_equal(run(again, feeds)["y"], run(network, feeds)["y"])
    assert network.to_bytes() == before


def test_a_model_without_idle_nodes_and_notes_of_other_tools() -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Conv", ["x", "w"], ["dead"])]
    weights = {"w": conv_weights(2, 3, 1, 1)}
    proto = proto_of(nodes, inputs={"x": (1, 3, 2, 2)}, outputs=["y"], weights=weights)
    for key in ("onnxsim.options", "names"):
        proto.metadata_props.add(key=key, value="text")
    model = to_model(proto)
    assert [n.op_type for n in model.graph] == ["Relu"] and not model.graph.initializers
    assert dict(model.metadata_props) == {"names": "text"}


def two_inputs() -> Network:
    inputs = {"x": (1, 3, 2, 2), "factor": (1, 1)}
    return network_of([node("Mul", ["x", "factor"], ["y"])], inputs=inputs, outputs=["y"])


def test_a_sample_is_an_image_or_an_array_for_each_input() -> None:
    image, factor = np.ones((1, 3, 2, 2)), np.full((1, 1), 2.0, np.float32)
    fed = two_inputs().feeds({"factor": factor, "x": image, "other": image})
    assert list(fed) == ["x", "factor"] and fed["x"].dtype == np.float32
    assert np.array_equal(example(x=(1, 3, 2, 2)).feeds(image)["x"], image)


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        (np.ones((1, 3, 2, 2)), "several-inputs"),
        ({"x": np.ones((1, 3, 2, 2))}, "several-inputs"),
        ({"x": np.ones((1, 3, 2, 2)), "factor": np.ones(1)}, "bad-sample"),
        ({"x": np.full((1, 3, 2, 2), np.nan), "factor": np.ones((1, 1))}, "bad-sample"),
    ],
)
def test_samples_that_do_not_fit(sample: Any, code: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        two_inputs().feeds(sample)
    assert caught.value.code == code


def test_errors_pickle() -> None:
    error = EdgecutError("message", code="some-code", where="there", hint="do this")
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.code, again.where, again.hint) == (
        *("message", "some-code", "there"),
        "do this",
    )
