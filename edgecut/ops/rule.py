"""What edgecut knows of one operation, and the values in which a rule answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.ops.region import Indices, Region

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How demand passes through a node.

    ``inputs`` holds the region that the node needs of each input (None: nothing), ``outputs`` the
    region that it then produces of each output: at least what was wanted. ``stopped`` gives the
    reason where the node needs more than its kept outputs alone would.

    ``summed`` names an axis of two inputs, (input, axis) of each, over which their products are
    added up, where only a part of it counts. More of it does no harm if both have it: the second
    input, a constant, is zero there.
    """

    inputs: tuple[Region | None, ...]
    outputs: tuple[Region, ...]
    stopped: str | None = None
    summed: tuple[tuple[int, int], tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """How a node changes once its inputs and outputs are narrowed.

    ``attributes`` and ``constants`` (by input index) replace the node's own, or join them.
    ``inputs`` lists the inputs that stay, where some go. ``take`` replaces the node by selections
    of its first input: for each output index the axes and, in the coordinates of the unnarrowed
    input, the indices. ``looked_up`` says on which axis of the first input the second one, a
    constant, picks which indices, in the same coordinates.
    """

    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[int, np.ndarray] = field(default_factory=dict)
    inputs: tuple[int, ...] | None = None
    take: Mapping[int, Mapping[int, Indices]] = field(default_factory=dict)
    looked_up: tuple[int, np.ndarray] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A node on which a rule is tried: a shape stands for a variable input, an array for a
    constant, None for an absent optional input. Variable inputs are of float32 unless ``of_int8``
    names them by their indices.
    """

    op_type: str
    inputs: Sequence[tuple[int, ...] | np.ndarray | None]
    of_int8: Sequence[int] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = 18


class Unsupported(Exception):
    """Raised by a rule for a form of its operation that it does not understand."""


class OpRule(ABC):
    """One operation, or several that behave alike. Rules are pure: they answer, others act.

    They see nodes of opset 13 or newer; the loader converts what is older.
    """

    op_types: tuple[str, ...] = ()

    @abstractmethod
    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        """What the node needs of its inputs to give the wanted regions (None: output unused).

        Raises:
            Unsupported: the node is of a form that the rule does not understand.
        """

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        """How the unnarrowed node changes under this flow; nothing, for most operations."""
        return Rewrite()

    def macs(self, node: ir.Node) -> int:
        """Multiply-accumulates of one inference; see ``edgecut.cost`` for what counts."""
        return 0

    @abstractmethod
    def examples(self) -> Sequence[Example]:
        """Nodes on which the contract test tries the rule."""


def op_of(node: ir.Node) -> str:
    """A node's operation where it is one of ONNX's own; empty for one of another domain."""
    return str(node.op_type) if node.domain in {"", "ai.onnx"} else ""


def shape_of(value: ir.Value | None) -> tuple[int, ...]:
    """The static shape of a value.

    Raises:
        Unsupported: the shape is not known, or not static.
    """
    if value is None or value.shape is None or not value.shape.is_static():
        name = "an absent input" if value is None else f"'{value.name}'"
        raise Unsupported(f"the shape of {name} is not known")
    return tuple(int(size) for size in value.shape.numpy())


def constant_of(node: ir.Node, index: int) -> np.ndarray | None:
    """The constant at an input, or None where that input is absent.

    Raises:
        Unsupported: the input is computed at run time.
    """
    value = input_of(node, index)
    if value is None:
        return None
    if value.const_value is None:
        raise Unsupported(f"its input '{value.name}' is not a constant")
    return np.asarray(value.const_value.numpy())


def input_of(node: ir.Node, index: int) -> ir.Value | None:
    """The input at an index, or None where it is absent."""
    return node.inputs[index] if index < len(node.inputs) else None


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """An attribute's value, or the default where the node does not set it."""
    found = node.attributes.get(name)
    if found is None:
        return default
    value = found.value
    return list(value) if isinstance(value, tuple) else value


def sole(wanted: Sequence[Region | None]) -> Region:
    """The wanted region of a node's first output; other outputs must be unused.

    Raises:
        Unsupported: an output besides the first one is used, or the first one is not.
    """
    first, *others = wanted
    if first is None or any(other is not None for other in others):
        raise Unsupported("an output besides its first one is used")
    return first
