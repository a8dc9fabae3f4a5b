"""Small networks and how to run them, for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network, digest_of


def proto_of(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    weights: Mapping[str, np.ndarray] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    """An ONNX model of float32 inputs; types and shapes of outputs are left to inference."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [onnx.ValueInfoProto(name=n) for n in outputs],
        [numpy_helper.from_array(w, n) for n, w in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model


def network_of(nodes: Sequence[onnx.NodeProto], **graph: Any) -> Network:
    """The network of such a model, loaded as a file would be."""
    proto = proto_of(nodes, **graph)
    data = proto.SerializeToString()
    return from_proto(proto, name="graph", where="graph.onnx", digest=digest_of(data))


def run(model: Network | bytes, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs, from ONNX Runtime without its graph optimisations."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    data = model if isinstance(model, bytes) else model.to_bytes()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def random_inputs(network: Network, seed: int = 0) -> dict[str, np.ndarray]:
    """Normally distributed float32 inputs."""
    random = np.random.default_rng(seed)
    return {
        spec.name: random.standard_normal(spec.shape).astype(np.float32) for spec in network.inputs
    }


def conv_weights(*shape: int, seed: int = 0) -> np.ndarray:
    """Random weights of a size that keeps activations near 1."""
    fan_in = int(np.prod(shape[1:])) or 1
    return (np.random.default_rng(seed).standard_normal(shape) / fan_in**0.5).astype(np.float32)
