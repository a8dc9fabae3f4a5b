"""The OpenVINO emitter: a network becomes an IR, a ``.xml`` and a ``.bin``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecut.artifact import Emitted, Port
from edgecut.errors import EdgecutError, MissingPackage

if TYPE_CHECKING:
    from edgecut.network import Network, TensorSpec

Refusal = tuple[str, str, str]

SCHEMES = ("float32", "float16")
_TOLD = 5
_MARK = "network:"
# What describes the graph rather than computes; every plugin takes it.
_STRUCTURE = frozenset({"Parameter", "Constant", "Result"})


def emit(network: Network, *, scheme: str) -> Emitted:
    """The network as OpenVINO IR with the network's own names; the same network, the same bytes.

    Args:
        network: static shapes.
        scheme: ``float32``, or ``float16`` for weights in float16 (input and output stay float32).

    Raises:
        EdgecutError: ``scheme-not-allowed``, or ``unsupported-operation`` where OpenVINO does not
            read the network.
        MissingPackage: where openvino is not installed.
    """
    if scheme not in SCHEMES:
        raise EdgecutError(
            f"the OpenVINO emitter does not write '{scheme}'",
            code="scheme-not-allowed",
            hint=f"it writes {' and '.join(SCHEMES)}; int8 is the quantiser's",
        )
    files = _files(_model(network), compress=scheme == "float16")
    return Emitted(
        format="openvino",
        scheme=scheme,
        files=files,
        inputs=tuple(map(_port, network.inputs)),
        outputs=tuple(map(_port, network.outputs)),
    )


def unsupported(network: Network, operations: Sequence[str]) -> list[Refusal]:
    """What a device that takes only these operations would refuse: operation, node and reason.

    Args:
        network: static shapes.
        operations: types of OpenVINO operations (``Convolution``), as in a target's list.

    Raises:
        EdgecutError: ``unsupported-operation`` where OpenVINO does not read the network.
        MissingPackage: where openvino is not installed.
    """
    allowed = _STRUCTURE.union(operations)
    refusals: list[Refusal] = []
    for node in _model(network).get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind not in allowed:
            refusals.append((kind, name, "the device does not take this operation"))
        elif any(output.get_partial_shape().is_dynamic for output in node.outputs()):
            refusals.append((kind, name, "its shape is dynamic"))
    return refusals


def require_supported(network: Network, operations: Sequence[str]) -> None:
    """Raise ``unsupported-operation``, naming operations and nodes, where any is unsupported."""
    refusals = unsupported(network, operations)
    if not refusals:
        return
    told = "; ".join(f"{kind} '{name}': {reason}" for kind, name, reason in refusals[:_TOLD])
    more = f"; and {len(refusals) - _TOLD} more" if len(refusals) > _TOLD else ""
    raise EdgecutError(
        f"{network.name} cannot run on the target: {told}{more}",
        code="unsupported-operation",
        where=refusals[0][1],
        hint="choose another target, or rewrite these operations before exporting",
    )


def _model(network: Network) -> Any:
    """The network as an ``ov.Model``: constants folded, patterns such as SiLU fused."""
    core = _openvino().Core()
    # What OpenVINO's own converter runs; the converter itself adds its command line to the file.
    from openvino._offline_transformations import apply_moc_transformations

    try:
        model = _read(core, network)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        reasons = [line[3:] for line in lines if line.startswith("-- ")] or lines[-1:]
        raise EdgecutError(
            f"OpenVINO does not read {network.name}: {'; '.join(reasons)}",
            code="unsupported-operation",
            hint="choose a TFLite target, or rewrite that operation before exporting",
        ) from error
    apply_moc_transformations(model, cf=True)
    _settle_names(model)
    return model


def _read(core: Any, network: Network) -> Any:
    """The network as OpenVINO reads it, its own node names marked.

    Other names OpenVINO makes up, with a counter that never starts again in a process, and they
    may be the same as one of the network's.
    """
    proto = network.to_proto()
    for node in proto.graph.node:
        node.name = f"{_MARK}{node.name or node.output[0]}"
    return core.read_model(proto.SerializeToString(deterministic=True))


def _settle_names(model: Any) -> None:
    """Name each node as the network does, or else by its output's name, or by type and place."""
    for place, node in enumerate(model.get_ordered_ops()):
        name = node.get_friendly_name()
        tensors = sorted(name for output in node.outputs() for name in output.get_names())
        made_up = tensors[0] if tensors else f"{node.get_type_name()}.{place}"
        node.set_friendly_name(name.removeprefix(_MARK) if name.startswith(_MARK) else made_up)


def _files(model: Any, *, compress: bool) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        _openvino().save_model(model, path, compress_to_fp16=compress)
        return {suffix: path.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")}


def _port(spec: TensorSpec) -> Port:
    return Port(
        network_name=spec.name,
        artifact_name=spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        permutation=tuple(range(len(spec.shape))),
    )


def _openvino() -> Any:
    """The package, without its telemetry.

    Importing openvino looks up a telemetry host and writes to the home folder, unless the package
    for that is missing; so it is.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingPackage("openvino", extra="openvino", why="writing OpenVINO IR") from error
    return openvino
