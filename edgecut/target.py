"""What we know of a device: its runtime, the schemes it takes, its limits and peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecut import shipped
from edgecut.errors import EdgecutError

SCHEMES = ("float32", "float16", "int8")
FORMATS = ("tflite", "openvino")
LAYOUTS = ("NHWC", "NCHW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """How a target takes int8: ``input``/``output`` dtype at the boundary, activation scales."""

    input: str
    output: str
    activations: str  # "per-tensor" or "per-channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A device's peak rate in GMAC/s for one scheme, and who says so."""

    scheme: str
    gmacs_per_s: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device, as ``targets/NAME.toml`` says."""

    name: str
    title: str
    architecture: str
    runtime: str
    format: str
    schemes: tuple[str, ...]
    layout: str
    int8: Int8
    device: str
    operations: tuple[str, ...]
    peaks: tuple[Peak, ...]
    notes: tuple[str, ...]

    def require(self, scheme: str) -> None:
        """Raise ``scheme-not-allowed`` unless the target takes the scheme."""
        if scheme not in self.schemes:
            raise EdgecutError(
                f"target '{self.name}' does not take the scheme '{scheme}'",
                code="scheme-not-allowed",
                hint=f"{self.name} takes: {', '.join(self.schemes)}",
            )

    def preferences(self) -> tuple[object, ...]:
        """What of the target changes the emitted bytes; equal preferences share one file."""
        return (self.format, self.layout, self.int8)


def read_target(name: str) -> Target:
    """The target of that name (or at that ``.toml`` path), strictly read.

    Raises:
        EdgecutError: ``unknown-target``, ``bad-toml`` or ``bad-target``.
    """
    data = shipped.read("targets", name)
    return _Strict(data, f"target '{name}'").target()


def all_targets() -> list[Target]:
    """Every shipped target, by name."""
    return [read_target(name) for name in shipped.names("targets")]


class _Strict:
    """Takes keys out of a table one by one; what is missing, mistyped or left over is an error."""

    def __init__(self, data: dict[str, Any], what: str) -> None:
        self.data = dict(data)
        self.what = what

    def take(self, key: str, kind: type, default: Any = None, among: tuple[str, ...] = ()) -> Any:
        if key not in self.data and default is not None:
            return default
        value = self.data.pop(key, None)
        if kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, kind):
            raise self.error(f"'{key}' must be a {kind.__name__}, not {value!r}")
        values: list[Any] = value if isinstance(value, list) else [value]
        for item in values if among else ():
            if item not in among:
                raise self.error(f"'{key}' holds {item!r}; it takes {', '.join(among)}")
        return tuple(values) if kind is list else value

    def done(self) -> None:
        if self.data:
            raise self.error(f"unknown keys: {', '.join(sorted(self.data))}")

    def error(self, message: str) -> EdgecutError:
        return EdgecutError(f"{self.what}: {message}", code="bad-target")

    def target(self) -> Target:
        int8 = _Strict(self.take("int8", dict), f"{self.what}, [int8]")
        peaks = [_Strict(peak, f"{self.what}, [[peak]]") for peak in self.take("peak", list, ())]
        target = Target(
            name=self.take("name", str),
            title=self.take("title", str),
            architecture=self.take("architecture", str),
            runtime=self.take("runtime", str, among=("litert", "openvino")),
            format=self.take("format", str, among=FORMATS),
            schemes=self.take("schemes", list, among=SCHEMES),
            layout=self.take("layout", str, among=LAYOUTS),
            int8=Int8(
                input=int8.take("input", str, among=("int8", "float32")),
                output=int8.take("output", str, among=("int8", "float32")),
                activations=int8.take("activations", str, among=("per-tensor", "per-channel")),
            ),
            device=self.take("device", str, "CPU"),
            operations=self.take("operations", list, ()),
            peaks=tuple(
                Peak(
                    scheme=peak.take("scheme", str, among=SCHEMES),
                    gmacs_per_s=peak.take("gmacs_per_s", float),
                    source=peak.take("source", str),
                )
                for peak in peaks
            ),
            notes=self.take("notes", list, ()),
        )
        for table in (self, int8, *peaks):
            table.done()
        return target
