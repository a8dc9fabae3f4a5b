"""TFLite quantisation, on small files from the emitter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgecut.artifact import Emitted
from edgecut.emitters import tflite
from edgecut.errors import EdgecutError
from edgecut.quantise import litert
from edgecut.target import Int8
from tests.graphs import conv_weights, network_of

INT8 = Int8(input="int8", output="int8", activations="per-tensor")
FLOAT_OUT = replace(INT8, output="float32")
FLOAT_BOTH = replace(FLOAT_OUT, input="float32")


def small(*, weight: float = 1.0) -> Emitted:
    """Convolution, SiLU, convolution, and a concatenation of the two; 1x3x8x8 in, 1x8x8x8 out."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["a"], ["gate"]),
        helper.make_node("Mul", ["a", "gate"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"]),
        helper.make_node("Concat", ["b", "c"], ["scores"], axis=1),
    ]
    weights = {"w1": conv_weights(4, 3, 3, 3) * weight, "w2": conv_weights(4, 4, 1, 1, seed=1)}
    network = network_of(
        nodes,
        inputs={"image": (1, 3, 8, 8)},
        outputs=["scores"],
        weights={name: w.astype(np.float32) for name, w in weights.items()},
    )
    return tflite.emit(network)


def samples(count: int = 4, *, seed: int = 0) -> list[np.ndarray]:
    """Uniform images with values in 0..1, one of which reaches both ends."""
    random = np.random.default_rng(seed)
    images = [random.random((1, 3, 8, 8), np.float32) for _ in range(count)]
    images[-1][0, 0, 0, :2] = (0.0, 1.0)
    return images


def run(artifact: Emitted, image: np.ndarray) -> np.ndarray:
    """The one output in the network's layout, real-valued, through the file's signature."""
    from ai_edge_litert.interpreter import Interpreter

    (source,), (sink,) = artifact.inputs, artifact.outputs
    runner = Interpreter(model_content=artifact.files[".tflite"]).get_signature_runner()
    fed = image.transpose(source.permutation)
    if source.dtype == "int8":
        steps = np.rint(fed / np.float32(source.scale)) + source.zero_point
        fed = np.clip(steps, -128, 127).astype(np.int8)
    result = runner(**{source.artifact_name: fed})[sink.artifact_name]
    if sink.dtype == "int8":
        result = (result.astype(np.float32) - sink.zero_point) * np.float32(sink.scale)
    return result.transpose(np.argsort(sink.permutation))


def operations(artifact: Emitted) -> Counter[str]:
    """How often each operation occurs."""
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(artifact.files[".tflite"]))
    return Counter(
        flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        for operator in model.subgraphs[0].operators
    )


def worst(artifact: Emitted, reference: Emitted) -> float:
    """The largest difference of the two on unseen images."""
    return max(
        float(np.abs(run(artifact, image) - run(reference, image)).max())
        for image in samples(3, seed=9)
    )


def test_int8_stays_close_and_is_not_the_float_file() -> None:
    reference = small()
    quantised = litert.quantise(reference, samples(), "int8", INT8)
    assert 0 < worst(quantised, reference) < 0.1
    assert quantised.scheme == "int8"
    assert quantised.notes == ()


def test_int8_ports_state_type_and_scale_of_the_file() -> None:
    reference = small()
    quantised = litert.quantise(reference, samples(), "int8", INT8)
    (source,), (sink,) = quantised.inputs, quantised.outputs
    assert (source.artifact_name, source.permutation) == ("image", (0, 2, 3, 1))
    assert source.dtype == sink.dtype == "int8"
    # An input's range holds every value that was seen.
    assert source.scale == pytest.approx(1 / 255)
    assert source.zero_point == -128
    assert sink.scale is not None and 0 < sink.scale < 1


@pytest.mark.parametrize(
    ("int8", "types", "borders"),
    [
        (INT8, ("int8", "int8"), (0, 0)),
        (FLOAT_OUT, ("int8", "float32"), (0, 1)),
        (FLOAT_BOTH, ("float32", "float32"), (1, 1)),
    ],
)
def test_the_boundary_is_what_the_target_says(
    int8: Int8, types: tuple[str, str], borders: tuple[int, int]
) -> None:
    reference = small()
    quantised = litert.quantise(reference, samples(), "int8", int8)
    (source,), (sink,) = quantised.inputs, quantised.outputs
    assert (source.dtype, sink.dtype) == types
    assert (source.artifact_name, sink.artifact_name) == ("image", "scores")
    assert worst(quantised, reference) < 0.1
    found = operations(quantised)
    inside = operations(litert.quantise(reference, samples(), "int8", INT8))
    assert found["QUANTIZE"] - inside["QUANTIZE"] == borders[0]
    assert found["DEQUANTIZE"] == borders[1]


