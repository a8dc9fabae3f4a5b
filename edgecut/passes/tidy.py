"""What any target profits from: folded constants and batch norms, nothing idle or dead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgecut import contained
from edgecut.aside import large_of_products
from edgecut.errors import EdgecutError
from edgecut.network import to_model
from edgecut.passes.constant_channels import constant_channels

if TYPE_CHECKING:
    from edgecut.network import Network


def tidy(network: Network) -> Network:
    """The same network, simplified by onnxsim, then without constant channels.

    It is idle on a network that is tidy already.

    onnxsim compares nothing by itself: the check of the cut covers what it did.

    Raises:
        EdgecutError: ``tidy-failed`` where onnxsim cannot take the network.
    """
    import onnx

    outline, apart = network.outlined(large_of_products(network.model))
    asked, data = {"name": network.name}, outline.SerializeToString()
    _, tidied = contained.call(f"{__name__}:simplified", asked, data, what=network.name)
    model = to_model(onnx.ModelProto.FromString(tidied), apart)
    return constant_channels(network.evolve(model, "tidy"))


def simplified(asked: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """A serialised model, as onnxsim simplifies it."""
    import onnx
    import onnxsim

    try:
        proto, _ = onnxsim.simplify(onnx.ModelProto.FromString(data))
    except Exception as error:  # onnxsim raises whatever its C++ passes raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise EdgecutError(
            f"onnxsim cannot simplify {asked['name']}: {reason[0][:300]}",
            code="tidy-failed",
        ) from error
    return {}, proto.SerializeToString()
