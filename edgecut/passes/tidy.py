"""What any target profits from: folded constants and batch norms, nothing idle or dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecut.errors import EdgecutError
from edgecut.network import to_model
from edgecut.passes.constant_channels import constant_channels
from edgecut.quiet import quiet

if TYPE_CHECKING:
    from edgecut.network import Network


def tidy(network: Network) -> Network:
    """The same network, simplified by onnxsim, then without constant channels.

    It is idle on a network that is tidy already.

    onnxsim compares nothing by itself: the check of the cut covers what it did.

    Raises:
        EdgecutError: ``tidy-failed`` where onnxsim cannot take the network.
    """
    import onnxsim

    try:
        with quiet():
            proto, _ = onnxsim.simplify(network.to_proto())
    except Exception as error:  # onnxsim raises whatever its C++ passes raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise EdgecutError(
            f"onnxsim cannot simplify {network.name}: {reason[0][:300]}",
            code="tidy-failed",
        ) from error
    return constant_channels(network.evolve(to_model(proto), "tidy"))
