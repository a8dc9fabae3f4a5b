"""The operations that edgecut understands: one rule each, found through ``rule_for``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecut.ops import (
    convolution,
    elementwise,
    indexing,
    linear,
    movement,
    normalisation,
    ordering,
    pooling,
    quantised,
    recurrent,
    resize,
    selection,
)
from edgecut.ops.rule import OpRule, op_of

if TYPE_CHECKING:
    import onnx_ir as ir

RULES: tuple[OpRule, ...] = (
    convolution.Conv(),
    convolution.ConvTranspose(),
    elementwise.Elementwise(),
    linear.Gemm(),
    linear.MatMul(),
    linear.Einsum(),
    indexing.GatherElements(),
    indexing.GatherND(),
    indexing.ScatterElements(),
    indexing.ScatterND(),
    movement.Reshape(),
    movement.Transpose(),
    movement.Expand(),
    movement.Tile(),
    movement.DepthToSpace(),
    movement.SpaceToDepth(),
    normalisation.BatchNormalization(),
    normalisation.InstanceNormalization(),
    normalisation.GroupNormalization(),
    normalisation.LayerNormalization(),
    normalisation.LpNormalization(),
    normalisation.Softmax(),
    ordering.Ordering(),
    pooling.Pool(),
    pooling.Reduce(),
    pooling.ArgReduce(),
    quantised.Quantise(),
    quantised.QLinearConv(),
    recurrent.Recurrent(),
    resize.Resize(),
    selection.Concat(),
    selection.Split(),
    selection.Slice(),
    selection.Gather(),
    selection.Pad(),
)

_BY_NAME = {op_type: rule for rule in RULES for op_type in rule.op_types}


def rule_for(node: ir.Node) -> OpRule | None:
    """The rule for a node, or None where edgecut does not know its operation.

    A node that holds a subgraph reads values that its inputs do not show, so no rule fits it.
    """
    if any(_is_graph(a) for a in node.attributes.values()):
        return None
    return _BY_NAME.get(op_of(node))


def _is_graph(attribute: object) -> bool:
    import onnx_ir as ir

    kind = getattr(attribute, "type", None)
    return kind in {ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS}
