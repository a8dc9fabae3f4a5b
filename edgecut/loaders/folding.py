"""Constants computed once, when a model is loaded; no other simplification happens here."""

from __future__ import annotations

from math import ceil, prod
from typing import TYPE_CHECKING

from edgecut.aside import foldable
from edgecut.errors import EdgecutError
from edgecut.quiet import quiet

if TYPE_CHECKING:
    import onnx

LARGEST_BYTES = 256 * 2**20
# What makes much of little, so that its size must be known before it is computed.
_GROWING = ("ConstantOfShape", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile")
_LATER = "edgecut.later"
# ONNX infers no shape for the one, and for the other the one that it has, too.
_SILENT, _ALIKE = "GroupNormalization", "InstanceNormalization"


def is_due(proto: onnx.ModelProto) -> bool:
    """Whether there is something to fold."""
    return next(foldable(proto.graph), None) is not None


def folded(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model, with its shapes, once all that depends on constants alone is computed.

    Raises:
        EdgecutError: ``too-large`` where that takes a tensor of more than 256 MiB.
    """
    before, later = None, _check_sizes(proto, where)
    while later != before:
        # The sizes of what waits may be among the constants that are folded now.
        proto = with_shapes(_simplified(proto, later))
        before, later = later, _check_sizes(proto, where)
    return proto


def with_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes that ONNX infers.

    Without ``data_prop``: that computes constants, however large, and folding does so in time.
    """
    from onnx import shape_inference

    silent = [node for node in proto.graph.node if node.op_type == _SILENT]
    places = [i for i, node in enumerate(proto.graph.node) if node.op_type == _SILENT]
    for node in silent:
        node.op_type = _ALIKE
    try:
        inferred = shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    finally:
        for node in silent:
            node.op_type = _SILENT
    for i in places:
        inferred.graph.node[i].op_type = _SILENT
    return inferred


def _check_sizes(proto: onnx.ModelProto, where: str) -> list[str]:
    """Refuse constants that are too large; the growing ones whose size is not known yet."""
    known = {value.name: value for value in (*proto.graph.value_info, *proto.graph.output)}
    later = []
    for node in foldable(proto.graph):
        for name in node.output:
            size = _size(known.get(name))
            if size is None and node.op_type in _GROWING:
                later.append(name)
            if (size or 0) > LARGEST_BYTES:
                raise EdgecutError(
                    f"{where}: the constant '{name}', made by {node.op_type}, takes {size} bytes",
                    code="too-large",
                    hint=f"edgecut computes constants of up to {LARGEST_BYTES} bytes",
                )
    return later


def _size(value: onnx.ValueInfoProto | None) -> int | None:
    import onnx_ir as ir

    if value is None or not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") for dim in dims):
        return None
    kind = ir.DataType(value.type.tensor_type.elem_type)
    itemsize: float = 1 if kind == ir.DataType.STRING else kind.itemsize
    count: int = prod(dim.dim_value for dim in dims)
    return ceil(count * itemsize)


def _simplified(proto: onnx.ModelProto, later: list[str]) -> onnx.ModelProto:
    """Folded by onnxsim, except for the nodes that make these values."""
    import onnxsim
    from onnx import helper

    for node in proto.graph.node if later else ():
        if set(later).intersection(node.output):
            node.domain = _LATER  # which onnxsim does not know, and so leaves alone
    if later:
        proto.opset_import.append(helper.make_opsetid(_LATER, 1))
    with quiet():
        proto, _ = onnxsim.simplify(proto, perform_optimization=False)
    for node in proto.graph.node if later else ():
        node.domain = "" if node.domain == _LATER else node.domain
    for opset in [o for o in proto.opset_import if o.domain == _LATER]:
        proto.opset_import.remove(opset)
    return proto