def test_the_files_own_tensors_have_the_ports_names() -> None:
    from ai_edge_litert.interpreter import Interpreter

    quantised = litert.quantise(small(), samples(), "int8", FLOAT_BOTH)
    interpreter = Interpreter(model_content=quantised.files[".tflite"])
    assert [d["name"] for d in interpreter.get_input_details()] == ["image"]
    assert [d["name"] for d in interpreter.get_output_details()] == ["scores"]
    names = [d["name"] for d in interpreter.get_tensor_details()]
    assert names.count("scores") == 1


def test_a_float_tail_stays_float_behind_one_border() -> None:
    reference = small()
    quantised = litert.quantise(reference, samples(), "int8", FLOAT_OUT, float_tail=("c", "scores"))
    types = tensor_types(quantised)
    assert types["c"] == types["scores"] == "FLOAT32"
    assert types["b"] == "INT8"
    # 'b' feeds both operations of the tail.
    assert operations(quantised)["DEQUANTIZE"] == 1
    assert quantised.notes == ()
    assert worst(quantised, reference) < worst(
        litert.quantise(reference, samples(), "int8", FLOAT_OUT), reference
    )


def test_a_float_tail_matches_whole_names_only() -> None:
    quantised = litert.quantise(small(), samples(), "int8", INT8, float_tail=("c",))
    types = tensor_types(quantised)
    assert types["c"] == "FLOAT32"
    assert {types[name] for name in ("b", "scores")} == {"INT8"}


def tensor_types(artifact: Emitted) -> dict[str, str]:
    """Type of every tensor, by name."""
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(artifact.files[".tflite"]))
    return {
        tensor.name.decode(): flatbuffer_utils.type_to_name(tensor.type)
        for tensor in model.subgraphs[0].tensors
    }


def test_float16_halves_the_weights_and_hardly_changes_the_result() -> None:
    reference = small()
    cast = litert.quantise(reference, (), "float16", INT8)
    assert {port.dtype for port in (*cast.inputs, *cast.outputs)} == {"float32"}
    assert list(tensor_types(cast).values()).count("FLOAT16") == 2
    assert 0 < worst(cast, reference) < 2e-3


def test_weights_beyond_float16_are_refused() -> None:
    with pytest.raises(EdgecutError) as caught:
        litert.quantise(small(weight=1e6), (), "float16", INT8)
    assert caught.value.code == "weights-overflow"


def test_same_input_gives_same_bytes_whatever_the_order_of_samples() -> None:
    reference, images = small(), samples()
    first = litert.quantise(reference, images, "int8", INT8)
    assert litert.quantise(reference, images, "int8", INT8) == first
    assert litert.quantise(reference, images[::-1], "int8", INT8) == first
    assert litert.quantise(reference, images[:2], "int8", INT8) != first


def shades() -> list[np.ndarray]:
    return [np.full((1, 3, 8, 8), value, np.float32) for value in (0.25, 0.5, 1.0)]


def test_ranges_of_large_tensors_are_means_of_extremes_and_whole_for_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = small()
    monkeypatch.setattr(litert, "VALUES", 1)
    ranges = litert.calibrate(reference, shades())
    alone = [litert.calibrate(reference, [image])["b"] for image in shades()]
    assert ranges["image"] == (0.25, 1.0)
    np.testing.assert_allclose(ranges["b"], np.mean(alone, axis=0), rtol=1e-6)
    assert alone[0] != pytest.approx(alone[1])


def test_ranges_of_small_tensors_hold_the_extremes_of_all_samples() -> None:
    reference = small()
    alone = [litert.calibrate(reference, [image])["b"] for image in shades()]
    low, high = litert.calibrate(reference, shades())["b"]
    assert low == pytest.approx(min(a[0] for a in alone))
    assert high == pytest.approx(max(a[1] for a in alone))


def test_ranges_between_are_means_over_all_choices_of_samples() -> None:
    extremes = np.array([[-1.0, 1.0], [-4.0, 2.0], [-2.0, 9.0]])
    # The pairs' minima are -4, -2, -4, and their maxima 2, 9, 9.
    assert litert._range(extremes, together=2) == pytest.approx((-10 / 3, 20 / 3))
    assert litert._range(extremes[::-1], together=2) == litert._range(extremes, together=2)


