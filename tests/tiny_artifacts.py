"""Very small artifacts in every format, with the numbers that they must give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.artifact import Port

SHAPE = (1, 3, 4, 6)  # no two axes alike, so that a wrong permutation shows
NHWC_SHAPE = (1, 4, 6, 3)
IDENTITY, TO_NHWC = (0, 1, 2, 3), (0, 2, 3, 1)


def port(
    name: str,
    artifact_name: str | None = None,
    *,
    shape: tuple[int, ...] = SHAPE,
    dtype: str = "float32",
    permutation: tuple[int, ...] = IDENTITY,
    scale: float | None = None,
    zero_point: int | None = None,
) -> Port:
    """A port with defaults that fit the tiny ONNX network."""
    return Port(
        network_name=name,
        artifact_name=artifact_name or name,
        shape=shape,
        dtype=dtype,
        permutation=permutation,
        scale=scale,
        zero_point=zero_point,
    )


NCHW_PORTS = ((port("x"),), (port("y"), port("z")))


def nhwc_ports(x: str = "x_nhwc", y: str = "y_nhwc", z: str = "z_nhwc") -> Any:
    """Ports of the tiny TFLite file."""

    def nhwc(name: str, artifact_name: str) -> Port:
        return port(name, artifact_name, shape=NHWC_SHAPE, permutation=TO_NHWC)

    return ((nhwc("x", x),), (nhwc("y", y), nhwc("z", z)))


def sample() -> NDArray[np.float32]:
    """An input in the network's layout."""
    return np.random.default_rng(7).normal(size=SHAPE).astype(np.float32)


def expected(x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """What every tiny float network gives: y = relu(x), z = sigmoid(x)."""
    return {"y": np.maximum(x, 0), "z": (1 / (1 + np.exp(-x))).astype(np.float32)}


def write_onnx(folder: Path) -> Path:
    """The tiny network as ONNX."""
    import onnx
    from onnx import TensorProto, helper

    def info(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE)

    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Sigmoid", ["x"], ["z"])]
    graph = helper.make_graph(nodes, "tiny", [info("x")], [info("y"), info("z")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "tiny.onnx"
    onnx.save(model, path)
    return path


def write_openvino(folder: Path) -> Path:
    """The tiny network as OpenVINO IR."""
    import openvino

    path = folder / "tiny.xml"
    model = openvino.Core().read_model(write_onnx(folder))
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def write_tflite(folder: Path, *, signature: bool = False) -> Path:
    """The tiny network as TFLite in NHWC; the file lists z before y."""
    from ai_edge_litert import schema_py_generated as s

    tensors = [_tensor(s, name) for name in ("x_nhwc", "y_nhwc", "z_nhwc")]
    codes = [s.BuiltinOperator.RELU, s.BuiltinOperator.LOGISTIC]
    operators = [_operator(s, code, 0, code + 1) for code in range(2)]
    model = _model(s, tensors, codes, operators, inputs=[0], outputs=[2, 1])
    if signature:
        definition = s.SignatureDefT()
        definition.signatureKey = b"serving_default"
        definition.subgraphIndex = 0
        definition.inputs = [_named(s, "image", 0)]
        definition.outputs = [_named(s, "scores", 2), _named(s, "boxes", 1)]
        model.signatureDefs = [definition]
    return _save(model, folder / "tiny.tflite")


def write_int8_tflite(folder: Path, *, scale: float, zero_point: int) -> Path:
    """TFLite that takes int8 and gives back what the int8 values stand for, in float32."""
    from ai_edge_litert import schema_py_generated as s

    quantised = _tensor(s, "x_int8")
    quantised.type = s.TensorType.INT8
    quantised.quantization = s.QuantizationParametersT()
    quantised.quantization.scale = [scale]
    quantised.quantization.zeroPoint = [zero_point]
    tensors = [quantised, _tensor(s, "y_nhwc")]
    operators = [_operator(s, 0, 0, 1)]
    model = _model(s, tensors, [s.BuiltinOperator.DEQUANTIZE], operators, inputs=[0], outputs=[1])
    return _save(model, folder / "int8.tflite")


def _tensor(s: Any, name: str) -> Any:
    tensor = s.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(NHWC_SHAPE), 0, 0
    return tensor


def _operator(s: Any, code: int, source: int, result: int) -> Any:
    operator = s.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [result]
    return operator


def _named(s: Any, name: str, index: int) -> Any:
    entry = s.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def _model(
    s: Any, tensors: Any, codes: Any, operators: Any, *, inputs: list[int], outputs: list[int]
) -> Any:
    graph = s.SubGraphT()
    graph.tensors, graph.operators = tensors, operators
    graph.inputs, graph.outputs = inputs, outputs
    model = s.ModelT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [s.BufferT()]
    model.operatorCodes = []
    for code in codes:
        entry = s.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, code, 1
        model.operatorCodes.append(entry)
    return model


def _save(model: Any, path: Path) -> Path:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
