"""What a network costs, by one counting rule.

- A *parameter* is an element of a floating-point initializer that a node reads.
- A *MAC* is one multiply-accumulate of a convolution or matrix product: output elements times
  the inner dimension. Bias, activation, pooling, normalisation, resizing and elementwise
  operations count as none, as is usual where MACs are reported. Padding counts as data.
- ``weight_bytes`` is what the parameters take as they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecut.ops import rule_for
from edgecut.ops.rule import Unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Parameters, multiply-accumulates of one inference, and bytes of weights.

    ``uncounted`` names nodes whose shapes are not known, so that their MACs are missing here.
    """

    parameters: int
    macs: int
    weight_bytes: int
    uncounted: tuple[str, ...] = ()

    @property
    def gmacs(self) -> float:
        """Billions of multiply-accumulates."""
        return self.macs / 1e9


def cost(network: Network) -> Cost:
    """The cost of a network, by the rule of this module."""
    graph = network.model.graph
    weights = [v for v in graph.initializers.values() if _is_parameter(v)]
    macs, uncounted = 0, []
    for node in graph:
        try:
            macs += macs_of(node)
        except Unsupported:
            uncounted.append(str(node.name or node.outputs[0].name))
    return Cost(
        parameters=sum(_size(v) for v in weights),
        macs=macs,
        weight_bytes=sum(v.const_value.nbytes for v in weights if v.const_value is not None),
        uncounted=tuple(uncounted),
    )


def macs_of(node: ir.Node) -> int:
    """Multiply-accumulates of one node; none where edgecut has no rule for it."""
    rule = rule_for(node)
    return 0 if rule is None else rule.macs(node)


def _is_parameter(value: ir.Value) -> bool:
    dtype = value.const_value.dtype if value.const_value is not None else None
    return bool(value.uses()) and dtype is not None and dtype.is_floating_point()


def _size(value: ir.Value) -> int:
    return 0 if value.const_value is None else int(value.const_value.size)