def test_given_ranges_are_used_instead_of_samples() -> None:
    reference = small()
    ranges = litert.calibrate(reference, samples())
    measured = litert.quantise(reference, samples(), "int8", INT8)
    assert litert.quantise(reference, (), "int8", INT8, ranges=ranges) == measured
    wide = litert.quantise(
        reference, (), "int8", INT8, ranges={**ranges, "scores": (-255.0, 255.0)}
    )
    assert wide.outputs[0].scale == pytest.approx(2.0)


def test_samples_are_read_once_one_at_a_time_and_told() -> None:
    told: list[tuple[int, int]] = []
    images = samples(3)

    def stream() -> Iterator[np.ndarray]:
        for place, image in enumerate(images):
            assert len(told) == place
            yield image

    litert.calibrate(small(), stream(), progress=lambda *seen: told.append(seen))
    assert told == [(1, 0), (2, 0), (3, 0)]
    told.clear()
    litert.calibrate(small(), images, progress=lambda *seen: told.append(seen))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_sample_may_name_its_input() -> None:
    reference, images = small(), samples()
    named = litert.calibrate(reference, [{"image": image} for image in images])
    assert named == litert.calibrate(reference, images)


@pytest.mark.parametrize(
    "sample",
    [
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((3, 8, 8), np.float32),
        np.full((1, 3, 8, 8), np.nan, np.float32),
        {"picture": np.zeros((1, 3, 8, 8), np.float32)},
    ],
)
def test_a_bad_sample_is_refused(sample: Any) -> None:
    with pytest.raises(EdgecutError) as caught:
        litert.calibrate(small(), [sample])
    assert caught.value.code == "bad-sample"


def refusal(reference: Emitted, *arguments: Any, **options: Any) -> str:
    with pytest.raises(EdgecutError) as caught:
        litert.quantise(reference, *arguments, **options)
    return caught.value.code


def test_what_cannot_be_done_is_refused() -> None:
    reference, images = small(), samples()
    ranges = litert.calibrate(reference, images)
    per_channel = replace(INT8, activations="per-channel")
    quantised = litert.quantise(reference, images, "int8", INT8)
    assert refusal(reference, (), "int8", INT8) == "no-samples"
    assert refusal(reference, images, "int4", INT8) == "scheme-not-allowed"
    assert refusal(reference, images, "int8", per_channel) == "scheme-not-allowed"
    assert refusal(quantised, images, "int8", INT8) == "not-float32"
    assert refusal(reference, images, "int8", INT8, float_tail=("z",)) == "unknown-tensor"
    endless = {**ranges, "b": (-np.inf, 1.0)}
    assert refusal(reference, (), "int8", INT8, ranges=endless) == "unbounded-range"
    missing = {name: pair for name, pair in ranges.items() if name != "b"}
    assert refusal(reference, (), "int8", INT8, ranges=missing) == "quantisation-failed"


def test_an_operation_that_int8_lacks_is_noted() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"]),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
        helper.make_node("Conv", ["b", "v"], ["c"]),
    ]
    network = network_of(
        nodes,
        inputs={"image": (1, 3, 8, 8)},
        outputs=["c"],
        weights={"w": conv_weights(4, 3, 1, 1), "v": conv_weights(4, 4, 1, 1)},
    )
    quantised = litert.quantise(tflite.emit(network), samples(), "int8", INT8)
    assert quantised.notes == ("LEAKY_RELU stays float in int8 (1): b",)


def test_nothing_is_written_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    litert.quantise(small(), samples(), "int8", INT8)
    litert.quantise(small(), (), "float16", INT8)
    assert capsys.readouterr() == ("", "")


def test_data_is_inside_the_flatbuffer_and_aligned() -> None:
    from ai_edge_litert import schema_py_generated as schema

    content = litert.quantise(small(), samples(), "int8", INT8).files[".tflite"]
    model = schema.Model.GetRootAs(content, 0)
    buffers: Sequence[Any] = [model.Buffers(i) for i in range(model.BuffersLength())]
    assert all(buffer.Offset() == 0 for buffer in buffers)
    starts = [b._tab.Vector(b._tab.Offset(4)) for b in buffers if b.DataLength()]
    assert starts and all(start % 16 == 0 for start in starts)
