"""What an emitter writes: a file for one runtime, and how its tensors relate to the network's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecut.network import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One input or output of an artifact, tied to the network's tensor of the same meaning.

    ``permutation`` says how the artifact's axes are taken from the network's: axis ``i`` of the
    artifact is axis ``permutation[i]`` of the network. NHWC from NCHW is ``(0, 2, 3, 1)``.
    ``dtype`` is what crosses the boundary (``float32``, ``int8``, ...). ``shape`` is the
    artifact's. ``scale`` and ``zero_point`` hold where ``dtype`` is an integer type.
    """

    network_name: str
    artifact_name: str
    shape: tuple[int, ...]
    dtype: str
    permutation: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None

    @classmethod
    def same(cls, spec: TensorSpec) -> Port:
        """The port of a tensor that an artifact holds just as the network does."""
        return cls(
            network_name=spec.name,
            artifact_name=spec.name,
            shape=spec.shape,
            dtype=spec.dtype,
            permutation=tuple(range(len(spec.shape))),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest and the device runner."""
        return {
            "network_name": self.network_name,
            "artifact_name": self.artifact_name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "permutation": list(self.permutation),
            "scale": self.scale,
            "zero_point": self.zero_point,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Port:
        """The inverse of ``to_json``."""
        return cls(
            network_name=data["network_name"],
            artifact_name=data["artifact_name"],
            shape=tuple(data["shape"]),
            dtype=data["dtype"],
            permutation=tuple(data["permutation"]),
            scale=data["scale"],
            zero_point=data["zero_point"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """The bytes of an artifact before it has a place: ``files`` maps a suffix to its content.

    A TFLite artifact has the one suffix ``.tflite``; an OpenVINO one has ``.xml`` and ``.bin``.
    """

    format: str
    scheme: str
    files: dict[str, bytes]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def bytes(self) -> int:
        """Total size in bytes."""
        return sum(len(content) for content in self.files.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An artifact in an output folder. ``path`` is relative to that folder, ``digest`` SHA-256."""

    path: str
    format: str
    scheme: str
    target: str
    digest: str
    bytes: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: tuple[str, ...] = ()
