"""A network's input of gains: kept and named, or bound to the neutral gain and folded away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecut import attention
from edgecut.errors import EdgecutError
from edgecut.passes.bind_input import bind_input

if TYPE_CHECKING:
    from edgecut.attention import Attention
    from edgecut.network import Network


def attended(network: Network) -> Network:
    """The network with its attention: its gains stay an input, and each has a name.

    Raises:
        EdgecutError: ``no-attention`` where the network takes no gains, ``bad-attention`` where
            its metadata does not fit it.
    """
    found = _told(network)
    if found is None:
        raise EdgecutError(
            f"{network.name} takes no gains: there is no '{attention.KEY}' in its metadata",
            code="no-attention",
            hint="leave --attention out; networks of `edgecut train` can take gains",
        )
    (width,) = (spec.shape[1] for spec in network.inputs if spec.name == found.input)
    if width != len(found.categories):
        named = len(found.categories)
        raise _unfit(network, f"'{found.input}' takes {width} gains, and {named} are named")
    return replace(network, attention=found)


def plain(network: Network) -> Network:
    """The network under neutral gains, without an input for them; itself where it takes none.

    Raises:
        EdgecutError: ``bad-attention`` where its metadata does not fit it.
    """
    found = _told(network)
    if found is None:
        return network
    bound = bind_input(network, found.input, found.neutral)
    del bound.model.metadata_props[attention.KEY]
    return replace(bound, attention=None)


def embed(network: Network) -> Network:
    """The network with its attention written into its metadata, for whoever loads the file."""
    if network.attention is None:
        return network
    model = network.editable()
    model.metadata_props[attention.KEY] = network.attention.to_text()
    return network.evolve(model, "embed")


def _told(network: Network) -> Attention | None:
    """What the network's metadata tells of its gains, checked against its inputs."""
    names = network.categories.names if network.categories else ()
    found = attention.read(network.model.metadata_props, where=network.name, categories=names)
    if found is None:
        return None
    spec = next((spec for spec in network.inputs if spec.name == found.input), None)
    if spec is None:
        raise _unfit(network, f"there is no input '{found.input}'")
    if spec.dtype != "float32" or len(spec.shape) != 2 or spec.shape[0] != 1:
        raise _unfit(network, f"'{spec.name}' is {spec.dtype} {list(spec.shape)}, not [1, gains]")
    return found


def _unfit(network: Network, fault: str) -> EdgecutError:
    return EdgecutError(
        f"the metadata '{attention.KEY}' of {network.name} does not fit it: {fault}",
        code="bad-attention",
        where=attention.KEY,
        hint="gains are float32 of shape (1, nodes), one for each category of the network",
    )
