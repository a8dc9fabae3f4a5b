"""Finding messages of one kind anywhere inside another, however deep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def inside(message: Any, kind: str) -> Iterator[Any]:
    """Every message of a kind (``TensorProto``, ``NodeProto``, ...) that a message holds.

    It follows the fields that are there rather than a list of places to look, so that functions,
    subgraphs, sparse tensors and whatever ONNX adds next are not forgotten.
    """
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            name = part.DESCRIPTOR.name
            if name == kind:
                yield part
            if name != "TensorProto":  # holds numbers, which would be copied
                yield from inside(part, kind)


def first_damaged_text(message: Any) -> bytes | None:
    """A text of a message, or of one inside it, that is not UTF-8; None where all are."""
    for field, value in message.ListFields():
        parts = [value] if isinstance(value, bytes | str) or hasattr(value, "ListFields") else value
        if field.message_type is not None:
            found = [first_damaged_text(part) for part in parts]
        elif field.type == field.TYPE_STRING:
            found = [part for part in parts if isinstance(part, bytes)]
        else:
            continue
        for one in found:
            if one is not None:
                return one
    return None
