"""Operators mapped back to nodes and categories: what is known, and what must stay unmapped."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from edgecut.cost import cost
from edgecut.emitters import tflite
from edgecut.measure.attribution import _with_macs, attributed, file_operators, litert_places
from edgecut.measure.profile import Operator, Profile
from edgecut.network import Network
from edgecut.tflite_file import packed
from tests.graphs import conv_weights, network_of

SERVED = {"stem": ("car", "person"), "relu": ("car", "person"), "first": ("car",)}
SERVED |= {"second": ("person",), "gate": ("person",), "join": ("car", "person")}


def network() -> Network:
    """A stem, a branch each for car and person, and a join."""
    weights = {"w": conv_weights(4, 3, 3, 3), "u": conv_weights(2, 4, 1, 1, seed=1)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["s"], name="stem", pads=[1] * 4),
        helper.make_node("Relu", ["s"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "u"], ["a"], name="first"),
        helper.make_node("Conv", ["r", "u"], ["b"], name="second"),
        helper.make_node("Sigmoid", ["b"], ["g"], name="gate"),
        helper.make_node("Concat", ["a", "g"], ["scores"], name="join", axis=1),
    ]
    return network_of(nodes, inputs={"image": (1, 3, 6, 6)}, outputs=["scores"], weights=weights)


def operator(
    type: str, index: int, *, delegate: str | None = "XNNPACK", name: str = ""
) -> Operator:
    return Operator(
        index=index,
        name=name,
        type=type,
        kernel=None,
        delegate=delegate,
        samples_ms=(1.0,),
    )


def profile(format: str, operators: list[Operator]) -> Profile:
    return Profile(
        artifact="a",
        format=format,
        runtime="r",
        version="v",
        threads=1,
        resolution_ms=0.001,
        bursts_ms=((1.0,),),
        profiled_ms=((1.0,),),
        operators=tuple(operators),
        environment={},
    )


def on_litert(path: Path, *kinds: str) -> Profile:
    operators = [operator(kind, i) for i, kind in enumerate(kinds)]
    given = profile("tflite", operators)
    return attributed(given, network=network(), served=SERVED, path=path, graph=[])


def on_openvino(*graph: tuple[str, str, str]) -> dict[str, Operator]:
    """``(name, names that it stands for, names that it reads)`` of each node that runs."""
    operators = [operator("T", i, delegate=None, name=name) for i, (name, _, _) in enumerate(graph)]
    told: list[dict[str, Any]] = [
        {"name": name, "stands_for": names.split(), "reads": reads.split()}
        for name, names, reads in graph
    ]
    given = profile("openvino", operators)
    found = attributed(given, network=network(), served=SERVED, path=Path("a.xml"), graph=told)
    return {one.name: one for one in found.operators}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as TFLite."""
    pytest.importorskip("ai_edge_litert")
    path = tmp_path_factory.mktemp("file") / "a.tflite"
    path.write_bytes(tflite.emit(network(), layout="NHWC").files[".tflite"])
    return path


def test_the_file_tells_its_operators(file: Path) -> None:
    told = [(o.operation, o.gives, o.activated) for o in file_operators(file)]
    assert told == [
        ("CONV_2D", ("r",), True),
        ("CONV_2D", ("a",), False),
        ("CONV_2D", ("b",), False),
        ("LOGISTIC", ("g",), False),
        ("CONCATENATION", ("scores",), False),
    ]


def test_fused_nodes_come_along(file: Path) -> None:
    found = on_litert(
        file, "Convolution (NHWC, F32) IGEMM", "Fully Connected", "Convolution", "Sigmoid", "Copy"
    )
    told = [(one.nodes, one.categories, one.added) for one in found.operators]
    assert told == [
        (("stem", "relu"), ("car", "person"), False),
        (("first",), ("car",), False),
        (("second",), ("person",), False),
        (("gate",), ("person",), False),
        (("join",), ("car", "person"), False),
    ]
    assert found.unmapped == () and found.notes == ()


def test_what_does_not_match_stays_unmapped_and_is_told(file: Path) -> None:
    found = on_litert(file, "Convolution", "Softmax", "Copy")
    assert len(found.unmapped) == 3
    assert {one.categories for one in found.operators} == {None}
    (note,) = found.notes
    assert "3 operators of XNNPACK do not match the file's 5, from 'r' on" in note


def test_a_part_too_many_is_told(file: Path) -> None:
    kinds = ["Convolution", "Convolution", "Convolution", "Sigmoid", "Copy", "Copy"]
    operators = [operator(kind, i) for i, kind in enumerate(kinds[:-1])] + [operator("Copy", 0)]
    places, (note,) = litert_places(operators, file_operators(file))
    assert places == [()] * 6 and "ran 2 parts, and the file should have 1" in note


