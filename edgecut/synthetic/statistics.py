"""What a network saw in training, as its batch normalisations remember it, and what it sees now.

A normalisation in inference form holds, for each channel of its input, the mean and the variance
over the training images. In units of that standard deviation the training set itself has mean 0 and
standard deviation 1 in every channel, and so should the samples that are to stand for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut import edit
from edgecut.network import Network
from edgecut.ops.rule import attribute, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

Floats = NDArray[np.float32]

# All moments that are held, of all samples together: 128 MiB as float32.
LARGEST_COUNT = 1 << 25
# Far beyond any image, and still harmless when it is squared and summed.
_BEYOND = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """A tensor that is normalised, and what its channels were in training, each shape (C,).

    ``positions`` is how many values a channel has in one image; ``scale_squared`` is the variance
    and epsilon, by which the network divides.
    """

    name: str
    positions: int
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    scale_squared: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Of each sample and channel, the mean and the mean square of the normalised values.

    ``first`` and ``second`` have shape (samples, channels). ``spread`` is the standard deviation
    that the training set has, 1 but for epsilon, and ``weight`` what a channel counts: layers
    alike, and in a layer its channels alike; both (channels).
    """

    first: Floats
    second: Floats
    spread: Floats
    weight: Floats

    def distance(self, chosen: Sequence[int]) -> float:
        """How far these samples together lie from what the network saw, in standard deviations.

        The mean over the channels of the 2-Wasserstein distance between the two normal
        distributions: sqrt(difference of means ** 2 + difference of standard deviations ** 2).
        """
        taken = np.asarray(chosen)
        mean = self.first[taken].mean(axis=0, dtype=np.float64)
        square = self.second[taken].mean(axis=0, dtype=np.float64)
        deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
        return float(self.weight @ np.hypot(mean, deviation - self.spread))


def normalisations(network: Network) -> list[Normalisation]:
    """The batch normalisations whose statistics are constants; none where they were folded."""
    found = {}
    for node in network.model.graph:
        value = node.inputs[0] if op_of(node) == "BatchNormalization" else None
        if value is None or value.shape is None or not value.shape.is_static():
            continue
        constants = [v.const_value for v in node.inputs[3:5] if v is not None]
        arrays = [np.asarray(c.numpy(), np.float64) for c in constants if c is not None]
        if len(arrays) < 2 or not np.isfinite(arrays).all():
            continue
        mean, variance = arrays
        scale_squared = variance + attribute(node, "epsilon", 1e-5)
        if (scale_squared > 0).all():
            found[str(value.name)] = Normalisation(
                name=str(value.name),
                positions=math.prod(shape_of(value)) // len(mean),
                mean=mean,
                variance=variance,
                scale_squared=scale_squared,
            )
    return list(found.values())


def moments(
    network: Network,
    known: Sequence[Normalisation],
    tensors: Iterable[NDArray[Any]],
    *,
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> Moments:
    """Run the network on ``count`` images, on ONNX Runtime, and see what its normalisations see.

    Where that would be more than ``LARGEST_COUNT`` numbers, only every so many-th channel is seen.

    Args:
        network: the network that holds the normalisations.
        known: what ``normalisations`` found in it; not empty.
        tensors: image tensors, shape (1, C, H, W); read once, one at a time.
        count: how many there are.
        progress: told (done, count) after each.

    Raises:
        EdgecutError: what ``Network.feeds`` raises.
    """
    step = -(-2 * count * sum(one.mean.size for one in known) // LARGEST_COUNT)
    seen = [slice(None, None, step)] * len(known)
    sizes = [one.mean[part].size for one, part in zip(known, seen, strict=True)]
    first, second = np.zeros((2, count, sum(sizes)), np.float32)
    observe = _observer(network, known)
    for place, tensor in enumerate(tensors):
        found = [
            _normalised(one, part, *sums)
            for one, part, sums in zip(known, seen, observe(tensor), strict=True)
        ]
        first[place] = np.concatenate([mean for mean, _ in found])
        second[place] = np.concatenate([square for _, square in found])
        if progress is not None:
            progress(place + 1, count)
    spread = [np.sqrt(one.variance / one.scale_squared)[::step] for one in known]
    return Moments(
        first=first,
        second=second,
        spread=np.concatenate(spread).astype(np.float32),
        weight=np.repeat([1 / size / len(sizes) for size in sizes], sizes).astype(np.float32),
    )


def _normalised(
    one: Normalisation, part: slice, total: NDArray[Any], squares: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and mean square of (x - mean) / scale, from the sums of x and its squares."""
    x, xx = (array[part].astype(np.float64) / one.positions for array in (total, squares))
    centre, scale_squared = one.mean[part], one.scale_squared[part]
    with np.errstate(all="ignore"):  # what overflowed is bounded below
        first = (x - centre) / np.sqrt(scale_squared)
        second = (xx - 2 * centre * x + centre**2) / scale_squared
    return _bounded(first), _bounded(second)


def _bounded(array: NDArray[Any]) -> NDArray[Any]:
    known = np.nan_to_num(array, nan=_BEYOND, posinf=_BEYOND, neginf=-_BEYOND)
    return np.asarray(np.clip(known, -_BEYOND, _BEYOND))


def _observer(
    network: Network, known: Sequence[Normalisation]
) -> Callable[[NDArray[Any]], Iterator[tuple[NDArray[Any], NDArray[Any]]]]:
    """Gives the sum, and that of the squares, of each channel of each normalised tensor."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        _observed(network, known).to_bytes(), options, providers=["CPUExecutionProvider"]
    )
    beside = {}
    if network.attention is not None:
        beside = {network.attention.input: network.attention.neutral_gains()}

    def observe(tensor: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        found = session.run(None, network.feeds({network.image.name: tensor, **beside}))
        return zip(found[::2], found[1::2], strict=True)

    return observe


def _observed(network: Network, known: Sequence[Normalisation]) -> Network:
    """The network with two small outputs for each normalised tensor, and no others."""
    import onnx_ir as ir

    model = network.editable()
    graph = model.graph
    values = {v.name: v for v in (*graph.inputs, *(v for n in graph for v in n.outputs))}
    graph.outputs.clear()
    for one in known:
        value = values[one.name]
        assert value.shape is not None
        axes = [axis for axis in range(len(value.shape)) if axis != 1]
        for op_type in ("ReduceSum", "ReduceSumSquare"):
            node = _reduction(graph, op_type, value, axes)
            node.outputs[0].name = f"{one.name}/{op_type}"
            node.outputs[0].type = value.type
            node.outputs[0].shape = ir.Shape([value.shape[1]])
            graph.append(node)
            graph.outputs.append(node.outputs[0])
    return network.evolve(edit.swept(model), "observe")


def _reduction(graph: ir.Graph, op_type: str, value: ir.Value, axes: list[int]) -> ir.Node:
    import onnx_ir as ir

    # The axes are an input of the sum since opset 13, and of that of squares since 18.
    if op_type == "ReduceSumSquare" and graph.opset_imports[""] < 18:
        return ir.node(op_type, [value], {"axes": axes, "keepdims": 0})
    where = edit.constant(graph, f"{value.name}/axes", np.array(axes))
    return ir.node(op_type, [value, where], {"keepdims": 0})
