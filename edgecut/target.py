"""What we know of a device: its runtime, the schemes it takes, its limits and peaks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecut import shipped
from edgecut.errors import EdgecutError
from edgecut.table import Table

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

    def peak(self, scheme: str) -> Peak | None:
        """What is said of its peak in a scheme, with all its cores; None where nothing is."""
        return next((peak for peak in self.peaks if peak.scheme == scheme), None)

    def preferences(self) -> tuple[object, ...]:
        """What of the target changes the emitted bytes; equal preferences share one file."""
        return (self.format, self.layout, self.int8, self.device, self.operations)


def read_target(name: str) -> Target:
    """The target of that name (or at that ``.toml`` path), strictly read.

    Raises:
        EdgecutError: ``unknown-target``, ``bad-toml`` or ``bad-target``.
    """
    data = shipped.read("targets", name)
    return _target(Table(data, f"target '{name}'", code="bad-target"))


def all_targets() -> list[Target]:
    """Every shipped target, by name."""
    return [read_target(name) for name in shipped.names("targets")]


def _name(table: Table) -> str:
    name = table.text("name")
    # It becomes part of file names.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise table.error(f"'name' is {name!r}; it takes letters, digits, '.', '_' and '-'")
    return name


def _target(table: Table) -> Target:
    int8 = table.table("int8")
    peaks = table.tables("peak")
    target = Target(
        name=_name(table),
        title=table.text("title"),
        architecture=table.text("architecture"),
        runtime=table.text("runtime", "litert", "openvino"),
        format=table.text("format", *FORMATS),
        schemes=table.texts("schemes", *SCHEMES),
        layout=table.text("layout", *LAYOUTS),
        int8=Int8(
            input=int8.text("input", "int8", "float32"),
            output=int8.text("output", "int8", "float32"),
            activations=int8.text("activations", "per-tensor", "per-channel"),
        ),
        device=table.text("device") if table.has("device") else "CPU",
        operations=table.texts("operations") if table.has("operations") else (),
        peaks=tuple(
            Peak(
                scheme=peak.text("scheme", *SCHEMES),
                gmacs_per_s=peak.number("gmacs_per_s", 0.0),
                source=peak.text("source"),
            )
            for peak in peaks
        ),
        notes=table.texts("notes") if table.has("notes") else (),
    )
    for one in (table, int8, *peaks):
        one.done()
    return target
