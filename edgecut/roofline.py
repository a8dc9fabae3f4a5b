"""What memory lets a network reach: bytes moved, and the roofline.

The rule of what one inference moves, as if every operation ran by itself and nothing of it stayed
in a cache:

- Every weight is read once, however many operations share it.
- Every operation reads each of its activations once, and writes each of its outputs once.
- An operation that only looks at the same data differently (Reshape, Flatten, Squeeze, Unsqueeze,
  Identity) moves nothing. Neither does a Relu or Clip that is the one reader of what it acts on:
  runtimes compute it in the operation before.
- A float takes four bytes in ``float32``. It does in ``float16``, too: that scheme halves the file,
  but the CPU runtimes widen the weights when they load. In ``int8`` weights of rank 2 or more and
  activations take one byte, other weights (biases, int32) four. Anything else takes its own width.
- The inputs and outputs of an artifact cross at the width that they have there: those of an int8
  artifact may be floats.

That is most of what a runtime may move. A network whose activations stay in the caches from one
operation to the next moves little more than ``least_bytes``: its weights, inputs and outputs. So
there are two roofs, the attainable rate under the first count and the ceiling under the second,
and a network may stand between them. It exceeds the ceiling only where the peak is not one of this
runtime, or where the last-level cache holds even the weights.

The roofline: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance
model for multicore architectures", CACM 52(4), 2009, with MACs for its FLOPs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.cost import MATRIX_RANK, cost
from edgecut.errors import EdgecutError
from edgecut.ops.rule import Unsupported, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.artifact import Port
    from edgecut.network import Network

_VIEWS = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"))
_FUSED = frozenset(("Relu", "Clip"))
# Bytes of a float by scheme: in a weight of rank 2 or more, in any other, in an activation.
_WIDTHS = {"float32": (4, 4, 4), "float16": (4, 4, 4), "int8": (1, 4, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that one inference moves, by the rule of this module.

    ``boundary_bytes`` are those of the network's own inputs and outputs. ``uncounted`` names the
    nodes whose activations are missing here, since their shapes are not known.
    """

    weight_bytes: int
    activation_bytes: int
    boundary_bytes: int
    uncounted: tuple[str, ...] = ()

    @property
    def bytes_moved(self) -> int:
        """Weights and activations together."""
        return self.weight_bytes + self.activation_bytes

    @property
    def least_bytes(self) -> int:
        """Left where every activation between two operations stays in a cache."""
        return self.weight_bytes + self.boundary_bytes


