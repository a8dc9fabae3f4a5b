"""ONNX files: parsed, completed with their external data, fixed to static shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgecut import contained
from edgecut.aside import as_inputs
from edgecut.errors import EdgecutError
from edgecut.loaders import folding, opset
from edgecut.loaders.exactness import check_exact
from edgecut.loaders.external_data import Apart, arrays, bring_inside, check_length, mapped
from edgecut.loaders.outline import outline
from edgecut.loaders.protobuf import first_damaged_text, inside
from edgecut.network import Network, to_model

if TYPE_CHECKING:
    import onnx

    from edgecut.aside import Weights

LARGEST_INPUT = 2**29
InputShapes = Mapping[str, Sequence[int]]
T = TypeVar("T")


def load_onnx(path: Path, *, input_shapes: InputShapes | None = None) -> Network:
    """The network in an ONNX file, which a child process reads.

    Args:
        path: the file; external data must lie in its folder or below.
        input_shapes: input name (or ``""`` for the only input) -> static shape. A dynamic batch
            axis that is not given becomes 1.

    Raises:
        EdgecutError: ``missing-model``, ``not-onnx``, ``missing-external-data``, ``path-escape``,
            ``bad-weights``, ``unsupported-opset``, ``unknown-input``, ``bad-input-shape``,
            ``dynamic-shape``, ``shape-inference``, ``too-large``, ``load-not-exact``,
            ``brought-down``.
    """
    shapes = {name: list(shape) for name, shape in (input_shapes or {}).items()}
    asked = {"path": str(path.absolute()), "where": str(path), "input_shapes": shapes}
    told, data = contained.call(f"{__name__}:read", asked, what=str(path))
    apart = {name: Apart.from_json(weight) for name, weight in told["apart"].items()}
    proto = _parse(data, str(path))
    return _network(proto, arrays(apart), path.stem, told["digest"], where=str(path))


def read(asked: Mapping[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
    """An ONNX file, prepared and checked: the digest and the weights apart, and the model."""
    path, where = Path(asked["path"]), asked["where"]
    proto = _parse(_outline(path, where), where)
    apart, digest = bring_inside(proto, path, where)
    prepared = _prepared(proto, arrays(apart), asked["input_shapes"], where=where)
    told = {name: weight.to_json() for name, weight in apart.items()}
    return {"digest": digest, "apart": told}, _understood(prepared.SerializeToString, where)


def from_proto(
    proto: onnx.ModelProto,
    *,
    name: str,
    where: str,
    digest: str,
    input_shapes: InputShapes | None = None,
) -> Network:
    """The network in a parsed model whose weights are all inside; ``where`` names it in errors."""
    prepared = _prepared(proto, {}, input_shapes or {}, where=where)
    return _network(prepared, {}, name, digest, where=where)


def _network(
    proto: onnx.ModelProto, apart: Weights, name: str, digest: str, *, where: str
) -> Network:
    model = _understood(lambda: to_model(proto, apart), where)
    return Network(name=name, model=model, digest=digest, history=("load",))


def _prepared(
    proto: onnx.ModelProto, apart: Weights, input_shapes: InputShapes, *, where: str
) -> onnx.ModelProto:
    """The model as ``to_model`` takes it: on a working opset, with static shapes, and checked.

    Weights that are ``apart`` are inputs there.
    """
    _check_texts(proto, where)
    opset.check(proto, where)
    _drop_weights_from_inputs(proto)
    _fix_inputs(proto, input_shapes, where)
    as_inputs(proto, apart)
    _check_weights(proto, where)
    original = proto.SerializeToString()
    prepared, changed = _understood(lambda: _converted(proto, where), where)
    if changed:
        network = _network(prepared, apart, "", "", where=where)
        check_exact(original, apart, network, where)
    return prepared


def _outline(path: Path, where: str) -> bytes:
    """All of a file but its large weights."""
    try:
        return outline(mapped(path))
    except FileNotFoundError:
        raise EdgecutError(f"{where} does not exist", code="missing-model") from None
    except OSError as error:
        raise EdgecutError(
            f"{where} cannot be read: {error.strerror}", code="missing-model"
        ) from error


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise EdgecutError(
            f"{where} is not an ONNX model, or it is truncated ({len(data)} bytes read)",
            code="not-onnx",
            hint="compare its size with the original's; a git-lfs pointer looks like this too",
        ) from error
    if not proto.graph.node or not proto.graph.output:
        raise EdgecutError(
            f"{where} is not an ONNX model: it holds no graph with nodes and outputs",
            code="not-onnx",
        )
    return proto


def _check_texts(proto: onnx.ModelProto, where: str) -> None:
    damaged = first_damaged_text(proto)
    if damaged is not None:
        raise EdgecutError(
            f"{where} is not an ONNX model, or it is damaged: {damaged[:60]!r} is no UTF-8",
            code="not-onnx",
        )


def _check_weights(proto: onnx.ModelProto, where: str) -> None:
    """Refuse weights of a wrong size, and those in other files that nobody brought along."""
    from onnx.external_data_helper import uses_external_data

    for tensor in inside(proto, "TensorProto"):
        if uses_external_data(tensor):  # would be looked for in the working directory
            raise EdgecutError(
                f"{where}: the weights of '{tensor.name}' lie in another file",
                code="missing-external-data",
            )
        if tensor.HasField("raw_data"):
            check_length(tensor, len(tensor.raw_data), where)


def _drop_weights_from_inputs(proto: onnx.ModelProto) -> None:
    weights = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in weights]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    # Before IR version 4 every weight had to be listed there.
    proto.ir_version = max(proto.ir_version, 4)


def _fix_inputs(proto: onnx.ModelProto, given: InputShapes, where: str) -> None:
    names = [value.name for value in proto.graph.input]
    for name in given:
        if name not in names and (name or len(names) != 1):
            what = f"has no input '{name}'" if name else f"has {len(names)} inputs: say which one"
            raise EdgecutError(
                f"{where} {what}",
                code="unknown-input",
                hint=f"its inputs: {', '.join(names)}",
            )
    for value in proto.graph.input:
        shape = given.get(value.name, given.get("") if len(names) == 1 else None)
        _fix_input(value, shape, where)


def _fix_input(value: onnx.ValueInfoProto, shape: Sequence[int] | None, where: str) -> None:
    dims = value.type.tensor_type.shape.dim
    if shape is not None:
        fits = len(dims) == len(shape) and all(
            d.dim_value in (0, s) for d, s in zip(dims, shape, strict=True)
        )
        if not fits:
            known = [d.dim_value or d.dim_param or "?" for d in dims]
            raise EdgecutError(
                f"{where}: {list(shape)} does not fit input '{value.name}' of shape {known}",
                code="bad-input-shape",
            )
        for dim, size in zip(dims, shape, strict=True):
            dim.dim_value = size
    for place, dim in enumerate(dims):
        if dim.dim_value > 0:
            continue
        if place:
            example = "x".join(
                str(d.dim_value or ("1" if i == 0 else "224")) for i, d in enumerate(dims)
            )
            raise EdgecutError(
                f"{where}: axis {place} of input '{value.name}' is dynamic",
                code="dynamic-shape",
                hint=f"give its size, for example --input-shape {example}",
            )
        dim.dim_value = 1
    if prod(dim.dim_value for dim in dims) > LARGEST_INPUT:
        raise EdgecutError(
            f"{where}: input '{value.name}' has {prod(dim.dim_value for dim in dims)} elements",
            code="too-large",
            hint=f"edgecut takes inputs of up to {LARGEST_INPUT}",
        )


def _converted(proto: onnx.ModelProto, where: str) -> tuple[onnx.ModelProto, bool]:
    """Without functions, on a working opset, shapes inferred afresh for the fixed inputs.

    Also whether a node may have changed on the way.
    """
    import onnx
    from onnx import inliner

    changed = bool(proto.functions)
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    if opset.version_of(proto) < opset.WORKING:
        proto, changed = opset.converted(proto, where), True
    # The inputs were fixed just now: symbolic sizes elsewhere are out of date.
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            dim.ClearField("dim_param")
    proto = folding.with_shapes(proto)
    if folding.is_due(proto):
        proto, changed = folding.folded(proto, where), True
    onnx.checker.check_model(proto)
    return proto, changed


def _understood(prepare: Callable[[], T], where: str) -> T:
    """Run the onnx package's own passes; what they reject is the file's fault, told in a line."""
    try:
        return prepare()
    except EdgecutError:
        raise
    except Exception as error:  # the C++ passes raise a dozen unrelated kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise EdgecutError(
            f"{where} does not pass ONNX's checks and shape inference: {reason[0][:300]}",
            code="shape-inference",
            hint="`python -m onnx.checker` on the file tells more",
        ) from error
