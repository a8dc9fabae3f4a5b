"""The TFLite flatbuffer: what the schema's objects hold, and how they become bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ALIGNMENT_BYTES = 16


def tensors_of(model: Any, side: str) -> dict[str, Any]:
    """The tensors of one side (``inputs``, ``outputs``) of the file, by name."""
    graph = model.subgraphs[0]
    return {name_of(graph.tensors[i]): graph.tensors[i] for i in getattr(graph, side)}


def name_of(tensor: Any) -> str:
    """A tensor's name."""
    name = tensor.name
    return name.decode() if isinstance(name, bytes) else str(name)


def type_of(tensor: Any) -> str:
    """A tensor's type as numpy names it."""
    from ai_edge_litert.tools import flatbuffer_utils

    return str(flatbuffer_utils.type_to_name(tensor.type).lower())


def results_of(model: Any) -> Iterator[tuple[str, Any]]:
    """(operation, output tensor) for every output of every operation."""
    from ai_edge_litert.tools import flatbuffer_utils

    graph = model.subgraphs[0]
    for operator in graph.operators:
        operation = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        for index in operator.outputs:
            yield str(operation), graph.tensors[index]


def packed(model: Any) -> bytes:
    """A ``ModelT`` as a flatbuffer with its data inside, where every runtime finds it.

    The schema asks for data aligned to 16 bytes, and the code generated from it ignores that.
    Larger models of other tools have their data behind the flatbuffer, which runtimes before 2.14
    do not read.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class Aligned(schema.BufferT):  # type: ignore[misc]
        def Pack(self, builder: Any) -> Any:
            content = bytes(self.data)
            builder.StartVector(1, len(content), ALIGNMENT_BYTES)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            builder.vectorNumElems = len(content)
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    held = [buffer.data for buffer in model.buffers]
    # An empty buffer stands for "computed at run time" and has no data at all.
    model.buffers = [
        schema.BufferT() if data is None or not len(data) else Aligned(data=data) for data in held
    ]
    builder = flatbuffers.Builder(1024 + sum(len(data) for data in held if data is not None))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
