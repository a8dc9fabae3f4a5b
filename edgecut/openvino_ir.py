"""OpenVINO's intermediate representation: a network read into it, and its files."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecut.artifact import Emitted, Port
from edgecut.errors import EdgecutError, MissingPackage

if TYPE_CHECKING:
    from edgecut.network import Network

_MARK = "network:"


def openvino_package() -> Any:
    """The package ``openvino``, without its telemetry.

    Importing it looks up a telemetry host and writes to the home folder, unless the package for
    that is missing; so it is.

    Raises:
        MissingPackage: openvino is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingPackage("openvino", extra="openvino", why="writing OpenVINO IR") from error
    return openvino


def read(network: Network) -> Any:
    """The network as an ``ov.Model``: constants folded, patterns such as SiLU fused.

    Its own node names are marked. Other names OpenVINO makes up, with a counter that never starts
    again in a process, and they may be the same as one of the network's; ``settle_names`` mends it.

    Raises:
        EdgecutError: ``unsupported-operation`` where OpenVINO does not read the network.
        MissingPackage: openvino is not installed.
    """
    core = openvino_package().Core()
    # What OpenVINO's own converter runs; the converter itself adds its command line to the file.
    from openvino._offline_transformations import apply_moc_transformations

    proto = network.to_proto()
    for node in proto.graph.node:
        node.name = f"{_MARK}{node.name or node.output[0]}"
    try:
        model = core.read_model(proto.SerializeToString(deterministic=True))
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        reasons = [line[3:] for line in lines if line.startswith("-- ")] or lines[-1:]
        raise EdgecutError(
            f"OpenVINO does not read {network.name}: {'; '.join(reasons)}",
            code="unsupported-operation",
            hint="choose a TFLite target, or rewrite that operation before exporting",
        ) from error
    apply_moc_transformations(model, cf=True)
    return model


def settle_names(model: Any) -> Any:
    """Name each node as the network does, or else by its output's name, or by type and place."""
    for place, node in enumerate(model.get_ordered_ops()):
        name = node.get_friendly_name()
        tensors = sorted(name for output in node.outputs() for name in output.get_names())
        made_up = tensors[0] if tensors else f"{node.get_type_name()}.{place}"
        node.set_friendly_name(name.removeprefix(_MARK) if name.startswith(_MARK) else made_up)
    return model


def emitted(model: Any, network: Network, scheme: str, *, compress: bool = False) -> Emitted:
    """The model's files; with ``compress`` its weights are written in float16.

    The network's metadata is in the runtime information, under ``framework``.
    """
    settle_names(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino_package().save_model(model, path, compress_to_fp16=compress)
        files = {suffix: path.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")}
    return Emitted(
        format="openvino",
        scheme=scheme,
        files=files,
        inputs=tuple(map(Port.same, network.inputs)),
        outputs=tuple(map(Port.same, network.outputs)),
    )
