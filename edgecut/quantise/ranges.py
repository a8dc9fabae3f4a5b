"""What values the tensors of a network take on samples, channel by channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.network import Network

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Sample

VALUES = 1 << 15
"""How many values an extreme should be that of. One sample of a large feature map holds as many,
and beyond their extremes are outliers; a pooled vector has few, and wants many samples."""

_KINDS = {"low": "ReduceMin", "high": "ReduceMax"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRange:
    """Mean over the samples of each channel's smallest and largest value, shape (C,) each."""

    low: np.ndarray
    high: np.ndarray

    @property
    def peak(self) -> np.ndarray:
        """The larger of the two in absolute value, shape (C,)."""
        return np.asarray(np.maximum(np.abs(self.low), np.abs(self.high)))


def channel_ranges(
    network: Network, names: Sequence[str], samples: Iterable[Sample]
) -> dict[str, ChannelRange]:
    """The range of each channel (axis 1) of the named tensors, run on ONNX Runtime.

    Args:
        network: the network that holds the tensors.
        names: tensors of rank 2 or more.
        samples: images, shape (1, C, H, W), or an array for each input by name; read once, one at
            a time.

    Raises:
        EdgecutError: what ``Network.feeds`` raises.
    """
    if not names:
        return {}
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        _observed(network, names).to_bytes(), options, providers=["CPUExecutionProvider"]
    )
    asked = [f"{name}/{kind}" for name in names for kind in _KINDS]
    sums, count = [np.zeros(1)] * len(asked), 0
    for sample in samples:
        found = session.run(asked, network.feeds(sample))
        sums = [total + np.ravel(value) for total, value in zip(sums, found, strict=True)]
        count += 1
    means = dict(zip(asked, (total / max(count, 1) for total in sums), strict=True))
    return {n: ChannelRange(low=means[f"{n}/low"], high=means[f"{n}/high"]) for n in names}


def _observed(network: Network, names: Sequence[str]) -> Network:
    """The network with two small outputs more for each named tensor."""
    import onnx_ir as ir

    model = network.editable()
    values = {v.name: v for node in model.graph for v in node.outputs}
    values |= {v.name: v for v in model.graph.inputs}
    for name in names:
        value = values[name]
        assert value.shape is not None
        axes = [i for i in range(len(value.shape)) if i != 1]
        for kind, op_type in _KINDS.items():
            node = _reduction(model.graph, op_type, value, axes)
            node.outputs[0].name = f"{name}/{kind}"
            node.outputs[0].type = value.type
            node.outputs[0].shape = ir.Shape([value.shape[1]])
            model.graph.append(node)
            model.graph.outputs.append(node.outputs[0])
    return network.evolve(model, "observe")


def _reduction(graph: ir.Graph, op_type: str, value: ir.Value, axes: list[int]) -> ir.Node:
    import onnx_ir as ir

    if graph.opset_imports[""] < 18:
        return ir.node(op_type, [value], {"axes": axes, "keepdims": 0})
    where = edit.constant(graph, f"{value.name}/axes", np.array(axes))
    return ir.node(op_type, [value, where], {"keepdims": 0})
