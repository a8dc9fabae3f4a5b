"""A TFLite graph under construction, and its flatbuffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.tflite_file import packed

Array = NDArray[Any]

# Every kernel version that we write is in this runtime and later ones.
# Source: the converter's tables, tflite/tools/versioning/{op,runtime}_version.cc.
MIN_RUNTIME_VERSION = "2.13.0"


@dataclass(slots=True, kw_only=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    options_type: int


@dataclass(slots=True)
class Graph:
    """Tensors, buffers and operators, in the order in which they were added."""

    tensors: list[_Tensor] = field(default_factory=list)
    operators: list[_Operator] = field(default_factory=list)
    _buffers: dict[bytes, int] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def tensor(self, name: str, shape: Sequence[int], dtype: str) -> int:
        """Add a tensor that an operator (or the caller) fills; its index."""
        return self._add(name, shape, dtype, buffer=0)

    def constant(self, name: str, values: Array) -> int:
        """Add a tensor of fixed values; equal bytes share one buffer."""
        content = np.ascontiguousarray(values).tobytes()
        # Buffer 0 is empty by the format's convention.
        buffer = self._buffers.setdefault(content, len(self._buffers) + 1)
        return self._add(name, values.shape, values.dtype.name, buffer=buffer)

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        version: int = 1,
        options: str | None = None,
        **values: Any,
    ) -> None:
        """Add an operator; ``options`` names its table in the schema, ``values`` its fields."""
        table, kind = _options(options or "", values)
        self.operators.append(
            _Operator(
                code=code,
                version=version,
                inputs=tuple(inputs),
                outputs=tuple(outputs),
                options=table,
                options_type=kind,
            )
        )

    def type_of(self, dtype: str) -> int:
        """The schema's number of a type."""
        return int(getattr(schema().TensorType, dtype.upper()))

    def rename(self, index: int, name: str) -> None:
        """Give a tensor this very name; another one that has it gets a number after it."""
        tensor = self.tensors[index]
        if tensor.name == name:
            return
        for other in self.tensors:
            if other.name == name:
                other.name = self._unique(name)
        self._names.discard(tensor.name)
        self._names.add(name)
        tensor.name = name

    def to_bytes(
        self,
        inputs: dict[str, int],
        outputs: dict[str, int],
        metadata: Mapping[str, str] | None = None,
    ) -> bytes:
        """The flatbuffer, with one signature ``serving_default`` of these names, and metadata."""
        return packed(_model(self, inputs, outputs, metadata or {}))

    def _add(self, name: str, shape: Sequence[int], dtype: str, *, buffer: int) -> int:
        self.tensors.append(
            _Tensor(
                name=self._unique(name),
                shape=tuple(int(d) for d in shape),
                dtype=dtype,
                buffer=buffer,
            )
        )
        return len(self.tensors) - 1

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate


def schema() -> Any:
    """The schema's Python module, from the runtime's own package.

    Raises:
        MissingPackage: where ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise MissingPackage("ai-edge-litert", extra="tflite", why="writing TFLite") from error
    return schema_py_generated


def _options(name: str, values: dict[str, Any]) -> tuple[Any, int]:
    if not name:
        return None, 0
    tables = schema()
    table = getattr(tables, f"{name}T")()
    for key, value in values.items():
        if not hasattr(table, key):
            raise EdgecutError(f"the schema's {name} has no '{key}'", code="tflite-schema")
        setattr(table, key, value)
    return table, int(getattr(tables.BuiltinOptions, name))


def _model(
    graph: Graph, inputs: dict[str, int], outputs: dict[str, int], metadata: Mapping[str, str]
) -> Any:
    tables = schema()
    codes = sorted({(op.code, op.version) for op in graph.operators})
    version = MIN_RUNTIME_VERSION.encode().ljust(16, b"\0")
    told = {"min_runtime_version": version, **{n: t.encode() for n, t in metadata.items()}}
    buffers = [b"", *graph._buffers, *told.values()]
    return tables.ModelT(
        version=3,
        description="edgecut",
        operatorCodes=[_operator_code(tables, *code) for code in codes],
        subgraphs=[
            tables.SubGraphT(
                name="main",
                tensors=[_tensor(tables, tensor) for tensor in graph.tensors],
                inputs=list(inputs.values()),
                outputs=list(outputs.values()),
                operators=[_operator(tables, op, codes) for op in graph.operators],
            )
        ],
        buffers=[tables.BufferT(data=content) for content in buffers],
        metadata=[
            tables.MetadataT(name=name.encode(), buffer=len(buffers) - len(told) + place)
            for place, name in enumerate(told)
        ],
        signatureDefs=[
            tables.SignatureDefT(
                signatureKey="serving_default",
                inputs=[tables.TensorMapT(name=n, tensorIndex=i) for n, i in inputs.items()],
                outputs=[tables.TensorMapT(name=n, tensorIndex=i) for n, i in outputs.items()],
            )
        ],
    )


def _operator_code(tables: Any, code: str, version: int) -> Any:
    number = getattr(tables.BuiltinOperator, code)
    escape = tables.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    return tables.OperatorCodeT(
        builtinCode=number, deprecatedBuiltinCode=min(number, escape), version=version
    )


def _tensor(tables: Any, tensor: _Tensor) -> Any:
    return tables.TensorT(
        name=tensor.name,
        shape=np.array(tensor.shape, np.int32),
        type=getattr(tables.TensorType, tensor.dtype.upper()),
        buffer=tensor.buffer,
        hasRank=True,
    )


def _operator(tables: Any, op: _Operator, codes: list[tuple[str, int]]) -> Any:
    return tables.OperatorT(
        opcodeIndex=codes.index((op.code, op.version)),
        inputs=np.array(op.inputs, np.int32),
        outputs=np.array(op.outputs, np.int32),
        builtinOptions=op.options,
        builtinOptionsType=op.options_type,
    )
