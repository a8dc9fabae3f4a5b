"""What a cut should have removed and did not, found without edgecut's rules: by brute force.

Every channel that a convolution or a matrix product gives is scaled by 0, by -1 and by 1000, while
the network runs on random input. Where none of it changes any output, nothing reads the channel,
and it need not be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecut.network import Network

AXES = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": -1}
SCALES = (0.0, -1.0, 1000.0)
INPUTS = 6


def leftovers(network: Network) -> list[str]:
    """``NODE[channel]`` of every channel that no output shows, on any of some random inputs."""
    model = network.to_proto()
    masks = list(_with_masks(model))
    session = _session(model)
    random = np.random.default_rng(0)
    feeds = [
        {s.name: random.standard_normal(s.shape).astype(np.float32) for s in network.inputs}
        for _ in range(INPUTS)
    ]
    plain = [session.run(None, feed) for feed in feeds]
    return [
        f"{node}[{channel}]"
        for node, mask, shape in masks
        for channel in range(max(shape))
        if not _shows(session, feeds, plain, mask, shape, channel)
    ]


def _shows(
    session: Any,
    feeds: list[dict[str, np.ndarray]],
    plain: list[list[np.ndarray]],
    mask: str,
    shape: tuple[int, ...],
    channel: int,
) -> bool:
    for scale in SCALES:
        values = np.ones(max(shape), np.float32)
        values[channel] = scale
        for feed, expected in zip(feeds, plain, strict=True):
            got = session.run(None, {**feed, mask: values.reshape(shape)})
            if any(
                not np.array_equal(a, b, equal_nan=True) for a, b in zip(got, expected, strict=True)
            ):
                return True
    return False


def _with_masks(model: onnx.ModelProto) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Put a product with a mask, by default ones, behind every node that has channels.

    Gives the node's name, the mask's, and its shape.
    """
    graph = model.graph
    known = {v.name: v for v in (*graph.value_info, *graph.output)}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        axis = AXES.get(node.op_type)
        value = known.get(node.output[0])
        if axis is None or value is None or value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if node.op_type == "MatMul" and not _is_weight(graph, node.input[1]):
            continue  # its columns are places as often as channels
        shape = [1] * len(sizes)
        shape[axis] = sizes[axis]
        mask, plain, name = f"{node.output[0]}/mask", f"{node.output[0]}/plain", node.output[0]
        node.output[0] = plain
        graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), mask))
        graph.input.append(helper.make_tensor_value_info(mask, TensorProto.FLOAT, shape))
        nodes.append(helper.make_node("Mul", [plain, mask], [name], name=f"{node.name}/mask"))
        yield node.name, mask, tuple(shape)
    del graph.node[:]
    graph.node.extend(nodes)


def _is_weight(graph: onnx.GraphProto, name: str) -> bool:
    return any(tensor.name == name for tensor in graph.initializer)


def _session(model: onnx.ModelProto) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
