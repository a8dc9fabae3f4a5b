"""Small edits of a graph that several passes make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


def each(network: Network, step: str, change: Callable[[ir.Graph, ir.Node], bool]) -> Network:
    """The network with a change tried on every node; the same network where none was made.

    ``change`` edits the graph around a node and returns True, or leaves it and returns False.
    """
    model = network.editable()
    changed = [change(model.graph, node) for node in list(model.graph)]
    return network.evolve(swept(model), step) if any(changed) else network


def fresh(name: str, taken: Collection[str]) -> str:
    """The name, or where it is taken already the name with a number."""
    unique, count = name, 1
    while unique in taken:
        unique, count = f"{name}.{count}", count + 1
    return unique


def value_names(graph: ir.Graph) -> set[str]:
    """The names of all tensors of a graph and of the graphs inside it."""
    names = {str(value.name) for value in (*graph.inputs, *graph.initializers.values())}
    for node in graph:
        names |= {str(value.name) for value in node.outputs}
        for inner in subgraphs(node):
            names |= value_names(inner)
    return names


def subgraphs(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs that a node holds, and those inside them."""
    for attribute in node.attributes.values():
        graphs = attribute.value if isinstance(attribute.value, tuple | list) else [attribute.value]
        for graph in graphs:
            if hasattr(graph, "all_nodes"):
                yield graph
                for inner in graph:
                    yield from subgraphs(inner)


def constant(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    """A new weight; a name that is taken already gets a number."""
    import onnx_ir as ir

    unique = fresh(name, value_names(graph))
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

    output = ir.Value(name=fresh(name, value_names(graph)), shape=like.shape, type=like.type)
    node_name = fresh(name, {str(node.name) for node in graph})
    node = ir.node(op_type, inputs, attributes or {}, outputs=[output], name=node_name)
    graph.insert_before(before, node)
    return output


def appended(
    graph: ir.Graph,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, Any] | None = None,
    *,
    kind: Any,
    shape: Sequence[int] | None = None,
    outputs: int = 1,
) -> list[ir.Value]:
    """The outputs of a new last node; type and shape are those of the first."""
    import onnx_ir as ir

    taken = value_names(graph) | {str(node.name) for node in graph}
    name = fresh(f"{inputs[0].name}/{op_type}" if inputs[0] else op_type, taken)
    made = [ir.Value(name=name if i == 0 else f"{name}/{i}") for i in range(outputs)]
    made[0].type, made[0].shape = kind, None if shape is None else ir.Shape(shape)
    graph.append(ir.node(op_type, inputs, attributes or {}, outputs=made, name=name))
    return made


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
    old.name = node.name = f"{name}/replaced"
    new = insert(graph, node, op_type, inputs, like=old, name=name, attributes=attributes)
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def swept(model: ir.Model) -> ir.Model:
    """The model without nodes and weights that nothing reads any more."""
    from onnx_ir.passes import common

    common.RemoveUnusedNodesPass()(model)
    return model
