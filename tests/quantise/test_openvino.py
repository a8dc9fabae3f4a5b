"""int8 OpenVINO IR by NNCF."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgecut.artifact import Emitted
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.quantise import openvino as quantiser
from tests.graphs import conv_weights, network_of, run


def small() -> Network:
    """Convolution, ReLU, depthwise convolution; 1x3x8x8 in, 1x4x8x8 out."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Conv", ["b", "v"], ["scores"], name="third", group=4, pads=[1] * 4),
    ]
    weights = {"w": conv_weights(4, 3, 3, 3), "v": conv_weights(4, 1, 3, 3, seed=1)}
    return network_of(nodes, inputs={"image": (1, 3, 8, 8)}, outputs=["scores"], weights=weights)


def samples(count: int = 4, *, seed: int = 0) -> list[np.ndarray]:
    """Uniform images with values in 0..1."""
    random = np.random.default_rng(seed)
    return [random.random((1, 3, 8, 8), np.float32) for _ in range(count)]


@cache
def quantised() -> Emitted:
    """The small network, quantised once for all tests."""
    return quantiser.quantise(small(), samples())


def test_int8_stays_close_and_is_not_float() -> None:
    import openvino

    core = openvino.Core()
    files = quantised().files
    compiled = core.compile_model(core.read_model(files[".xml"], files[".bin"]), "CPU")
    (image,) = samples(1, seed=9)
    expected = run(small(), {"image": image})["scores"]
    difference = np.abs(np.asarray(compiled({"image": image})["scores"]) - expected).max()
    assert 0 < difference < 0.1


def test_both_convolutions_are_quantised_the_depthwise_one_as_well() -> None:
    xml = quantised().files[".xml"].decode()
    assert xml.count('element_type="i8"') == 2
    assert xml.count('type="FakeQuantize"') >= 2


def test_ports_are_the_networks_own() -> None:
    (source,), (sink,) = quantised().inputs, quantised().outputs
    assert (source.artifact_name, source.dtype) == ("image", "float32")
    assert (sink.artifact_name, sink.shape) == ("scores", (1, 4, 8, 8))
    assert (quantised().format, quantised().scheme) == ("openvino", "int8")


def test_same_input_gives_same_bytes_in_one_process() -> None:
    assert quantiser.quantise(small(), iter(samples())).files == quantised().files
    assert quantiser.quantise(small(), samples(seed=1)).files != quantised().files


def test_progress_is_told_per_sample_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told: list[tuple[int, int]] = []
    quantiser.quantise(small(), samples(), progress=lambda *seen: told.append(seen))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "sample",
    [np.zeros((1, 8, 8, 3), np.float32), np.full((1, 3, 8, 8), np.inf, np.float32)],
)
def test_a_bad_sample_is_refused(sample: Any) -> None:
    with pytest.raises(EdgecutError) as caught:
        quantiser.quantise(small(), [sample])
    assert caught.value.code == "bad-sample"


def test_no_samples_are_refused() -> None:
    with pytest.raises(EdgecutError) as caught:
        quantiser.quantise(small(), [])
    assert caught.value.code == "no-samples"


def test_an_activation_of_two_operations_is_quantised_as_one() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"]),
        helper.make_node("Sigmoid", ["a"], ["gate"]),
        helper.make_node("Mul", ["a", "gate"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["scores"]),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1), "v": conv_weights(4, 4, 1, 1, seed=1)}
    network = network_of(nodes, inputs={"image": (1, 3, 8, 8)}, outputs=["scores"], weights=weights)
    xml = quantiser.quantise(network, samples()).files[".xml"].decode()
    assert 'type="Swish"' in xml
    # One for each convolution's input.
    assert xml.count('type="FakeQuantize"') == 2


def test_a_network_that_openvino_does_not_read_is_refused() -> None:
    model = small().editable()
    model.graph[1].op_type = "Riddle"
    with pytest.raises(EdgecutError) as caught:
        quantiser.quantise(small().evolve(model, "broken"), samples())
    assert caught.value.code == "unsupported-operation"
    assert "Riddle" in caught.value.message
