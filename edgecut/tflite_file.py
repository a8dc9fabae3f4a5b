"""The TFLite flatbuffer: from the schema's objects to bytes."""

from __future__ import annotations

from typing import Any

ALIGNMENT_BYTES = 16


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
