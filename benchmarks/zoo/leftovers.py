"""What a cut should have removed and did not, found without edgecut's rules: by brute force.

Behind every node that gives channels, a convolution or a matrix product, each channel is made
another one: scaled by 0, by -1 and by 1000, while the network runs on random inputs, faint and
strong, even and tinted. What no output shows is tried again while all the other channels hold
anything at all: random factors and random shifts, of several sizes, that no image need ever cause.

- Shown on an input: the channel is needed.
- Shown among other values alone: ``idle``. It is read, but on these inputs it is multiplied with
  zero or outweighed (rectifiers that are off, a point outside of the image). Another input may need
  it, so a cut has to keep it.
- Shown never: ``missed``. Nothing reads the channel, whatever the network computes; it need not be
  there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecut.network import Network

AXES = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": -1}
SCALES = (0.0, -1.0, 1000.0)
STRENGTHS = (1.0, 0.1, 10.0, 100.0)  # of the inputs,
INPUTS = 10  # so many of each
TINT = 3  # standard deviations of the noise
SHIFTS = (0.1, 1.0, 10.0)  # of the other channels,
STIRRED = 6  # states of the network with each

Feeds = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """``NODE[channel]`` of channels that no random input shows; see above."""

    missed: list[str]
    idle: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handle:
    """Inputs of the network through which the channels behind a node are changed."""

    node: str
    scale: str
    shift: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return max(self.shape)


def leftovers(network: Network) -> Leftovers:
    """The channels that no output shows, on any of some random inputs."""
    model = network.to_proto()
    handles = list(_with_handles(model))
    session = _session(model)
    inputs = list(_inputs(network))
    plain = _Shown(session, inputs)
    among_others = _Shown(session, list(_stirred(inputs[:STIRRED], handles)))
    hidden = [
        (handle, channel)
        for handle in handles
        for channel in range(handle.count)
        if not plain.by(handle, channel)
    ]
    read = {place for place in hidden if among_others.by(*place)}
    return Leftovers(
        missed=[f"{h.node}[{channel}]" for h, channel in hidden if (h, channel) not in read],
        idle=[f"{h.node}[{channel}]" for h, channel in hidden if (h, channel) in read],
    )


class _Shown:
    """Whether an output changes with a channel, on any of some feeds."""

    def __init__(self, session: Any, feeds: Sequence[Feeds]) -> None:
        self.session = session
        self.expected = [(feed, session.run(None, feed)) for feed in feeds]

    def by(self, handle: _Handle, channel: int) -> bool:
        place = np.unravel_index(channel, handle.shape)
        for feed, expected in self.expected:
            held = {
                handle.scale: feed.get(handle.scale, np.ones(handle.shape, np.float32)),
                handle.shift: feed.get(handle.shift, np.zeros(handle.shape, np.float32)),
            }
            for scale in SCALES:
                other = {name: array.copy() for name, array in held.items()}
                for array in other.values():
                    array[place] *= scale
                got = self.session.run(None, {**feed, **other})
                if not all(map(_same, got, expected)):
                    return True
        return False


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def _inputs(network: Network) -> Iterator[Feeds]:
    """Noise of every strength; every other one is tinted: each channel has a mean of its own."""
    random = np.random.default_rng(0)

    def drawn(shape: tuple[int, ...], tint: int) -> NDArray[np.float32]:
        means = random.standard_normal((*shape[:2], *(1 for _ in shape[2:])))
        return (random.standard_normal(shape) + tint * means).astype(np.float32)

    for strength in STRENGTHS:
        for number in range(INPUTS):
            tint = TINT if number % 2 else 0
            yield {s.name: np.float32(strength) * drawn(s.shape, tint) for s in network.inputs}


def _stirred(inputs: Sequence[Feeds], handles: Sequence[_Handle]) -> Iterator[Feeds]:
    """The inputs, each with every channel of the network scaled and shifted at random."""
    random = np.random.default_rng(1)
    for size in SHIFTS:
        for feed in inputs:
            state = dict(feed)
            for handle in handles:
                state[handle.scale] = random.standard_normal(handle.shape).astype(np.float32)
                shift = size * random.standard_normal(handle.shape)
                state[handle.shift] = shift.astype(np.float32)
            yield state


def _with_handles(model: onnx.ModelProto) -> Iterator[_Handle]:
    """Put a product and a sum, by default with ones and zeros, behind every node with channels."""
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
        name = node.output[0]
        own = {part: f"{name}/{part}" for part in ("plain", "scaled", "scale", "shift")}
        node.output[0] = own["plain"]
        for part, default in (("scale", np.ones), ("shift", np.zeros)):
            array = default(shape, np.float32)
            graph.initializer.append(numpy_helper.from_array(array, own[part]))
            graph.input.append(helper.make_tensor_value_info(own[part], TensorProto.FLOAT, shape))
        for op_type, inputs, output in (
            ("Mul", [own["plain"], own["scale"]], own["scaled"]),
            ("Add", [own["scaled"], own["shift"]], name),
        ):
            nodes.append(helper.make_node(op_type, inputs, [output], name=f"{output}/{op_type}"))
        yield _Handle(node=node.name, scale=own["scale"], shift=own["shift"], shape=tuple(shape))
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
