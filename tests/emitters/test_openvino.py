"""OpenVINO IR from networks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from edgecut.artifact import Emitted
from edgecut.emitters import openvino as emitter
from edgecut.errors import EdgecutError
from edgecut.network import Network
from tests.graphs import conv_weights, network_of, random_inputs, run


def small(*, slope: float = 0.5) -> Network:
    """Grouped convolution, an activation, a reshape to (1, 4, 64)."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], name="first", group=4, pads=[1] * 4),
        helper.make_node("Elu", ["a"], ["b"], name="second", alpha=slope),
        helper.make_node("Reshape", ["b", "shape"], ["scores"], name="third"),
    ]
    weights = {"w": conv_weights(4, 1, 3, 3), "shape": np.array([1, 4, 64])}
    return network_of(nodes, inputs={"image": (1, 4, 8, 8)}, outputs=["scores"], weights=weights)


def answer(artifact: Emitted, network: Network) -> np.ndarray:
    """What OpenVINO computes from the files alone."""
    import openvino

    core = openvino.Core()
    model = core.read_model(artifact.files[".xml"], artifact.files[".bin"])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(random_inputs(network))["scores"])


def test_float32_computes_what_the_network_computes() -> None:
    network = small()
    expected = run(network, random_inputs(network))["scores"]
    np.testing.assert_allclose(
        answer(emitter.emit(network, scheme="float32"), network), expected, atol=1e-5
    )
    other = answer(emitter.emit(small(slope=0.9), scheme="float32"), network)
    assert np.abs(other - expected).max() > 1e-3


def test_float16_halves_the_weights_and_keeps_the_boundary() -> None:
    network = small()
    full, half = (emitter.emit(network, scheme=scheme) for scheme in ("float32", "float16"))
    assert len(half.files[".bin"]) < len(full.files[".bin"])
    assert (half.inputs, half.outputs) == (full.inputs, full.outputs)
    difference = np.abs(answer(half, network) - answer(full, network)).max()
    assert 0 < difference < 1e-2


def test_ports_are_the_networks_own() -> None:
    emitted = emitter.emit(small(), scheme="float32")
    (source,), (sink,) = emitted.inputs, emitted.outputs
    assert (source.network_name, source.artifact_name) == ("image", "image")
    assert (source.shape, source.permutation) == ((1, 4, 8, 8), (0, 1, 2, 3))
    assert (sink.artifact_name, sink.shape) == ("scores", (1, 4, 64))
    assert source.dtype == sink.dtype == "float32"


@pytest.mark.parametrize("scheme", emitter.SCHEMES)
def test_same_network_gives_same_bytes_in_one_process(scheme: str) -> None:
    first = emitter.emit(small(), scheme=scheme)
    assert emitter.emit(small(), scheme=scheme).files == first.files
    assert emitter.emit(small(slope=0.9), scheme=scheme).files != first.files


def test_nodes_keep_their_names_and_shapes_are_folded() -> None:
    xml = emitter.emit(small(), scheme="float32").files[".xml"].decode()
    assert all(f'name="{name}"' in xml for name in ("image", "first", "second", "scores"))
    assert "ShapeOf" not in xml


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(EdgecutError) as caught:
        emitter.emit(small(), scheme="int8")
    assert caught.value.code == "scheme-not-allowed"


def test_a_network_that_openvino_does_not_read_is_refused() -> None:
    network = small()
    model = network.editable()
    model.graph[1].op_type = "Riddle"
    broken = network.evolve(model, "broken")
    with pytest.raises(EdgecutError) as caught:
        emitter.emit(broken, scheme="float32")
    assert caught.value.code == "unsupported-operation"
    assert "Riddle" in caught.value.message


def test_operations_outside_the_list_are_named_with_their_nodes() -> None:
    allowed = ["GroupConvolution", "Reshape"]
    ((kind, node, _),) = emitter.unsupported(small(), allowed)
    assert (kind, node) == ("Elu", "second")
    with pytest.raises(EdgecutError) as caught:
        emitter.require_supported(small(), allowed)
    assert caught.value.code == "unsupported-operation"
    assert "Elu 'second'" in caught.value.message
    assert emitter.unsupported(small(), [*allowed, "Elu"]) == []
    emitter.require_supported(small(), [*allowed, "Elu"])


def test_a_shape_that_depends_on_values_is_refused() -> None:
    nodes = [
        helper.make_node("NonZero", ["image"], ["places"], name="places"),
        helper.make_node("Cast", ["places"], ["floats"], to=1),
        helper.make_node("ReduceSum", ["floats", "axis"], ["scores"], keepdims=0),
    ]
    network = network_of(
        nodes, inputs={"image": (1, 3)}, outputs=["scores"], weights={"axis": np.array([1])}
    )
    refusals = emitter.unsupported(network, ["NonZero", "Convert", "ReduceSum"])
    assert ("NonZero", "places", "its shape is dynamic") in refusals


@pytest.mark.parametrize(
    ("load", "silent"),
    [
        ("from edgecut.openvino_ir import openvino_package as p; p().Core()", True),
        ("import openvino", False),
    ],
)
def test_telemetry_stays_asleep(load: str, silent: bool, tmp_path: Path) -> None:
    """Telemetry that wakes up leaves an identity in the home folder before it calls home."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("CI", None)  # which would silence it as well
    subprocess.run([sys.executable, "-c", load], env=environment, check=True, timeout=60)
    assert silent == (not any(tmp_path.iterdir()))
