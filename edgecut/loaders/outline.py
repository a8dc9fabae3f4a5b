"""The outline of an ONNX file: all of it but its large weights, which stay in the file.

A protobuf parser copies what it reads. An ONNX file is mostly weights, so their bytes are stepped
over, and each such tensor says where in the file they are, as tensors with external data do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgecut.aside import LARGE_BYTES

OWN = ""
"""The location of data that lies in the model's own file."""
_GRAPH, _INITIALIZER = 7, 5
_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 9, 13, 14
_MOST_FIELDS = 2**21
"""Of one message: many times those of the largest graphs."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Number, start, start of the payload where it has a length, end.
_Field = tuple[int, int, int | None, int]


def outline(data: memoryview) -> bytes:
    """The bytes of a ``ModelProto`` without those of its large initializers.

    What is not a protobuf comes back as it is, for the parser to refuse.
    """
    if len(data) < LARGE_BYTES:
        return bytes(data)
    try:
        return _replaced(data, 0, len(data), _GRAPH, _graph)
    except (ValueError, IndexError):
        return bytes(data)


def _graph(data: memoryview, place: int, end: int) -> bytes:
    return _replaced(data, place, end, _INITIALIZER, _tensor)


def _replaced(
    data: memoryview,
    place: int,
    end: int,
    wanted: int,
    change: Callable[[memoryview, int, int], bytes],
) -> bytes:
    """A message in which the large fields of one number are changed."""
    parts, done = [], place
    for number, start, payload, stop in _fields(data, place, end):
        if number == wanted and payload is not None and stop - start >= LARGE_BYTES:
            changed = change(data, payload, stop)
            tag, length = _as_varint(number << 3 | _BYTES), _as_varint(len(changed))
            parts += [bytes(data[done:start]), tag, length, changed]
            done = stop
    return b"".join((*parts, bytes(data[done:end])))


def _tensor(data: memoryview, place: int, end: int) -> bytes:
    told = (_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION)
    found = [field for field in _fields(data, place, end) if field[0] in told]
    raw = [payload for number, _, payload, _ in found if number == _RAW_DATA]
    if len(raw) != 1 or raw[0] is None or any(f[0] == _EXTERNAL_DATA for f in found):
        return bytes(data[place:end])
    parts, done = [], place
    for number, start, payload, stop in found:
        parts.append(bytes(data[done:start]))
        done = stop
        if number == _RAW_DATA and payload is not None:
            reference = _reference(payload, stop - payload)
    return b"".join((*parts, bytes(data[done:end]), reference))


def _reference(offset: int, length: int) -> bytes:
    import onnx

    tensor = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", OWN), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    # Two serialised messages, one after the other, are one message with the fields of both.
    return bytes(tensor.SerializeToString(deterministic=True))


def _fields(data: memoryview, place: int, end: int) -> Iterator[_Field]:
    for _ in range(_MOST_FIELDS):
        if place >= end:
            return
        start = place
        tag, place = _varint(data, place)
        payload, kind = None, tag & 7
        if kind == _VARINT:
            _, place = _varint(data, place)
        elif kind == _BYTES:
            length, payload = _varint(data, place)
            place = payload + length
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place > end:
            raise ValueError("a field that ends behind its message")
        yield tag >> 3, start, payload, place
    raise ValueError("too many fields")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than ten bytes")


def _as_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))
