"""The OpenVINO emitter: a network becomes an IR, a ``.xml`` and a ``.bin``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecut.artifact import Emitted
from edgecut.errors import EdgecutError
from edgecut.openvino_ir import emitted, read, settle_names

if TYPE_CHECKING:
    from edgecut.network import Network

Refusal = tuple[str, str, str]

SCHEMES = ("float32", "float16")
_TOLD = 5
# What describes the graph rather than computes; every plugin takes it.
_STRUCTURE = frozenset({"Parameter", "Constant", "Result"})


def emit(network: Network, *, scheme: str) -> Emitted:
    """The network as OpenVINO IR with the network's own names; the same network, the same bytes.

    Args:
        network: static shapes.
        scheme: ``float32``, or ``float16`` for weights in float16 (input and output stay float32).

    Raises:
        EdgecutError: ``scheme-not-allowed``, or ``unsupported-operation`` where OpenVINO does not
            read the network.
        MissingPackage: where openvino is not installed.
    """
    if scheme not in SCHEMES:
        raise EdgecutError(
            f"the OpenVINO emitter does not write '{scheme}'",
            code="scheme-not-allowed",
            hint=f"it writes {' and '.join(SCHEMES)}; int8 is the quantiser's",
        )
    return emitted(read(network), network, scheme, compress=scheme == "float16")


def unsupported(network: Network, operations: Sequence[str]) -> list[Refusal]:
    """What a device that takes only these operations would refuse: operation, node and reason.

    Args:
        network: static shapes.
        operations: types of OpenVINO operations (``Convolution``), as in a target's list.

    Raises:
        EdgecutError: ``unsupported-operation`` where OpenVINO does not read the network.
        MissingPackage: where openvino is not installed.
    """
    allowed = _STRUCTURE.union(operations)
    refusals: list[Refusal] = []
    for node in settle_names(read(network)).get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind not in allowed:
            refusals.append((kind, name, "the device does not take this operation"))
        elif any(output.get_partial_shape().is_dynamic for output in node.outputs()):
            refusals.append((kind, name, "its shape is dynamic"))
    return refusals


def require_supported(network: Network, operations: Sequence[str]) -> None:
    """Raise ``unsupported-operation``, naming operations and nodes, where any is unsupported."""
    refusals = unsupported(network, operations)
    if not refusals:
        return
    told = "; ".join(f"{kind} '{name}': {reason}" for kind, name, reason in refusals[:_TOLD])
    more = f"; and {len(refusals) - _TOLD} more" if len(refusals) > _TOLD else ""
    raise EdgecutError(
        f"{network.name} cannot run on the target: {told}{more}",
        code="unsupported-operation",
        where=refusals[0][1],
        hint="choose another target, or rewrite these operations before exporting",
    )
