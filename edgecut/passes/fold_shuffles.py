"""A chain of reshapes, transposes and selections that only picks along one axis is one Gather.

ShuffleNet's channel shuffle and split is written as Reshape, Transpose, Reshape, Gather. On a
channels-last runtime each of those moves the whole tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.ops.region import Indices
from edgecut.ops.rule import Unsupported, attribute, constant_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

MOVES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Gather", "Slice", "Identity")


def fold_shuffles(network: Network) -> Network:
    """The network with each such chain as one selection; unchanged where there is none."""
    return edit.each(network, "fold_shuffles", _fold)


def _is_end(node: ir.Node) -> bool:
    output = node.outputs[0]
    return output.is_graph_output() or any(u.node.op_type not in MOVES for u in output.uses())


def _fold(graph: ir.Graph, end: ir.Node) -> bool:
    if end.op_type not in MOVES or not _is_end(end):
        return False
    chain = _chain(end)
    root = chain[0].inputs[0]
    if len(chain) < 2 or root is None:
        return False
    try:
        picked = _picked_axis(chain, shape_of(root))
    except Unsupported:
        return False
    if picked is None:
        return False
    axis, places = picked
    step = places[1] - places[0] if len(places) > 1 else 1
    name = str(end.outputs[0].name)
    if step > 0 and places == tuple(range(places[0], places[-1] + 1, step)):
        bounds = {"start": places[0], "end": places[-1] + 1, "axis": axis, "step": step}
        picks = [edit.constant(graph, f"{name}/{k}", np.array([v])) for k, v in bounds.items()]
        edit.replace(graph, end, "Slice", [root, *picks], {})
    else:
        where = edit.constant(graph, f"{name}/indices", np.array(places))
        edit.replace(graph, end, "Gather", [root, where], {"axis": axis})
    return True


def _chain(end: ir.Node) -> list[ir.Node]:
    chain = [end]
    while (
        (value := chain[0].inputs[0]) is not None
        and (node := value.producer()) is not None
        and node.op_type in MOVES
    ):
        chain.insert(0, node)
    return chain


def _picked_axis(chain: list[ir.Node], shape: tuple[int, ...]) -> tuple[int, Indices] | None:
    """The axis and indices that the chain as a whole picks, found by sending indices through."""
    after = shape_of(chain[-1].outputs[0])
    if len(after) != len(shape):
        return None
    axis = next((i for i, (a, b) in enumerate(zip(shape, after, strict=True)) if a != b), 1)
    if axis >= len(shape):
        return None
    places = np.arange(int(np.prod(shape))).reshape(shape)
    moved = places
    for node in chain:
        moved = _moved(node, moved)
    stride = int(np.prod(shape[axis + 1 :]))
    along = moved[tuple(slice(None) if i == axis else 0 for i in range(moved.ndim))] // stride
    along %= shape[axis]  # an element of another row makes the comparison fail, as it must
    same = np.array_equal(np.take(places, along, axis=axis), moved)
    return (axis, tuple(along.tolist())) if same else None


def _moved(node: ir.Node, array: np.ndarray) -> np.ndarray:
    if node.op_type == "Transpose":
        return array.transpose(attribute(node, "perm", list(reversed(range(array.ndim)))))
    if node.op_type == "Gather":
        where = constant_of(node, 1)
        assert where is not None
        return np.take(array, where, axis=attribute(node, "axis", 0))
    if node.op_type == "Slice":
        bounds = [constant_of(node, i) for i in range(1, 5)]
        if any(b is None for b in bounds):
            raise Unsupported("a slice without explicit axes and steps")
        cut = [slice(None)] * array.ndim
        for start, end, axis, step in zip(
            *(b.tolist() for b in bounds if b is not None), strict=True
        ):
            cut[axis] = slice(start, end, step)
        return array[tuple(cut)]
    return array.reshape(shape_of(node.outputs[0]))
