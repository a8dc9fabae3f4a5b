"""Finding the categories of a network: their names, and the slots that they own."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecut.categories import CategoryMap, OutputSlots, OutputValues
from edgecut.category_json import from_json, to_json
from edgecut.category_set import taxonomy_of
from edgecut.choices import choice_behind
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.rule import op_of
from edgecut.slots import found, given
from edgecut.taxonomy import Taxonomy

if TYPE_CHECKING:
    import onnx_ir as ir

METADATA_KEYS = ("names", "classes", "class_names", "labels", "categories")
BACKGROUND = ("background", "__background__")
OWN_KEY = "edgecut.categories"


def with_categories(
    network: Network,
    names: Sequence[str] | None,
    *,
    source: str,
    slots: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> Network:
    """The network with its category map.

    Args:
        network: a loaded network.
        names: category names in slot order, or None to take what the model's metadata says.
        source: where the names come from, for messages.
        slots: ``OUTPUT:AXIS:LAYOUT``, to say where the categories are instead of finding out;
            LAYOUT is for example ``80``, ``5+80``, ``80+1`` or ``3*(5+80)``. Where two parts have
            as many slots as there are categories, a ``c`` marks theirs: ``4+4c``. Commas part the
            descriptions of several outputs. AXIS is ``values`` where the values of the output are
            the categories, as those of an ArgMax are. Outputs of several levels have some of the
            categories each, in the order of the names: ``coarse:1:20c,fine:1:100c``.
        taxonomy: the tree whose leaves the names are; that of a shipped set with these names, or
            a flat one, where none is given.

    A name ``background`` (or ``__background__``) makes its slot one that all categories share.

    Raises:
        EdgecutError: ``no-categories``, ``empty-names``, ``duplicate-names``,
            ``labels-do-not-fit``, ``ambiguous-slots``, ``bad-slots``, ``dynamic-output``.
    """
    _require_fixed(network)
    if names is None:
        own = embedded(network)
        if own is not None and slots is None:
            return network.evolve(network.model, "categories", categories=own)
        names, source = _from_metadata(network), f"metadata of {network.name}"
    names = tuple(name.strip() for name in names)
    _check_names(names, source)
    count = len(names)
    entries = given(network, slots, count) if slots else found(network, count, source)
    tree = taxonomy or taxonomy_of(names)
    known = _without_background(
        CategoryMap(
            names=names,
            outputs=tuple(entry for entry in entries if isinstance(entry, OutputSlots)),
            coded=tuple(entry for entry in entries if isinstance(entry, OutputValues)),
            source=source,
            taxonomy=tree,
        )
    )
    _check_names(known.names, source)
    return network.evolve(network.model, "categories", categories=known)


def _without_background(found: CategoryMap) -> CategoryMap:
    """The map in which the background is no category: its slot is shared by all."""
    owners = [i for i, name in enumerate(found.names) if name.casefold() not in BACKGROUND]
    position = {old: new for new, old in enumerate(owners)}

    def owned(owners: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(None if owner is None else position.get(owner) for owner in owners)

    nodes = found.nodes()
    return replace(
        found,
        names=tuple(found.names[i] for i in owners),
        outputs=tuple(replace(entry, slots=owned(entry.slots)) for entry in found.outputs),
        coded=tuple(replace(entry, values=owned(entry.values)) for entry in found.coded),
        taxonomy=found.taxonomy and found.taxonomy.restricted(nodes[i] for i in owners),
    )


def embed(network: Network) -> Network:
    """The network with its category map written into its metadata, for whoever loads the file."""
    categories = network.categories
    if categories is None:
        return network
    model = network.editable()
    model.metadata_props[OWN_KEY] = json.dumps(to_json(categories))
    return network.evolve(model, "embed")


def embedded(network: Network) -> CategoryMap | None:
    """The category map that ``embed`` wrote, checked against the network; None without one."""
    text = network.model.metadata_props.get(OWN_KEY)
    if text is None:
        return None
    sizes = {(o.name, i): n for o in network.outputs for i, n in enumerate(o.shape)}
    try:
        found = from_json(json.loads(text))
        fits = all(sizes[o.output, o.axis] == len(o.slots) for o in found.outputs)
        fits = fits and all(_fits(entry, network) for entry in found.coded)
        owners = {s for o in found.outputs for s in o.slots if s is not None}
        owners |= {v for o in found.coded for v in o.values if v is not None}
        fits = fits and owners == set(range(len(found.names)))
        _check_names(found.names, OWN_KEY)
    except (ValueError, KeyError, TypeError, RecursionError, EdgecutError):
        fits = False
    if not fits:
        raise EdgecutError(
            f"the metadata '{OWN_KEY}' of {network.name} does not fit its outputs",
            code="labels-do-not-fit",
            hint="give --labels and, if need be, --slots",
        )
    return found


def _fits(entry: OutputValues, network: Network) -> bool:
    """Whether a coded output holds places that something chose, and these are its values."""
    shown = [v for v in network.model.graph.outputs if v.name == entry.output]
    choice = choice_behind(shown[0]) if shown else None
    if choice is None or choice.most != len(entry.values) - 1:
        return False
    other = entry.other
    return other is None or (other in range(len(entry.values)) and entry.values[other] is None)


def _require_fixed(network: Network) -> None:
    """Refuse outputs whose size an operation chooses while it runs.

    Raises:
        EdgecutError: ``dynamic-output``.
    """
    for value in network.model.graph.outputs:
        if value.shape is not None and value.shape.is_static():
            continue
        for node in _ancestors(value):
            if op_of(node) == "NonMaxSuppression":
                raise EdgecutError(
                    f"output '{value.name}' of {network.name} has no fixed size: "
                    f"NonMaxSuppression '{node.name}' finds out how many rows it has",
                    code="dynamic-output",
                    where=value.name,
                    hint="export the model without its NMS, so that it ends in boxes and scores, "
                    "and suppress on the device; `edgecut evaluate` does so by a recipe's "
                    "[detections]",
                )


def _ancestors(value: ir.Value) -> Iterator[ir.Node]:
    """The nodes that a value is made of, each once, the nearest first."""
    waiting, seen = deque([value]), set()
    while waiting:
        node = waiting.popleft().producer()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(source for source in node.inputs if source is not None)


def _check_names(names: Sequence[str], source: str) -> None:
    """Refuse names that a keep-list could not tell apart."""
    if not names:
        raise EdgecutError(f"{source} holds no category name", code="empty-names")
    folded = Counter(name.casefold() for name in names)
    repeated = [name for name, count in folded.items() if count > 1 or not name]
    if repeated:
        raise EdgecutError(
            f"{source} names '{repeated[0]}' {folded[repeated[0]]} times",
            code="duplicate-names",
            hint="each category needs a name of its own: give --labels",
        )


def _from_metadata(network: Network) -> tuple[str, ...]:
    props = network.model.metadata_props
    for key in METADATA_KEYS:
        names = _parse_names(props[key]) if key in props else None
        if names:
            return names
    raise EdgecutError(
        f"nothing says what categories {network.name} tells apart",
        code="no-categories",
        hint="give --labels: a shipped set (coco80, imagenet1k, ...) or a file, one per line",
    )


def _parse_names(text: str) -> tuple[str, ...] | None:
    """Names as Ultralytics writes them ({0: 'person', ...}), as a JSON list, or one per line."""
    try:
        data = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        data = [line.strip() for line in re.split(r"[\n,;]", text) if line.strip()]
    if isinstance(data, dict):
        try:
            by_slot = {int(str(key)): name for key, name in data.items()}
        except ValueError:
            return None
        if sorted(by_slot) != list(range(len(data))):
            return None  # a gap would move all names behind it to other slots
        data = [by_slot[i] for i in range(len(data))]
    return tuple(str(name) for name in data) if isinstance(data, list | tuple) else None
