"""Channels brought to like ranges before depthwise convolutions, for per-tensor runtimes.

TFLite gives an activation tensor one scale for all its channels. Where channels differ by a factor
of a hundred, the small ones drown in the rounding of the large ones. An ordinary convolution sums
over channels and forgives that; a depthwise one does not. Dividing channel c by s_c where it is
made and multiplying by s_c where it is used changes nothing in float:

- a convolution that makes the tensor: its rows of weights and bias are divided;
- a convolution that uses it: its columns of weights are multiplied, which is free where the
  weights have a scale per output channel and the convolution is depthwise;
- Relu, pooling, resizing, zero padding let a positive factor pass; Add and Concat carry it on;
- y = z * g(z), as in SiLU: y / s = (z / s) * g(s * (z / s)), one multiplication on the way to g.

Whatever else touches a channel fixes its s_c to 1. The idea is that of cross-layer equalisation
(Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", 2019),
carried through gates and through tensors with several consumers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.ops.rule import attribute, constant_of, op_of, shape_of
from edgecut.passes.channels import Channels, Gate, trace

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

# A channel that is almost silent must not blow up its weights without bound.
LARGEST_RATIO = 256.0
# A gate costs a multiplication, and keeps the runtime from computing it by one table. Below this
# ratio of the largest peak to the mean one that buys nothing: on YOLOX-nano, equalising the one
# tensor above it gave AP50 .617 / .572, all 27 gave .608 / .582 and were 12 % slower.
GATE_RATIO = 10.0


def depthwise_inputs(network: Network) -> list[str]:
    """The tensors that depthwise convolutions read: those whose channel peaks are asked for."""
    names = [str(n.inputs[0].name) for n in network.model.graph if is_depthwise(n) and n.inputs[0]]
    return list(dict.fromkeys(names))


def equalise(network: Network, peaks: Mapping[str, np.ndarray]) -> Network:
    """The same network in float, with like channel ranges at the inputs of depthwise convolutions.

    Args:
        network: tidy, with batch norms folded.
        peaks: for each tensor of ``depthwise_inputs``, the largest absolute value of each of its
            channels over the calibration samples, shape (C,).
    """
    model = network.editable()
    channels = trace(model.graph)
    scales = _scales(channels, peaks)
    if np.all(scales == 1.0):
        return network
    for node in list(model.graph):
        if op_of(node) == "Conv":
            _rescale(model.graph, node, channels, scales)
    for gate in channels.gates.values():
        _rescale_gate(model.graph, gate, channels.of(gate.z, scales))
    return network.evolve(edit.swept(model), "equalise")


def is_depthwise(node: ir.Node) -> bool:
    """Whether a node convolves each channel by itself."""
    if op_of(node) != "Conv" or node.inputs[0] is None:
        return False
    return bool(1 < attribute(node, "group", 1) == shape_of(node.inputs[0])[1])


def _scales(channels: Channels, peaks: Mapping[str, np.ndarray]) -> np.ndarray:
    """A factor for each class of channels that must share one; 1 where it is fixed.

    Each tensor asks for s_c = peak_c over the geometric mean of its peaks; where several tensors
    ask for one class, the largest wish wins, since it is the one that limits a range. Where a
    gate would have to be restored, only a tensor with far-apart channels asks.
    """
    wishes = np.zeros(channels.count)
    gated = np.zeros(channels.count, bool)
    for gate in channels.gates.values():
        gated[channels.classes(str(gate.z.name))] = True
    for name, peak in peaks.items():
        if peak.max() <= 0:
            continue
        floored = np.maximum(peak, peak.max() / LARGEST_RATIO)
        wish = floored / np.exp(np.mean(np.log(floored)))
        classes = channels.classes(name)
        if wish.max() > GATE_RATIO or not gated[classes].any():
            np.maximum.at(wishes, classes, wish)
    free = (wishes > 0) & ~channels.fixed
    return np.where(free, wishes, 1.0).astype(np.float32)


def _rescale(graph: ir.Graph, conv: ir.Node, channels: Channels, scales: np.ndarray) -> None:
    made, used = channels.of(conv.outputs[0], scales), channels.of(conv.inputs[0], scales)
    if np.all(made == 1.0) and np.all(used == 1.0):
        return
    weights = constant_of(conv, 1)
    assert weights is not None
    groups = attribute(conv, "group", 1)
    columns = used.reshape(groups, -1).repeat(len(weights) // groups, axis=0)
    tail = (1,) * (weights.ndim - 2)
    factor = columns.reshape(*columns.shape, *tail) / made.reshape(-1, 1, *tail)
    _set(graph, conv, 1, weights * factor)
    bias = constant_of(conv, 2)
    if bias is not None:
        _set(graph, conv, 2, bias / made)


def _set(graph: ir.Graph, node: ir.Node, index: int, array: np.ndarray) -> None:
    old = node.inputs[index]
    assert old is not None
    name = f"{old.name}/equalised"
    node.replace_input_with(index, edit.constant(graph, name, array.astype(np.float32)))


def _rescale_gate(graph: ir.Graph, gate: Gate, scale: np.ndarray) -> None:
    if np.all(scale == 1.0):
        return
    z, start = gate.z, gate.steps[0]
    shape = shape_of(z)
    # Repeated along the row: channels last, a runtime then multiplies whole rows, not 16 numbers
    # at a time.
    row = (1, len(scale), *(1,) * (len(shape) - 3), *shape[2:][-1:])
    shaped = np.broadcast_to(scale.reshape(1, -1, *(1,) * (len(shape) - 2)), row)
    factor = edit.constant(graph, f"{z.name}/scale", shaped)
    restored = edit.insert(graph, start, "Mul", [z, factor], like=z, name=f"{z.name}/restored")
    for i, value in enumerate(start.inputs):
        if value is z:
            start.replace_input_with(i, restored)
