"""One target's preferences: the passes that make a network fast on its runtime."""

from __future__ import annotations

from collections.abc import Callable

from edgecut.network import Network
from edgecut.passes.focus_to_conv import focus_to_conv
from edgecut.passes.pair_columns import pair_columns

Pass = Callable[[Network], Network]

# What each format's runtime profits from, as docs/adr/0004 measured it.
PASSES: dict[str, tuple[Pass, ...]] = {
    "tflite": (focus_to_conv, pair_columns),
    "openvino": (focus_to_conv,),
}


def lower(network: Network, format: str) -> Network:
    """The same network, rewritten for the runtime of an artifact format."""
    for change in PASSES[format]:
        network = change(network)
    return network