def traffic(network: Network, scheme: str) -> Traffic:
    """The bytes that one inference of a network moves in a scheme.

    Raises:
        EdgecutError: ``unknown-scheme``.
    """
    if scheme not in _WIDTHS:
        raise EdgecutError(
            f"'{scheme}' is not a scheme", code="unknown-scheme", hint=", ".join(_WIDTHS)
        )
    graph, width = network.model.graph, _Width(scheme)
    weights = [value for value in graph.initializers.values() if value.uses()]
    moved, uncounted = 0, []
    for node in graph:
        try:
            moved += sum(width.of(value) for value in _moved(node))
        except Unsupported:
            uncounted.append(str(node.name or node.outputs[0].name))
    return Traffic(
        weight_bytes=sum(width.of(value) for value in weights),
        activation_bytes=moved,
        boundary_bytes=sum(width.of(value) for value in (*graph.inputs, *graph.outputs)),
        uncounted=tuple(uncounted),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a network stands under the roof: what it reached, and what it could have reached.

    Rates are 10^9 multiply-accumulates a second, the bandwidth is 10^9 bytes a second. Shares are
    parts of one, and more than one where a roof does not hold; see the module.
    """

    macs: int
    bytes_moved: int
    least_bytes: int
    latency_ms: float
    peak_gmacs_per_s: float
    bandwidth_gb_per_s: float

    def __post_init__(self) -> None:
        """Refuse what no rate can be computed from: ``bad-roofline``."""
        figures = (self.latency_ms, self.peak_gmacs_per_s, self.bandwidth_gb_per_s)
        fitting = 0 < self.least_bytes <= self.bytes_moved and self.macs >= 0
        if not fitting or not all(figure > 0 for figure in figures):
            raise EdgecutError(
                f"no roofline of {self.macs} MACs, {self.least_bytes} to {self.bytes_moved} bytes, "
                f"{self.latency_ms} ms, {self.peak_gmacs_per_s} GMAC/s and "
                f"{self.bandwidth_gb_per_s} GB/s",
                code="bad-roofline",
                hint="all but the MACs must be positive",
            )

    @property
    def intensity(self) -> float:
        """Arithmetic intensity in MACs a byte."""
        return self.macs / self.bytes_moved

    @property
    def attainable_gmacs_per_s(self) -> float:
        """min(peak, bandwidth * intensity): every activation goes through memory."""
        return min(self.peak_gmacs_per_s, self.bandwidth_gb_per_s * self.intensity)

    @property
    def ceiling_gmacs_per_s(self) -> float:
        """The same for ``least_bytes``: every activation stays in a cache."""
        by_memory = self.bandwidth_gb_per_s * self.macs / self.least_bytes
        return min(self.peak_gmacs_per_s, by_memory)

    @property
    def bound(self) -> str:
        """What makes the attainable rate: ``compute`` or ``memory``."""
        by_memory = self.bandwidth_gb_per_s * self.intensity < self.peak_gmacs_per_s
        return "memory" if by_memory else "compute"

    @property
    def achieved_gmacs_per_s(self) -> float:
        """MACs over the latency."""
        return self.macs / self.latency_ms / 1e6

    @property
    def share_of_peak(self) -> float:
        """Achieved over peak."""
        return self.achieved_gmacs_per_s / self.peak_gmacs_per_s

    @property
    def share_of_attainable(self) -> float:
        """Achieved over attainable; 0 for a network without MACs."""
        return self.achieved_gmacs_per_s / self.attainable_gmacs_per_s if self.macs else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values, those that follow from others included."""
        return {
            "macs": self.macs,
            "bytes_moved": self.bytes_moved,
            "least_bytes": self.least_bytes,
            "latency_ms": self.latency_ms,
            "peak_gmacs_per_s": self.peak_gmacs_per_s,
            "bandwidth_gb_per_s": self.bandwidth_gb_per_s,
            "intensity_macs_per_byte": self.intensity,
            "attainable_gmacs_per_s": self.attainable_gmacs_per_s,
            "ceiling_gmacs_per_s": self.ceiling_gmacs_per_s,
            "achieved_gmacs_per_s": self.achieved_gmacs_per_s,
            "share_of_peak": self.share_of_peak,
            "share_of_attainable": self.share_of_attainable,
            "bound": self.bound,
        }


def point(
    network: Network,
    scheme: str,
    *,
    latency_ms: float,
    peak_gmacs_per_s: float,
    bandwidth_gb_per_s: float,
    ports: Iterable[Port] = (),
) -> Point:
    """Where a network's artifact of a scheme stands, given how long it took.

    Args:
        network: the network that was emitted.
        scheme: of the artifact.
        latency_ms: of one inference.
        peak_gmacs_per_s: in that scheme, of the same runtime with as many threads; or of the chip.
        bandwidth_gb_per_s: of the memory, with as many threads.
        ports: the artifact's inputs and outputs; where there are none, they are as wide as the
            scheme's activations.

    Raises:
        EdgecutError: ``unknown-scheme``, ``bad-roofline``.
    """
    moved = traffic(network, scheme)
    crossing = sum(prod(port.shape) * np.dtype(port.dtype).itemsize for port in ports)
    wider = crossing - moved.boundary_bytes if crossing else 0
    return Point(
        macs=cost(network).macs,
        bytes_moved=moved.bytes_moved + wider,
        least_bytes=moved.least_bytes + wider,
        latency_ms=latency_ms,
        peak_gmacs_per_s=peak_gmacs_per_s,
        bandwidth_gb_per_s=bandwidth_gb_per_s,
    )


class _Width:
    """Bytes of a value in a scheme."""

    def __init__(self, scheme: str) -> None:
        self._matrix, self._vector, self._activation = _WIDTHS[scheme]

    def of(self, value: ir.Value) -> int:
        shape = shape_of(value)
        if value.dtype is not None and not value.dtype.is_floating_point():
            return int(prod(shape) * value.dtype.itemsize)
        if value.const_value is None:
            return prod(shape) * self._activation
        return prod(shape) * (self._matrix if len(shape) >= MATRIX_RANK else self._vector)


def _moved(node: ir.Node) -> Iterable[ir.Value]:
    """The activations that a node reads and writes, each once."""
    operation = op_of(node)
    if operation in _VIEWS or (operation in _FUSED and _is_only_reader(node)):
        return ()
    read = {value for value in node.inputs if value is not None and value.const_value is None}
    return (*read, *(value for value in node.outputs if value.uses() or value.is_graph_output()))


def _is_only_reader(node: ir.Node) -> bool:
    value = node.inputs[0]
    return (
        value is not None
        and value.producer() is not None
        and len(value.uses()) == 1
        and not value.is_graph_output()
    )
