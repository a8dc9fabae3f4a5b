"""Small edits of a graph that several passes make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir


def constant(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    """A new weight; a name that is taken already gets a number."""
    import onnx_ir as ir

    unique, count = name, 1
    while unique in graph.initializers:
        unique, count = f"{name}.{count}", count + 1
    value = ir.val(unique, const_value=ir.tensor(np.asarray(array, order="C"), name=unique))
    graph.register_initializer(value)
    return value


def insert(
    graph: ir.Graph,
    before: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    *,
    like: ir.Value,
    name: str,
    attributes: Mapping[str, Any] | None = None,
) -> ir.Value:
    """A new node before another one, whose only output has the type and shape of ``like``."""
    import onnx_ir as ir

    output = ir.Value(name=name, shape=like.shape, type=like.type)
    node = ir.node(op_type, inputs, attributes or {}, outputs=[output], name=name)
    graph.insert_before(before, node)
    return output


def replace(
    graph: ir.Graph,
    node: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, Any],
) -> None:
    """Put another node in the place of one with a single output; the output keeps its name."""
    old = node.outputs[0]
    name = str(old.name)
    new = insert(graph, node, op_type, inputs, like=old, name=name, attributes=attributes)
    old.name = f"{name}/replaced"
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def swept(model: ir.Model) -> ir.Model:
    """The model without nodes and weights that nothing reads any more."""
    from onnx_ir.passes import common

    common.RemoveUnusedNodesPass()(model)
    return model