def test_a_boundary_that_converts_is_told_from_what_computes(file: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    told = schema.ModelT.InitFromPackedBuf(file.read_bytes())
    graph = told.subgraphs[0]
    (inside,) = (tensor for tensor in graph.tensors if tensor.name == b"scores")
    inside.name = b"scores_inside"
    outer = copy(inside)
    outer.name = b"scores"
    graph.tensors.append(outer)
    convert = schema.OperatorT()
    convert.inputs, convert.outputs = list(graph.outputs), [len(graph.tensors) - 1]
    convert.opcodeIndex = len(told.operatorCodes)
    told.operatorCodes.append(copy(told.operatorCodes[0]))
    code = schema.BuiltinOperator.DEQUANTIZE
    told.operatorCodes[-1].builtinCode = told.operatorCodes[-1].deprecatedBuiltinCode = code
    graph.operators.append(convert)
    path = file.with_name("inside.tflite")
    path.write_bytes(packed(told))
    kinds = ("Convolution", "Convolution", "Convolution", "Sigmoid", "Copy", "Convert")
    *_, join, last = on_litert(path, *kinds).operators
    assert (join.nodes, join.added) == (("join",), False)
    assert (last.nodes, last.added) == (("join",), True)


def test_operators_outside_the_delegate_go_by_their_place(file: Path) -> None:
    operators = [operator(kind, i) for i, kind in enumerate(["Convolution"] * 3)]
    operators += [operator("LOGISTIC", 3, delegate=None), operator("Copy", 0)]
    places, notes = litert_places(operators, file_operators(file))
    assert places == [(0,), (1,), (2,), (3,), (4,)] and notes == ()


def test_names_with_an_ending_are_of_what_was_added() -> None:
    found = on_openvino(
        ("in", "image/scaled", ""),
        ("stem", "stem/WithoutBiases Multiply_123 stem relu/fq_output_0", "in"),
        ("pad", "r/pad", "stem"),
        ("first", "first", "stem"),
        ("second", "second", "pad"),
        ("sum", "join", "first second"),
    )
    told = {name: (one.nodes, one.added) for name, one in found.items()}
    assert told["in"] == ((), True)
    assert told["stem"] == (("stem",), False), "the relu is only near: its node is not named"
    assert told["pad"] == (("relu",), True)
    assert told["sum"] == (("gate", "join"), False), "nothing else goes by the gate"
    # What was added for one branch serves that branch alone.
    assert found["pad"].categories == ("person",)
    assert found["in"].categories == ("car", "person")


def test_what_the_runtime_puts_in_serves_its_readers() -> None:
    found = on_openvino(("stem", "relu", ""), ("reorder", "", "stem"), ("b", "second", "reorder"))
    assert (found["reorder"].nodes, found["reorder"].added) == ((), True)
    assert found["reorder"].categories == ("person",)


def test_a_name_of_nothing_is_unmapped() -> None:
    found = on_openvino(("odd", "FakeQuantize.5", ""), ("stem", "stem", "odd"))
    assert found["odd"].nodes is None and not found["odd"].added
    assert found["odd"].categories == ("car", "person"), "but who reads it is known"
    assert on_openvino(("odd", "FakeQuantize.5", ""))["odd"].categories is None


def test_the_quantisers_endings_are_known() -> None:
    found = on_openvino(("q", "r_quantized", ""), ("d", "a_dequant", ""), ("no", "r_other", ""))
    assert found["q"].nodes == ("relu",) and found["d"].nodes == ("first",)
    assert found["no"].nodes is None


def test_products_are_counted_once_and_where_they_are(file: Path) -> None:
    kinds = ("Convolution", "Convolution", "Convolution", "Sigmoid", "Copy")
    found = on_litert(file, *kinds).operators
    assert sum(o.macs or 0 for o in found) == cost(network()).macs > 0
    assert found[-1].macs == 0


def test_products_that_two_operators_share_in_belong_to_neither() -> None:
    nodes = network()
    both = [replace(operator(kind, i), nodes=("stem",)) for i, kind in enumerate(["A", "B"])]
    assert [o.macs for o in _with_macs(both, nodes)] == [None, None]
    beside = [both[0], replace(both[1], type="Static Reshape (NC)")]
    first, second = (o.macs for o in _with_macs(beside, nodes))
    assert first and second == 0
    assert [o.macs for o in _with_macs([replace(both[0], added=True)], nodes)] == [0]
    assert [o.macs for o in _with_macs([replace(both[0], nodes=None)], nodes)] == [None]
