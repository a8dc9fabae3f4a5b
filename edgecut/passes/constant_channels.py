"""Channels that are constants go; what they add is folded into the biases of what reads them.

A filter whose weights are all zero, as pruning leaves it, gives its bias at every place, and
functions of constants give constants. A matrix product, and a convolution that pads nothing beside
it, adds one number for such a channel: that joins the bias, and its weights become zero. Then
nothing reads the channel, and demand drops it, with the filter that made it and all in between.

Like the zeros of ``edgecut.ops.zeros``, this takes what is multiplied by zero to be finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut import edit
from edgecut.demand import demand
from edgecut.ops.elementwise import Elementwise
from edgecut.ops.rule import Unsupported, attribute, constant_of, op_of, shape_of
from edgecut.passes.narrow import narrow

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

# Each element that they give is one, or a sum or mean without negative shares, of those they take.
SHARING = (
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Gather"),
    *("Concat", "Expand", "Pad", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"),
    *("ReduceMean", "ReduceSum", "ReduceMax", "Resize"),
)

MOST_ELEMENTS = 2**26

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a tensor: ``values``, but where ``unknown``; both of the tensor's shape."""

    unknown: NDArray[np.bool_]
    values: Array

    def along(self, axis: int) -> tuple[NDArray[np.bool_], Array]:
        """Which indices of an axis hold one number throughout, and that number."""
        unknown, values = (
            np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
            for array in (self.unknown, self.values)
        )
        first = values[:, :1]
        return ~unknown.any(axis=1) & (values == first).all(axis=1), first[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """A convolution or matrix product: weights (rows, inner, ...), and what there is beside them.

    ``axis`` is that of the channels, inside and outside. ``bias`` is the node, and the place among
    its inputs, that adds one; None where nothing does.
    """

    weights: Array
    axis: tuple[int, int]
    bias: tuple[ir.Node, int] | None
    turned: bool = False  # the node holds its weights (inner, rows)
    groups: int = 1
    alpha: float = 1.0
    pads: bool = False


def constant_channels(network: Network) -> Network:
    """The network without constant channels that are only ever multiplied by weights.

    It is the same network where there is none, or where that would save no weights or put
    selections between its nodes. What pads such a channel, or adds it to one that is no constant,
    keeps it.
    """
    while (folded := _folded(network)) is not network:
        small = narrow(folded, demand(folded, {}), {})
        if len(small.model.graph) > len(network.model.graph) or _size(small) >= _size(network):
            return network
        network = small
    return network


def _size(network: Network) -> int:
    """How many numbers the weights have."""
    weights = network.model.graph.initializers.values()
    return sum(weight.const_value.size for weight in weights if weight.const_value is not None)


def _folded(network: Network) -> Network:
    """The network without products of constants; the same one where there are none."""
    model = network.editable()
    known: dict[str, _Known] = {}
    changed = False
    for node in list(model.graph):
        try:
            product = _product(node)
            if product is not None:
                changed |= _fold(model.graph, node, product, known)
                product = _product(node)
            known.update(_given(model.graph, node, product, known))
        except Unsupported:
            continue
    return network.evolve(edit.swept(model), "constant_channels") if changed else network


def _product(node: ir.Node) -> _Product | None:
    """The node as a product with constant float32 weights, where it is one."""
    if op_of(node) not in ("Conv", "Gemm", "MatMul"):
        return None
    weights, rank = constant_of(node, 1), len(_shape(node.inputs[0]))
    if weights is None or weights.dtype != np.float32:
        return None
    if op_of(node) == "Conv":
        constant_of(node, 2)
        named = attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        return _Product(
            weights=weights,
            axis=(1, 1),
            bias=(node, 2),
            groups=int(attribute(node, "group", 1)),
            pads=named or any(attribute(node, "pads", [])),
        )
    if op_of(node) == "Gemm":
        constant_of(node, 2)
        turned, inner = not attribute(node, "transB", 0), 0 if attribute(node, "transA", 0) else 1
        return _Product(
            weights=weights.T if turned else weights,
            axis=(inner, 1),
            bias=(node, 2) if attribute(node, "beta", 1.0) == 1.0 else None,
            turned=turned,
            alpha=float(attribute(node, "alpha", 1.0)),
        )
    if weights.ndim != 2 or rank < 2:
        return None
    axis = (rank - 1, rank - 1)
    return _Product(weights=weights.T, axis=axis, bias=_addition(node), turned=True)


def _addition(node: ir.Node) -> tuple[ir.Node, int] | None:
    """The addition of a constant that follows a node, where nothing else reads it."""
    output = node.outputs[0]
    readers = [reader for reader, _ in output.uses()]
    if len(readers) != 1 or op_of(readers[0]) != "Add" or output.is_graph_output():
        return None
    (place,) = (i for i, value in enumerate(readers[0].inputs) if value is not output)
    other = readers[0].inputs[place]
    return (readers[0], place) if other is not None and other.const_value is not None else None


def _fold(graph: ir.Graph, node: ir.Node, product: _Product, known: Mapping[str, _Known]) -> bool:
    """Move what constant channels add from a node's weights to the bias."""
    source = known.get(str(node.inputs[0].name)) if node.inputs[0] is not None else None
    if source is None:
        return False
    is_constant, values = source.along(product.axis[0])
    if product.pads or product.bias is None:
        is_constant = is_constant & (values == 0)
    gone, factor = (_by_row(array, product) for array in (is_constant, values))
    moved = np.where(gone, product.weights, 0)
    if not moved.any():
        return False
    left = np.where(gone, 0, product.weights)
    _set(graph, node, 1, left.T if product.turned else left)
    added = (moved.astype(np.float64) * factor).sum(axis=tuple(range(1, moved.ndim)))
    if product.bias is not None and added.any():
        holder, place = product.bias
        before = constant_of(holder, place)
        _set(graph, holder, place, product.alpha * added + (0 if before is None else before))
    return True


def _by_row(channels: Array, product: _Product) -> Array:
    """Numbers of each channel as the weights hold it: those of each row's own group."""
    each = channels.reshape(product.groups, -1)
    rows = each.repeat(len(product.weights) // product.groups, axis=0)
    return rows.reshape(*rows.shape, *(1,) * (product.weights.ndim - 2))


def _set(graph: ir.Graph, node: ir.Node, place: int, array: Array) -> None:
    if place >= len(node.inputs):
        node.resize_inputs(place + 1)
    name = f"{node.outputs[0].name}/folded{place}"
    node.replace_input_with(place, edit.constant(graph, name, array.astype(np.float32)))


def _given(
    graph: ir.Graph, node: ir.Node, product: _Product | None, known: Mapping[str, _Known]
) -> Iterator[tuple[str, _Known]]:
    """What is known of a node's outputs, where that is anything."""
    if product is not None:
        off = np.asarray(~product.weights.any(axis=tuple(range(1, product.weights.ndim))))
        own = product.bias is not None and product.bias[0] is node
        if not off.any() or (op_of(node) == "Gemm" and not own):
            return
        bias = constant_of(node, 2) if own else None
        values = np.zeros((), np.float32) if bias is None else bias
        found = [_along(node, product.axis[1], ~off, values)]
    elif op_of(node) == "BatchNormalization" and len(node.outputs) == 1:
        scale, bias = constant_of(node, 1), constant_of(node, 2)
        assert scale is not None and bias is not None
        found = [_along(node, 1, np.asarray(scale != 0), bias)]
    else:
        found = _passed(graph, node, known)
    for output, one in zip(node.outputs, found, strict=False):
        unknown = one.unknown | ~np.isfinite(one.values)
        if not unknown.all():
            yield str(output.name), _Known(unknown, one.values)


def _along(node: ir.Node, axis: int, unknown: Array, values: Array) -> _Known:
    """An output of which one axis says what is known; ``values`` end with it if they have it."""
    shape = _shape(node.outputs[0])
    tail = (1,) * (len(shape) - axis - 1)
    return _Known(
        *(
            np.broadcast_to(array.reshape(*array.shape, *tail) if tail else array, shape)
            for array in (unknown, values)
        )
    )


def _passed(graph: ir.Graph, node: ir.Node, known: Mapping[str, _Known]) -> list[_Known]:
    """What a function gives of what is known, element by element."""
    op, parts = op_of(node), [_part(value, known) for value in _taken(node)]
    there = [part for part in parts if part is not None]
    zeros = [~part.unknown & (part.values == 0) for part in there] if op == "Mul" else []
    if not any(str(v.name) in known for v in _taken(node) if v is not None) and not any(
        zero.any() for zero in zeros
    ):
        return []
    values = _evaluated(graph, node, [None if p is None else p.values for p in parts])
    if op in SHARING:
        # What is made of anything unknown has a share of it.
        shares = [None if p is None else p.unknown.astype(np.float32) for p in parts]
        unknown = [share > 0 for share in _evaluated(graph, node, shares)]
    else:
        shape = values[0].shape
        unknown = [np.zeros(shape, bool)]
        for part in there:
            unknown[0] |= part.unknown
        for zero in zeros:
            unknown[0] &= ~zero
    return [_Known(_thin(a), _thin(b)) for a, b in zip(unknown, values, strict=True)]


def _taken(node: ir.Node) -> Sequence[ir.Value | None]:
    """The inputs of which a function's outputs are made; none where it is not understood here."""
    op = op_of(node)
    if len(node.outputs) > 1 and op != "Split":
        return ()  # MaxPool may tell places, too
    if op in Elementwise.op_types or op == "Concat":
        return node.inputs
    # A cubic curve has negative shares.
    return node.inputs[:1] if op in SHARING and attribute(node, "mode", "") != "cubic" else ()


def _part(value: ir.Value | None, known: Mapping[str, _Known]) -> _Known | None:
    """What is known of an input; ones stand for what is not."""
    import onnx_ir as ir

    if value is None or str(value.name) in known:
        return None if value is None else known[str(value.name)]
    if value.const_value is not None:
        values = value.const_value.numpy()
        return _Known(np.zeros(values.shape, bool), values)
    if value.dtype != ir.DataType.FLOAT:
        raise Unsupported("it takes something else than float32")
    shape = _shape(value)
    return _Known(np.broadcast_to(True, shape), np.broadcast_to(np.float32(1), shape))


def _shape(value: ir.Value | None) -> tuple[int, ...]:
    """The shape of a tensor that may be looked at element by element.

    Raises:
        Unsupported: it is not known, or too large.
    """
    shape = shape_of(value)
    if prod(shape) > MOST_ELEMENTS:
        raise Unsupported(f"a tensor of {prod(shape)} elements")
    return shape


def _thin(array: Array) -> Array:
    """The same array, held once along each axis on which it repeats itself."""
    shape = array.shape
    for axis in range(array.ndim):
        first = array.take([0], axis)
        array = first if (array == first).all() else array
    return np.broadcast_to(array, shape)


def _evaluated(graph: ir.Graph, node: ir.Node, first: Sequence[Array | None]) -> list[Array]:
    """What ONNX Runtime gives for a node, for these arrays and the constants that follow them.

    Raises:
        Unsupported: a constant is none, or ONNX Runtime does not take the node.
    """
    import onnx_ir as ir
    import onnxruntime as ort
    from onnx import TensorProto, helper

    arrays = [*first, *(constant_of(node, i) for i in range(len(first), len(node.inputs)))]
    feeds = {f"in{i}": np.asarray(a, order="C") for i, a in enumerate(arrays) if a is not None}
    proto = ir.to_proto(node)
    del proto.input[:], proto.output[:]
    proto.input.extend("" if array is None else f"in{i}" for i, array in enumerate(arrays))
    proto.output.extend(f"out{i}" for i in range(len(node.outputs)))
    model = helper.make_model(
        helper.make_graph(
            [proto],
            "node",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
                )
                for name, array in feeds.items()
            ],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in proto.output],
        ),
        opset_imports=[helper.make_opsetid(*item) for item in graph.opset_imports.items()],
        ir_version=9,
    )
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(None, feeds))
    except Exception as reason:  # ONNX Runtime raises whatever its C++ code raises
        raise Unsupported(str(reason)) from reason
