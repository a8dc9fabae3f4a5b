"""Weights that lie in files beside the model: brought inside, and from nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecut.errors import EdgecutError
from edgecut.loaders.protobuf import inside

if TYPE_CHECKING:
    import onnx


def bring_inside(proto: onnx.ModelProto, path: Path) -> list[bytes]:
    """Bring weights that lie in other files inside, and return what was read.

    Raises:
        EdgecutError: ``missing-external-data``, ``path-escape``.
    """
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    folder = path.parent.resolve()
    read: list[bytes] = []
    for tensor in inside(proto, "TensorProto"):
        if not uses_external_data(tensor):
            continue
        try:
            info = ExternalDataInfo(tensor)
            data = _external_bytes(folder, info, tensor.name, path)
        except ValueError as error:  # no numbers, or no path
            raise EdgecutError(
                f"{path} does not say rightly where the weights of '{tensor.name}' lie: {error}",
                code="missing-external-data",
            ) from error
        tensor.raw_data = data
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        read.append(data)
    return read


def _external_bytes(folder: Path, info: Any, tensor: str, path: Path) -> bytes:
    file: Path = (folder / info.location).resolve()
    if not file.is_relative_to(folder):
        raise EdgecutError(
            f"{path}: the weights of '{tensor}' point out of its folder ('{info.location}')",
            code="path-escape",
            hint="external data must lie beside the model or below",
        )
    if not file.is_file():
        raise EdgecutError(
            f"{path}: the external data file '{info.location}' of '{tensor}' is missing",
            code="missing-external-data",
            hint=f"copy it to {path.parent}",
        )
    offset, size = int(info.offset or 0), file.stat().st_size
    length = int(info.length) if info.length is not None else size - offset
    if offset < 0 or length < 0 or offset + length > size:
        raise EdgecutError(
            f"{path}: '{info.location}' has {size} bytes, but '{tensor}' needs bytes "
            f"{offset} to {offset + length}",
            code="missing-external-data",
            hint="the external data file is truncated, or belongs to another model",
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)
