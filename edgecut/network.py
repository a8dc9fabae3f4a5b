"""The central value: a model with its categories, and what has been done to it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from edgecut.aside import LARGE_BYTES, PROTOBUF_BYTES, as_weights, outlined
from edgecut.errors import EdgecutError

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecut.aside import Weights
    from edgecut.attention import Attention
    from edgecut.categories import CategoryMap

    # An image, or an array for each input by name.
    Sample = NDArray[Any] | Mapping[str, NDArray[Any]]

INSIDE_BYTES = 2**29


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, static shape and numpy dtype name of a network's input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A vision model in ONNX form, with static shapes, that every stage takes and returns.

    Stages never change ``model`` in place: they take ``editable()``, a clone that shares the
    weights, and return ``evolve(...)`` of it.
    """

    name: str
    model: ir.Model
    digest: str
    categories: CategoryMap | None = None
    attention: Attention | None = None
    history: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in order."""
        return tuple(_spec(v) for v in self.model.graph.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in order."""
        return tuple(_spec(v) for v in self.model.graph.outputs)

    @property
    def image(self) -> TensorSpec:
        """The one input that takes the image, shape (1, C, H, W).

        Raises:
            EdgecutError: ``no-image-input`` where the network has none, or more than one.
        """
        images = [spec for spec in self.inputs if len(spec.shape) == 4]
        if len(images) != 1:
            raise EdgecutError(
                f"{self.name} has {len(images)} inputs of rank 4; an image input is exactly one",
                code="no-image-input",
                hint="samples and evaluation need a network that takes one image",
            )
        return images[0]

    def feeds(self, sample: Sample) -> dict[str, NDArray[Any]]:
        """A sample as what the network takes, by input; a bare array is the image.

        Raises:
            EdgecutError: ``no-image-input``, ``several-inputs`` where the sample holds nothing for
                an input, ``bad-sample`` where it does not fit.
        """
        given = sample if isinstance(sample, Mapping) else {self.image.name: sample}
        missing = [spec.name for spec in self.inputs if spec.name not in given]
        if missing:
            raise EdgecutError(
                f"{self.name} takes '{missing[0]}' beside its image; samples are images alone",
                code="several-inputs",
                where=missing[0],
                hint="build float32 or float16",
            )
        return {spec.name: _fitting(given[spec.name], spec) for spec in self.inputs}

    def editable(self) -> ir.Model:
        """A clone of the model whose graph may be changed; weights are shared, not copied."""
        return self.model.clone()

    def evolve(
        self,
        model: ir.Model,
        step: str,
        *,
        categories: CategoryMap | None = None,
        attention: Attention | None = None,
    ) -> Network:
        """The network after a stage: the new model, and the step's name in the history."""
        return replace(
            self,
            model=model,
            categories=categories if categories is not None else self.categories,
            attention=attention if attention is not None else self.attention,
            history=(*self.history, step),
        )

    @property
    def weight_bytes(self) -> int:
        """What the weights take in memory."""
        return sum(map(_bytes_of, self.model.graph.initializers.values()))

    def to_proto(self) -> onnx.ModelProto:
        """The model as an ``onnx.ModelProto`` (weights inside).

        Raises:
            EdgecutError: ``too-large`` for what a protobuf can hold.
        """
        return self.outlined(())[0]

    def outlined(self, names: Collection[str]) -> tuple[onnx.ModelProto, Weights]:
        """The model with inputs in the place of the weights of these names, and those weights.

        Raises:
            EdgecutError: ``too-large`` where the others are too much for a protobuf.
        """
        weights = self.model.graph.initializers
        inside = sum(_bytes_of(weights[name]) for name in weights.keys() - set(names))
        if inside > PROTOBUF_BYTES:
            raise EdgecutError(
                f"the weights of {self.name} take {inside} bytes, and a protobuf holds "
                f"{PROTOBUF_BYTES} at most",
                code="too-large",
                hint="`edgecut cut` writes larger networks of matrix products; no artifact can "
                "hold them",
            )
        return outlined(self.model, names)

    def to_bytes(self) -> bytes:
        """The model as a serialised ``onnx.ModelProto``; the same network gives the same bytes."""
        return bytes(self.to_proto().SerializeToString(deterministic=True))

    def write(self, path: Path) -> None:
        """Write the model as an ``.onnx`` file, which is replaced as a whole.

        Where weights take more than 512 MiB, the large ones go to a file beside it: ``NAME.data``.
        """
        with TemporaryDirectory(prefix=".edgecut-", dir=path.parent) as folder:
            written = Path(folder) / path.name
            if self.weight_bytes <= INSIDE_BYTES:
                written.write_bytes(self.to_bytes())
            else:
                _write_beside(self.model, written)
            # The model itself comes last: it says where the weights are.
            for file in sorted(written.parent.iterdir(), key=lambda file: file == written):
                file.replace(path.with_name(file.name))


def _write_beside(model: ir.Model, path: Path) -> None:
    import onnx_ir as ir

    ir.save(model, path, external_data=data_of(path).name, size_threshold_bytes=LARGE_BYTES)


def data_of(path: Path) -> Path:
    """The file with the large weights of the ``.onnx`` file at a path."""
    return path.with_name(f"{path.name}.data")


def _bytes_of(weight: ir.Value) -> int:
    return 0 if weight.const_value is None else weight.const_value.nbytes


def to_model(proto: onnx.ModelProto, apart: Weights | None = None) -> ir.Model:
    """An ONNX model in edgecut's form: weights as initializers, every node named.

    Inputs that stand for weights which are ``apart`` become those weights.
    """
    import onnx_ir as ir
    from onnx_ir.passes import common

    # onnxsim notes its options and edits in the file; they say nothing of the network.
    kept = [prop for prop in proto.metadata_props if not prop.key.startswith("onnxsim.")]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    model = ir.from_proto(proto)
    as_weights(model, apart or {})
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveUnusedNodesPass()(model)
    _name_nodes(model)
    return model


def _name_nodes(model: ir.Model) -> None:
    """Give every node a name of its own, as ONNX Runtime wants it."""
    taken = {node.name for node in model.graph}
    seen: set[str] = set()
    for i, node in enumerate(model.graph):
        if node.name and node.name not in seen:
            seen.add(node.name)
            continue
        name, count = node.name or f"{node.op_type}_{i}", 0
        while name in taken:
            name, count = f"{node.name or node.op_type}_{i + count}", count + 1
        node.name = name
        taken.add(name)
        seen.add(name)


def digest_of(data: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _fitting(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """The array as an input takes it."""
    import numpy as np

    if array.shape != spec.shape or not np.isfinite(array).all():
        raise EdgecutError(
            f"a sample has shape {array.shape}, or values that are not finite; "
            f"'{spec.name}' takes {spec.shape}",
            code="bad-sample",
            where=spec.name,
        )
    return np.ascontiguousarray(array, dtype=spec.dtype)


def _spec(value: ir.Value) -> TensorSpec:
    import onnx_ir as ir

    # The shape of a sequence is that of the tensors in it.
    shape = None if isinstance(value.type, ir.SequenceType | ir.OptionalType) else value.shape
    if shape is None or value.dtype is None or not shape.is_static():
        raise EdgecutError(
            f"'{value.name}' has no static shape and type", code="dynamic-shape", where=value.name
        )
    return TensorSpec(
        name=str(value.name),
        shape=tuple(int(d) for d in shape.numpy()),
        dtype=value.dtype.numpy().name,
    )
