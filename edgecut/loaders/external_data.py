"""Weights that lie in files: large ones mapped from there, the others brought inside.

They come from the model's own file and from files beside it or below, and from nowhere else.
"""

from __future__ import annotations

import hashlib
import mmap
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.aside import LARGE_BYTES, PROTOBUF_BYTES, foldable, is_plain
from edgecut.errors import EdgecutError
from edgecut.loaders.outline import OWN
from edgecut.loaders.protobuf import inside

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

_READ_BYTES = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bytes of a weight lie."""

    file: str
    offset: int
    length: int

    def read(self) -> bytes:
        """The bytes, copied."""
        with open(self.file, "rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A weight that stays in its file."""

    place: Place
    dtype: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Apart:
        """From plain values."""
        return cls(place=Place(**told["place"]), dtype=told["dtype"], shape=tuple(told["shape"]))


def arrays(apart: Mapping[str, Apart]) -> dict[str, NDArray[Any]]:
    """The weights' numbers, read-only, which come into memory as they are looked at."""
    files = {file: mapped(Path(file)) for file in {weight.place.file for weight in apart.values()}}
    found = {}
    for name, weight in apart.items():
        place = weight.place
        data = files[place.file][place.offset : place.offset + place.length]
        found[name] = np.frombuffer(data, weight.dtype).reshape(weight.shape)
    return found


def mapped(path: Path) -> memoryview:
    """A file's bytes, read as they are looked at."""
    with path.open("rb") as stream:
        # A file of no bytes cannot be mapped.
        size = stream.seek(0, 2)
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


def bring_inside(proto: onnx.ModelProto, path: Path, where: str) -> tuple[dict[str, Apart], str]:
    """Bring small weights inside; those that stay in their files, and the SHA-256 of all.

    Args:
        proto: the outline of the model; changed in place.
        path: its file, an absolute path.
        where: what errors call it.

    Raises:
        EdgecutError: ``missing-external-data``, ``path-escape``, ``bad-weights``, ``too-large``.
    """
    from onnx.external_data_helper import uses_external_data

    digest = hashlib.sha256()
    _update(digest, Place(file=str(path), offset=0, length=path.stat().st_size))
    tensors = [tensor for tensor in inside(proto, "TensorProto") if uses_external_data(tensor)]
    initializers = {id(tensor) for tensor in proto.graph.initializer}
    may_stay, apart, left = _stays(proto), {}, PROTOBUF_BYTES
    for tensor in tensors:
        place = _place(tensor, path, where)
        if place.file != str(path):
            _update(digest, place)
        # Names are those of initializers: a constant inside a node may have the same.
        is_large = id(tensor) in initializers and place.length >= LARGE_BYTES
        if is_large and tensor.name in may_stay:
            dtype, shape = may_stay[tensor.name]
            check_length(tensor, place.length, where)
            apart[tensor.name] = Apart(place=place, dtype=dtype, shape=shape)
            continue
        left -= place.length
        if left < 0:
            raise EdgecutError(
                f"{where}: the weights that must be read whole take more than {PROTOBUF_BYTES} "
                "bytes",
                code="too-large",
                hint="a protobuf holds no more; compute what depends on constants alone beforehand",
            )
        tensor.raw_data = place.read()
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return apart, digest.hexdigest()


def _stays(proto: onnx.ModelProto) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of the initializers that no pass has to look at."""
    import onnx_ir as ir

    graph, functions = proto.graph, {function.name for function in proto.functions}
    # What a function makes of its weights is seen when it is inlined.
    called = [node for node in graph.node if node.op_type in functions]
    read = {name for node in (*foldable(graph), *called) for name in node.input}
    read |= {output.name for output in graph.output}
    named = Counter(tensor.name for tensor in graph.initializer)
    found = {}
    for tensor in graph.initializer:
        try:
            dtype = np.dtype(ir.DataType(tensor.data_type).numpy())
        except (TypeError, ValueError):
            continue
        if named[tensor.name] == 1 and tensor.name not in read and is_plain(dtype):
            found[tensor.name] = (dtype.str, tuple(tensor.dims))
    return found


def check_length(tensor: onnx.TensorProto, length: int, where: str) -> None:
    """Refuse weights with more or fewer bytes than their shape takes; ONNX lets more pass.

    Raises:
        EdgecutError: ``bad-weights``.
    """
    import onnx_ir as ir

    try:
        needed = ceil(prod(tensor.dims) * ir.DataType(tensor.data_type).itemsize)
    except (ValueError, TypeError):
        return  # a type without a size is for the checker to refuse
    if length != needed or any(dim < 0 for dim in tensor.dims):
        raise EdgecutError(
            f"{where}: the weights of '{tensor.name}' have {length} bytes, but "
            f"{list(tensor.dims)} takes {needed}",
            code="bad-weights",
            hint="the file is damaged, or its external data belongs to another model",
        )


def _place(tensor: onnx.TensorProto, path: Path, where: str) -> Place:
    from onnx.external_data_helper import ExternalDataInfo

    try:
        info = ExternalDataInfo(tensor)
        is_own = info.location == OWN and info.offset is not None and info.length is not None
        file = path if is_own else _beside(path, info.location, tensor.name, where)
        return _within(file, info, tensor.name, where)
    except ValueError as error:  # no numbers, or no path
        raise EdgecutError(
            f"{where} does not say rightly where the weights of '{tensor.name}' lie: {error}",
            code="missing-external-data",
        ) from error


def _beside(path: Path, location: str, tensor: str, where: str) -> Path:
    folder = path.parent.resolve()
    file: Path = (folder / location).resolve()
    if not file.is_relative_to(folder):
        raise EdgecutError(
            f"{where}: the weights of '{tensor}' point out of its folder ('{location}')",
            code="path-escape",
            hint="external data must lie beside the model or below",
        )
    if not file.is_file():
        raise EdgecutError(
            f"{where}: the external data file '{location}' of '{tensor}' is missing",
            code="missing-external-data",
            hint=f"copy it to {Path(where).parent}",
        )
    return file


def _within(file: Path, info: Any, tensor: str, where: str) -> Place:
    offset, size = int(info.offset or 0), file.stat().st_size
    length = int(info.length) if info.length is not None else size - offset
    if offset < 0 or length < 0 or offset + length > size:
        raise EdgecutError(
            f"{where}: '{info.location}' has {size} bytes, but '{tensor}' needs bytes "
            f"{offset} to {offset + length}",
            code="missing-external-data",
            hint="the external data file is truncated, or belongs to another model",
        )
    return Place(file=str(file), offset=offset, length=length)


def _update(digest: Any, place: Place) -> None:
    with open(place.file, "rb") as stream:
        stream.seek(place.offset)
        left = place.length
        while left and (part := stream.read(min(left, _READ_BYTES))):
            digest.update(part)
            left -= len(part)
