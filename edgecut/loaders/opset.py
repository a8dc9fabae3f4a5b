"""One standard domain, and an opset that the rules are written for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.errors import EdgecutError
from edgecut.loaders.protobuf import inside

if TYPE_CHECKING:
    import onnx

OLDEST = 9
WORKING = 13
_STANDARD = ("", "ai.onnx")  # two spellings of one domain


def version_of(proto: onnx.ModelProto) -> int:
    """The version of the standard operations that a model is written in."""
    versions = [o.version for o in proto.opset_import if o.domain in _STANDARD]
    return int(max(versions, default=1))


def check(proto: onnx.ModelProto, where: str) -> None:
    """Refuse opsets that edgecut does not read, and spell the standard domain ``""`` throughout.

    Raises:
        EdgecutError: ``unsupported-opset``.
    """
    import onnx

    version, newest = version_of(proto), onnx.defs.onnx_opset_version()
    if not OLDEST <= version <= newest:
        raise EdgecutError(
            f"{where} uses opset {version}; edgecut reads {OLDEST} to {newest}",
            code="unsupported-opset",
            hint="export the model again with a newer opset"
            if version < OLDEST
            else "update the onnx package",
        )
    for holder in (proto, *proto.functions):
        _spell_alike(holder, where)


def _spell_alike(holder: Any, where: str) -> None:
    """``ai.onnx`` becomes ``""`` in the imports and the nodes of a model or a function."""
    standard = [o for o in holder.opset_import if o.domain in _STANDARD]
    if len({o.version for o in standard}) > 1:
        found = ", ".join(f"'{o.domain}' {o.version}" for o in standard)
        raise EdgecutError(
            f"{where} imports the standard domain in several versions: {found}",
            code="unsupported-opset",
            hint="'ai.onnx' and '' are one domain; export the model with one version of it",
        )
    for extra in standard[1:]:
        holder.opset_import.remove(extra)
    for message in (*standard[:1], *inside(holder, "NodeProto")):
        if message.domain in _STANDARD:
            message.domain = ""


def converted(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model on opset 13, by onnx's converter and what that leaves out.

    Raises:
        EdgecutError: ``unsupported-opset`` where an operation has no counterpart there.
    """
    from onnx import shape_inference, version_converter

    if any(node.op_type == "Hardmax" for node in inside(proto, "NodeProto")):
        raise EdgecutError(
            f"{where}: Hardmax of opset {version_of(proto)} flattens its input; none does since 13",
            code="unsupported-opset",
            hint="export the model again with opset 13 or newer",
        )
    old = _resizes(proto) if version_of(proto) < 11 else {}
    # The converter needs shapes for some of its adapters, Softmax's among them.
    proto = shape_inference.infer_shapes(proto)
    proto = version_converter.convert_version(proto, WORKING)
    for node in inside(proto, "NodeProto"):
        if node.op_type == "Resize" and node.output[0] in old:
            _set(node, "coordinate_transformation_mode", "asymmetric")
            _set(node, "nearest_mode", old[node.output[0]])
    return proto


def _resizes(proto: onnx.ModelProto) -> dict[str, str]:
    """Output -> rounding of the nearest pixel, of resizes from before they could say it.

    They start at pixel 0 and round down where they enlarge, up where they shrink, as the example
    resize_downsample_nearest of opset 10 and ONNX Runtime have it.
    """
    from onnx import numpy_helper

    values = {tensor.name: tensor for tensor in inside(proto, "TensorProto")}
    nodes = list(inside(proto, "NodeProto"))
    values |= {n.output[0]: n.attribute[0].t for n in nodes if n.op_type == "Constant"}
    found = {}
    for node in nodes:
        if node.op_type in ("Resize", "Upsample"):
            scales = values.get(node.input[1])
            shrinks = scales is not None and np.any(numpy_helper.to_array(scales) < 1)
            found[node.output[0]] = "ceil" if shrinks else "floor"
    return found


def _set(node: onnx.NodeProto, name: str, value: str) -> None:
    from onnx import helper

    for attribute in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))
