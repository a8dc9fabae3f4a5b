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

from edgecut.consistency import blamed_on
from edgecut.ops import rule_for
from edgecut.ops.rule import Unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


# Products of which edgecut knows no more than that.
_PRODUCTS = frozenset(
    (
        *("Attention", "Einsum", "GRU", "LSTM", "RNN"),
        *("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
    )
)
MATRIX_RANK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Parameters, multiply-accumulates of one inference, and bytes of weights.

    ``uncounted`` names nodes whose MACs are missing here: their shapes are not known, or edgecut
    has no rule for them and they multiply, read a weight of rank 2 or more, or hold a subgraph.
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
    """The cost of a network, by the rule of this module.

    Raises:
        EdgecutError: ``inconsistent`` for a graph that makes no sense.
    """
    with blamed_on(network):
        return _cost(network)


def _cost(network: Network) -> Cost:
    graph = network.model.graph
    weights = [v for v in graph.initializers.values() if _is_parameter(v)]
    macs, uncounted = 0, []
    for node in graph:
        try:
            counted = rule_for(node) is not None or not _may_multiply(node)
            macs += macs_of(node)
        except Unsupported:
            counted = False
        if not counted:
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


def _may_multiply(node: ir.Node) -> bool:
    """Whether an operation without a rule is likely to multiply."""
    import onnx_ir as ir

    graphs = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return (
        node.op_type in _PRODUCTS
        or any(attribute.type in graphs for attribute in node.attributes.values())
        or any(_is_matrix(value) for value in node.inputs if value is not None)
    )


def _is_matrix(value: ir.Value) -> bool:
    rank = 0 if value.const_value is None else len(value.const_value.shape)
    return rank >= MATRIX_RANK and _is_parameter(value)


def _is_parameter(value: ir.Value) -> bool:
    dtype = value.const_value.dtype if value.const_value is not None else None
    return bool(value.uses()) and dtype is not None and dtype.is_floating_point()


def _size(value: ir.Value) -> int:
    return 0 if value.const_value is None else int(value.const_value.size)
