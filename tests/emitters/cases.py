"""Tiny graphs, what LiteRT makes of them, and how the two are compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgecut.artifact import Emitted
from edgecut.emitters import tflite
from edgecut.network import Network, to_model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
interpreter = pytest.importorskip("ai_edge_litert.interpreter")

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """A tiny graph from ``x`` (and what else ``inputs`` names) to ``y`` (or ``outputs``).

    A constant given as a shape (tuple) is filled at random; a list is int64; an array is itself.
    ``types`` names those of outputs that are not float.
    ``transposes`` is how many the emitted file may hold.
    """

    name: str
    body: str
    inputs: dict[str, tuple[int, ...]]
    constants: dict[str, Any] = field(default_factory=dict)
    opset: int = 17
    transposes: int = 0
    positive: bool = False
    outputs: tuple[str, ...] = ("y",)
    types: dict[str, str] = field(default_factory=dict)
    expected: tuple[str, ...] | None = None


def case(name: str, body: str, x: tuple[int, ...] = (1, 4, 7, 9), **rest: Any) -> Any:
    options = {key: rest.pop(key) for key in list(rest) if key in Case.__dataclass_fields__}
    inputs = {"x": x, **options.pop("inputs", {})}
    return pytest.param(Case(name, body, inputs, constants=rest, **options), id=name)


def build(given: Case) -> Any:
    """The case as an ``onnx.ModelProto`` with all shapes inferred."""
    rng = np.random.default_rng(7)
    inputs = ", ".join(f"float[{','.join(map(str, s))}] {n}" for n, s in given.inputs.items())
    outputs = ", ".join(f"{given.types.get(name, 'float')}[N] {name}" for name in given.outputs)
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {given.opset}]> '
        f"g ({inputs}) => ({outputs}) {{ {given.body} }}"
    )
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    for name, value in given.constants.items():
        if isinstance(value, tuple):
            array = rng.uniform(-1, 1, value).astype(np.float32)
        else:
            array = np.asarray(value, np.int64) if isinstance(value, list) else value
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    onnx.checker.check_model(inferred)
    return inferred


def network_of(model: Any, name: str = "tiny") -> Network:
    return Network(name=name, model=to_model(model), digest="")


def run_onnx(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def run_tflite(emitted: Emitted, inputs: dict[str, Any]) -> dict[str, Any]:
    """The file's outputs, turned back into the network's order of axes."""
    runner = interpreter.Interpreter(
        model_content=emitted.files[".tflite"], num_threads=1
    ).get_signature_runner("serving_default")
    given = {
        port.artifact_name: np.ascontiguousarray(
            inputs[port.network_name].transpose(port.permutation)
        )
        for port in emitted.inputs
    }
    results = runner(**given)
    for port in emitted.outputs:
        assert results[port.artifact_name].shape == port.shape
    return {
        port.network_name: results[port.artifact_name].transpose(np.argsort(port.permutation))
        for port in emitted.outputs
    }


def operators(emitted: Emitted) -> Counter[str]:
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    model = schema.ModelT.InitFromPackedBuf(emitted.files[".tflite"])
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return Counter(codes[op.opcodeIndex] for op in model.subgraphs[0].operators)


def relative_error(got: Any, wanted: Any) -> float:
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    scale = max(float(np.abs(wanted).max()), 1e-6)
    return float(np.abs(got - wanted).max()) / scale


def compare(model: Any, emitted: Emitted, inputs: dict[str, Any]) -> float:
    wanted, got = run_onnx(model, inputs), run_tflite(emitted, inputs)
    assert wanted.keys() == got.keys()
    return max(relative_error(got[name], wanted[name]) for name in wanted)


def random_inputs(given: Case) -> dict[str, Any]:
    rng = np.random.default_rng(11)
    low = 0.1 if given.positive else -3.0
    return {n: rng.uniform(low, 3, s).astype(np.float32) for n, s in given.inputs.items()}


def check(given: Case) -> None:
    """LiteRT gives what ONNX Runtime gives, with no more operators than expected."""
    model = build(given)
    emitted = tflite.emit(network_of(model))
    assert compare(model, emitted, random_inputs(given)) <= TOLERANCE
    counts = operators(emitted)
    assert counts["TRANSPOSE"] == given.transposes
    if given.expected is not None:
        assert counts == Counter(given.expected)


def f32(*values: float) -> Any:
    return np.array(values, np.float32)


ODD, EVEN = (1, 4, 7, 9), (1, 4, 8, 6)
ZERO = np.float32(0.0)
