"""Files without their large weights."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from edgecut.loaders import outline as module
from edgecut.loaders.outline import outline
from tests.graphs import proto_of


def filled(data: bytes) -> onnx.ModelProto:
    """The model that an outline stands for, its weights read from where it says they are."""
    model = onnx.ModelProto.FromString(outline(memoryview(data)))
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            told = {entry.key: entry.value for entry in tensor.external_data}
            assert told["location"] == ""
            start = int(told["offset"])
            tensor.raw_data = data[start : start + int(told["length"])]
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    return model


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 0)


def model() -> onnx.ModelProto:
    weights = {
        name: np.arange(n, dtype=np.float32) for name, n in (("a", 0), ("b", 31), ("c", 5000))
    }
    nodes = [onnx.helper.make_node("Sum", list(weights), ["y"])]
    made = proto_of(nodes, inputs={}, outputs=["y"], weights=weights)
    made.graph.initializer.append(
        TensorProto(name="typed", dims=[2], data_type=1, float_data=[1, 2])
    )
    made.metadata_props.add(key="names", value="ant")
    return made


def test_an_outline_says_where_the_weights_are(all_large: None) -> None:
    data = model().SerializeToString()
    assert filled(data) == model()
    assert len(outline(memoryview(data))) < len(data) - 19_500


def test_a_weight_that_says_that_it_lies_inside(all_large: None) -> None:
    """As onnx writes what it had read from external data."""
    made = model()
    for tensor in made.graph.initializer[:3]:
        tensor.data_location = TensorProto.DEFAULT
    found, expected = filled(made.SerializeToString()), model()
    assert found == expected


def test_more_fields_than_any_graph_has(all_large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = model().SerializeToString()
    monkeypatch.setattr(module, "_MOST_FIELDS", 3)
    assert outline(memoryview(data)) == data


def test_small_weights_stay() -> None:
    data = model().SerializeToString()
    assert outline(memoryview(data)) == data


def test_fields_that_come_twice_are_merged_as_a_parser_does(all_large: None) -> None:
    """Two messages in a row are one: a graph may come in parts."""
    more = onnx.ModelProto()
    more.graph.initializer.append(numpy_helper.from_array(np.arange(9.0), "late"))
    data = model().SerializeToString() + more.SerializeToString()
    assert filled(data) == onnx.ModelProto.FromString(data)
    assert [t.name for t in filled(data).graph.initializer][-1] == "late"


def test_a_weight_with_two_values_stays_as_it_is(all_large: None) -> None:
    made = onnx.ModelProto()
    made.graph.initializer.append(numpy_helper.from_array(np.arange(3.0), "w"))
    tensor = made.graph.initializer[0].SerializeToString() * 2
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    data = b"\x3a" + bytes([len(graph)]) + graph
    assert outline(memoryview(data)) == data


@pytest.mark.parametrize("start", range(0, 400, 7))
def test_what_is_damaged_is_left_to_the_parser(all_large: None, start: int) -> None:
    """Whatever the scanner makes of it, a parser reads the same of the outline, or nothing."""
    data = bytearray(model().SerializeToString())
    data[start % len(data)] ^= 0xFF
    try:
        expected = onnx.ModelProto.FromString(bytes(data))
    except Exception:
        expected = None
    try:
        found = filled(bytes(data))
    except Exception:
        found = None
    assert found == expected


@pytest.mark.parametrize("data", [b"", b"\xff" * 30, b"\x3a\x7f", b"\x3b\x00", b"\x3a"])
def test_no_protobuf_comes_back_as_it_is(all_large: None, data: bytes) -> None:
    assert outline(memoryview(data)) == data
