"""What makes int8 exact enough where an activation tensor has one scale for all its channels.

Three things, each measured on YOLOX-nano (``benchmarks/detectors.py``):

- depthwise inputs are equalised (``passes.equalise``);
- gates saturate: in y = z * sigmoid(z) nothing below -8 reaches the output (y > -0.003), and a
  sigmoid that has its own input gains nothing beyond +-8; so those ranges are clipped where nothing
  but the gate reads them, and the scale spent on what matters. Ranges from -60 to 15 are common
  there;
- where boxes and scores share an output, the last products before it and all that follows stay in
  float: a box coordinate and a probability cannot share 256 steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecut.network import Network
from edgecut.ops.rule import op_of, shape_of
from edgecut.passes.channels import Gate, find_gates
from edgecut.passes.equalise import depthwise_inputs, equalise
from edgecut.quantise.ranges import ChannelRange, channel_ranges

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Sample

# sigmoid(-8) = 0.0003.
SATURATION = 8.0
# Of a channel that a factor silences or turns round, the gate says nothing.
_SMALLEST = 1e-6
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network made ready for per-tensor int8.

    ``bounds`` maps a tensor to the range outside of which its values do not matter, ``float_tail``
    names the tensors whose operations stay in float.
    """

    network: Network
    bounds: Mapping[str, Range]
    float_tail: tuple[str, ...]

    def clipped(self, ranges: Mapping[str, Range]) -> dict[str, Range]:
        """Measured ranges, with what lies beyond the bounds cut off."""
        return {name: _clip(span, self.bounds.get(name)) for name, span in ranges.items()}


def prepare(network: Network, samples: Iterable[Sample]) -> Prepared:
    """The same network in float, ready for per-tensor int8.

    Args:
        network: tidy and lowered.
        samples: images, shape (1, C, H, W), or an array for each input by name; read twice.
    """
    ranges = channel_ranges(network, depthwise_inputs(network), samples)
    even = equalise(network, {name: found.peak for name, found in ranges.items()})
    gates = {end: g for end, g in find_gates(even.model.graph).items() if _is_sigmoid(g)}
    found = channel_ranges(even, [str(gate.z.name) for gate in gates.values()], samples)
    bounds: dict[str, Range] = {}
    for end, gate in gates.items():
        bounds |= _bounds(gate, end, found[str(gate.z.name)])
    return Prepared(network=even, bounds=bounds, float_tail=float_tail(even))


def float_tail(network: Network) -> tuple[str, ...]:
    """The tensors from the last products on, of outputs where categories and others share slots."""
    mixed = {o.output for o in network.categories.outputs if o.shared} if network.categories else ()
    waiting = [v for v in network.model.graph.outputs if v.name in mixed]
    tail: list[str] = []
    while waiting:
        value = waiting.pop()
        node = value.producer()
        if node is None or value.const_value is not None or value.name in tail:
            continue
        tail.append(str(value.name))
        if op_of(node) not in PRODUCTS:
            waiting += [v for v in node.inputs if v is not None]
    return tuple(tail)


def _is_sigmoid(gate: Gate) -> bool:
    *factors, last = (op_of(step) for step in gate.steps)
    return last == "Sigmoid" and set(factors) <= {"Mul"}


def _bounds(gate: Gate, end: ir.Node, found: ChannelRange) -> dict[str, Range]:
    """The bounds of z, and of what lies between its multiplications and the sigmoid."""
    bounds: dict[str, Range] = {}
    factor = np.ones((1,) * len(shape_of(gate.z)))
    for step in reversed(gate.steps[:-1]):
        reach = SATURATION / max(float(np.abs(factor).min()), _SMALLEST)
        bounds[str(step.outputs[0].name)] = (-reach, reach)
        factor = factor * _constant(step)
    if not _is_read_elsewhere(gate, end):
        # Channel c is done below -8 / s_c; the bound is that of the channel that goes lowest.
        slowest = np.moveaxis(factor, 1, 0).reshape(factor.shape[1], -1).min(axis=1)
        ends = -SATURATION / np.maximum(slowest, _SMALLEST)
        low = float(np.maximum(found.low, ends).min()) if len(gate.steps) > 1 else -SATURATION
        bounds[str(gate.z.name)] = (low, float("inf"))
    return bounds


def _constant(step: ir.Node) -> np.ndarray:
    """The constant operand of a multiplication."""
    found = (v.const_value for v in step.inputs if v is not None and v.const_value is not None)
    return np.asarray(next(found).numpy())


def _is_read_elsewhere(gate: Gate, end: ir.Node) -> bool:
    """Whether anything but the gate sees z, to which values below the bound may matter."""
    readers = {node for node, _ in gate.z.uses()}
    return gate.z.is_graph_output() or not readers <= {gate.steps[0], end}


def _clip(span: Range, bound: Range | None) -> Range:
    if bound is None:
        return span
    low, high = max(span[0], bound[0]), min(span[1], bound[1])
    # A tensor that lies wholly beyond a bound keeps what was measured.
    return (low, high) if low < high else span
