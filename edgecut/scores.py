"""What the scores of kept categories are to be, where a softmax couples them with the others.

- ``exact``: the full network's numbers. The softmax and all before it stay whole.
- ``renormalised``: a softmax over the kept slots alone. It can be cut; the ranking of what is kept
  stays, and every probability rises by what the dropped categories had.
- ``other``: the full network's numbers, and one slot more with the summed probability of all that
  was cut, so that a device can tell that it sees something else.

What becomes of values that an ArgMax or a TopK chose by such scores is in ``edgecut.coded``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.categories import CategoryMap, OutputSlots
from edgecut.choices import SHAPES
from edgecut.demand import Demand, demand, key
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.normalisation import RENORMALISED, Softmax
from edgecut.ops.region import Region
from edgecut.ops.rule import attribute, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

EXACT, RENORMALISE, OTHER = "exact", "renormalised", "other"
SCORES = (EXACT, RENORMALISE, OTHER)
SUMMED = "the last slot, of each anchor where there are several, is the sum of all that was cut"

Wanted = Mapping[str, Region]


def wanted_of(categories: CategoryMap, kept: Sequence[int]) -> dict[str, Region]:
    """The region of each output that a task needs; outputs that it needs whole do not appear."""
    return {
        entry.output: Region().with_axis(entry.axis, some)
        for entry in categories.outputs
        for some in [entry.kept(kept)]
        if len(some) < len(entry.slots)
    }


def renormalised(network: Network, wanted: Wanted, *, whole: Network | None = None) -> Network:
    """The network whose softmaxes over categories let the cut pass, each over what is left.

    ``whole`` is the network before its choices were made among the kept, where they are; then
    there need be no softmax.

    Raises:
        EdgecutError: ``no-softmax``.
    """
    places = _coupled(network, wanted, whole or network)
    if not places and whole is not None:
        return network
    if not places:
        raise _no_softmax(f"no softmax of {network.name} can run over what is kept alone")
    model = network.editable()
    for node in model.graph:
        if key(node) in places:
            node.metadata_props[RENORMALISED] = "yes"
    return network.evolve(model, RENORMALISE)


def masked(
    network: Network,
    wanted: Wanted,
    *,
    whole: Network | None = None,
    on: Network | None = None,
) -> Network:
    """The whole network as ``renormalised`` means it: to a softmax, what is cut is never there.

    ``on`` is another network with the same softmaxes, where the masks are to go into that.

    Raises:
        EdgecutError: ``no-softmax``.
    """
    places = _coupled(network, wanted, whole or network)
    need = demand(renormalised(network, wanted, whole=whole), wanted)
    network = on or network
    model = network.editable()
    for node in list(model.graph):
        if key(node) in places:
            _mask(model.graph, node, need.flows[key(node)].outputs[0])
    return network.evolve(model, "mask")


def with_other(
    network: Network, categories: CategoryMap, kept: Sequence[int]
) -> tuple[Network, CategoryMap]:
    """The network whose softmaxed outputs hold the kept slots and a last one for the others.

    Where an output has the categories several times, as anchors do, each time gets its own. Coded
    outputs have a value for the others anyway.

    Raises:
        EdgecutError: ``no-softmax`` where no output holds probabilities of a softmax as they are.
    """
    model, entries = network.editable(), list(categories.outputs)
    for i, entry in enumerate(entries):
        if len(entry.kept(kept)) < len(entry.slots) and _is_probability(network, entry):
            entries[i] = _add_other(model.graph, entry, kept)
    if entries == list(categories.outputs):
        if categories.coded:
            return network, categories
        raise _no_softmax(f"no output of {network.name} holds the probabilities of one softmax")
    told = replace(categories, outputs=tuple(entries))
    return network.evolve(model, OTHER, categories=told), told


def _coupled(network: Network, wanted: Wanted, whole: Network) -> set[str]:
    """The softmaxes that stop the cut, and do not stop where everything is kept."""
    idle, asked = demand(whole, {}), demand(network, wanted)
    softmaxes = [key(node) for node in network.model.graph if op_of(node) in Softmax.op_types]
    return {
        name
        for name in softmaxes
        if name in asked.flows and asked.flows[name].stopped and not idle.flows[name].stopped
    }


def _mask(graph: ir.Graph, node: ir.Node, kept: Region) -> None:
    source = node.inputs[0]
    assert source is not None and source.dtype is not None
    shape = shape_of(source)
    axis = int(attribute(node, "axis", -1)) % len(shape)
    bias = np.full(shape[axis], -np.inf, np.float32)
    bias[list(kept.axis(axis) or range(shape[axis]))] = 0
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    name = f"{source.name}/mask"
    mask = edit.constant(graph, name, bias.reshape(sizes).astype(source.dtype.numpy()))
    masked_input = edit.insert(graph, node, "Add", [source, mask], like=source, name=name)
    node.replace_input_with(0, masked_input)


def _is_probability(network: Network, entry: OutputSlots) -> bool:
    """Whether nothing but moves lies between the slots of an output and softmaxes over them."""
    if _anchors(entry) is None:
        return False
    owned = [i for i, owner in enumerate(entry.slots) if owner is not None]
    first = [i for i in owned if entry.slots[i] == entry.slots[owned[0]]]
    alone, together = (_behind(network, entry, slots) for slots in (first, owned))
    # One softmax for all: two of them, or another score among them, give sums of something else.
    return alone is not None and alone.keys() == (together or {}).keys() and all(alone.values())


def _behind(
    network: Network, entry: OutputSlots, slots: Sequence[int]
) -> dict[str, str | None] | None:
    """The softmaxes that some slots are moved from, and why each stops the cut; None without."""
    need = demand(network, {entry.output: Region().with_axis(entry.axis, tuple(slots))})
    (value,) = (v for v in network.model.graph.outputs if v.name == entry.output)
    ends = list(_ends(value, need))
    if not all(node is not None and op_of(node) == "Softmax" for node in ends):
        return None
    return {key(node): need.flows[key(node)].stopped for node in ends if node is not None}


def _anchors(entry: OutputSlots) -> int | None:
    """How often an output has its categories, in equal runs of slots; None where that is not so."""
    owners = [owner for owner in entry.slots if owner is not None]
    if not owners:
        return None
    times = entry.slots.count(owners[0])
    size = len(entry.slots) // times
    alike = entry.slots == entry.slots[:size] * times
    return times if alike and len(set(owners)) * times == len(owners) else None


def _ends(value: ir.Value, need: Demand) -> Iterator[ir.Node | None]:
    """The nodes behind the moves that an output is made of, as far as anything needs them."""
    node = value.producer()
    if node is None or op_of(node) not in ("Concat", *SHAPES):
        yield node
        return
    regions = need.flows[key(node)].inputs
    # What lies behind the first input of a reshape is its shape.
    sources = list(zip(node.inputs, regions, strict=True))
    for source, region in sources if op_of(node) == "Concat" else sources[:1]:
        if source is not None and region is not None:
            yield from _ends(source, need)


def _add_other(graph: ir.Graph, entry: OutputSlots, kept: Sequence[int]) -> OutputSlots:
    """Put the kept slots and the sum of the others in the place of an output."""
    place = next(i for i, v in enumerate(graph.outputs) if v.name == entry.output)
    whole = graph.outputs[place]
    whole.name = edit.fresh(f"{entry.output}/all", edit.value_names(graph))
    times = _anchors(entry)
    assert times is not None
    size = len(entry.slots) // times
    parts: list[ir.Value] = []
    slots: list[int | None] = []
    for time in range(times):
        here = range(time * size, (time + 1) * size)
        stay = [i for i in here if i in set(entry.kept(kept))]
        parts.append(_picked(graph, whole, stay, entry.axis))
        cut = _picked(graph, whole, [i for i in here if i not in set(stay)], entry.axis)
        axes = edit.constant(graph, "axes", np.array([entry.axis], np.int64))
        parts.append(_like(graph, "ReduceSum", [cut, axes], whole, (entry.axis, 1)))
        slots += [*(entry.slots[i] for i in stay), None]
    how = {"axis": entry.axis}
    joined = _like(graph, "Concat", parts, whole, (entry.axis, len(slots)), how)
    joined.name = entry.output
    graph.outputs[place] = joined
    reason = f"{entry.reason}; {SUMMED}"
    return replace(entry, slots=tuple(slots), reason=reason)


def _picked(graph: ir.Graph, value: ir.Value, places: Sequence[int], axis: int) -> ir.Value:
    where = edit.constant(graph, "slots", np.array(places, np.int64))
    return _like(graph, "Gather", [value, where], value, (axis, len(places)), {"axis": axis})


def _like(
    graph: ir.Graph,
    op_type: str,
    inputs: Sequence[ir.Value],
    like: ir.Value,
    size: tuple[int, int],
    attributes: Mapping[str, int] | None = None,
) -> ir.Value:
    """The output of a new last node: like another value but for its size, (axis, size)."""
    shape = [size[1] if axis == size[0] else n for axis, n in enumerate(shape_of(like))]
    (made,) = edit.appended(graph, op_type, inputs, attributes, kind=like.type, shape=shape)
    return made


def _no_softmax(message: str) -> EdgecutError:
    return EdgecutError(
        message,
        code="no-softmax",
        hint="leave --scores out: scores that stand by themselves are exact after the cut; where "
        "there is a softmax, --why NODE tells who else reads it",
    )
