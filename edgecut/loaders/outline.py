"""The outline of an ONNX file: all of it but its large weights, which stay in the file.

A protobuf parser copies what it reads. An ONNX file is mostly weights, so their bytes are stepped
over, and each such tensor says where in the file they are, as tensors with external data do.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecut.aside import LARGE_BYTES

OWN = ""
"""The location of data that lies in the model's own file."""
_GRAPH, _INITIALIZER, _RAW_DATA, _EXTERNAL_DATA = 7, 5, 9, 13
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
        return b"".join(_model(data))
    except (ValueError, IndexError):
        return bytes(data)


def _model(data: memoryview) -> Iterator[bytes]:
    for number, start, payload, end in _fields(data, 0, len(data)):
        if number == _GRAPH and payload is not None:
            yield from _message(_GRAPH, b"".join(_graph(data, payload, end)))
        else:
            yield bytes(data[start:end])


def _graph(data: memoryview, place: int, end: int) -> Iterator[bytes]:
    for number, start, payload, stop in _fields(data, place, end):
        if number == _INITIALIZER and payload is not None and stop - start >= LARGE_BYTES:
            yield from _message(_INITIALIZER, b"".join(_tensor(data, payload, stop)))
        else:
            yield bytes(data[start:stop])


def _tensor(data: memoryview, place: int, end: int) -> Iterator[bytes]:
    fields = list(_fields(data, place, end))
    raw = [field for field in fields if field[0] == _RAW_DATA]
    if len(raw) != 1 or any(field[0] == _EXTERNAL_DATA for field in fields):
        yield bytes(data[place:end])
        return
    for number, start, payload, stop in fields:
        if number == _RAW_DATA and payload is not None:
            yield _reference(payload, stop - payload)
        else:
            yield bytes(data[start:stop])


def _reference(offset: int, length: int) -> bytes:
    import onnx

    tensor = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", OWN), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    # Two serialised messages, one after the other, are one message with the fields of both.
    return bytes(tensor.SerializeToString(deterministic=True))


def _message(number: int, payload: bytes) -> Iterator[bytes]:
    yield _as_varint(number << 3 | _BYTES)
    yield _as_varint(len(payload))
    yield payload


def _fields(data: memoryview, place: int, end: int) -> Iterator[_Field]:
    while place < end:
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
