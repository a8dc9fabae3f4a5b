"""Finding the categories of a network: their names, and the slots that they own."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.category_json import from_json, to_json
from edgecut.category_set import taxonomy_of
from edgecut.errors import EdgecutError
from edgecut.network import Network, TensorSpec
from edgecut.ops.elementwise import Elementwise
from edgecut.ops.movement import blocks
from edgecut.ops.rule import Unsupported, attribute, op_of, shape_of
from edgecut.taxonomy import Taxonomy

if TYPE_CHECKING:
    import onnx_ir as ir

METADATA_KEYS = ("names", "classes", "class_names", "labels", "categories")
BACKGROUND = ("background", "__background__")
OWN_KEY = "edgecut.categories"
# Slots before the categories in the heads that people use: none, box, box and objectness.
HEADS = {0: "one slot per category", 4: "box, then categories", 5: "box, objectness, categories"}
MOST_ANCHORS = 12
_PARTS = r"\d{1,6}c?(?:\+\d{1,6}c?)*"
_LAYOUT = rf"(?:(\d{{1,4}})\*\(({_PARTS})\)|({_PARTS}))"
_SLOTS = re.compile(rf"(.+?):(-?\d{{1,2}}):{_LAYOUT}(?:,(?=.)|\Z)", re.ASCII)


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
            descriptions of several outputs.
        taxonomy: the tree whose leaves the names are; that of a shipped set with these names, or
            a flat one, where none is given.

    A name ``background`` (or ``__background__``) makes its slot one that all categories share.

    Raises:
        EdgecutError: ``no-categories``, ``empty-names``, ``duplicate-names``,
            ``labels-do-not-fit``, ``ambiguous-slots``, ``bad-slots``.
    """
    if names is None:
        own = embedded(network)
        if own is not None and slots is None:
            return network.evolve(network.model, "categories", categories=own)
        names, source = _from_metadata(network), f"metadata of {network.name}"
    names = tuple(name.strip() for name in names)
    _check_names(names, source)
    count = len(names)
    outputs = _given(network, slots, count) if slots else _found(network, count, source)
    tree = taxonomy or taxonomy_of(names)
    found = _without_background(
        CategoryMap(names=names, outputs=outputs, source=source, taxonomy=tree)
    )
    _check_names(found.names, source)
    return network.evolve(network.model, "categories", categories=found)


def _without_background(found: CategoryMap) -> CategoryMap:
    """The map in which the background is no category: its slot is shared by all."""
    owners = [i for i, name in enumerate(found.names) if name.casefold() not in BACKGROUND]
    position = {old: new for new, old in enumerate(owners)}
    outputs = tuple(
        replace(entry, slots=tuple(None if s is None else position.get(s) for s in entry.slots))
        for entry in found.outputs
    )
    nodes = found.nodes()
    return replace(
        found,
        names=tuple(found.names[i] for i in owners),
        outputs=outputs,
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
        owners = {s for o in found.outputs for s in o.slots if s is not None}
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


def _given(network: Network, text: str, count: int) -> tuple[OutputSlots, ...]:
    """The slots that the user described, of one output or several."""
    matches = list(_descriptions(text))
    specs = {spec.name: spec for spec in network.outputs}
    named = [match[1] for match in matches]
    if not named or not set(named) <= set(specs) or len(set(named)) < len(named):
        raise EdgecutError(
            f"--slots '{text}' is not OUTPUT:AXIS:LAYOUT of {network.name}",
            code="bad-slots",
            hint=f"for example --slots {network.outputs[0].name}:1:5+{count}; several are parted "
            f"by commas; outputs: {', '.join(specs)}",
        )
    return tuple(_given_one(specs[match[1]], match, count) for match in matches)


def _descriptions(text: str) -> Iterator[re.Match[str]]:
    """A match for each OUTPUT:AXIS:LAYOUT of a text; none where the text is not made of them."""
    matches, place = [], 0
    while place < len(text):
        match = _SLOTS.match(text, place)
        if match is None:
            return
        matches.append(match)
        place = match.end()
    yield from matches


def _given_one(spec: TensorSpec, match: re.Match[str], count: int) -> OutputSlots:
    text = match[0].rstrip(",")
    texts = (match[4] or match[5]).split("+")
    parts = [int(part.rstrip("c")) for part in texts]
    anchors, axis, own = int(match[3] or 1), int(match[2]), _own_part(texts, count)
    if own is None or not -len(spec.shape) <= axis < len(spec.shape):
        raise EdgecutError(
            f"--slots '{text}' has not just one part of {count} slots, or no such axis",
            code="bad-slots",
            hint=f"{spec.name} has shape {list(spec.shape)}; there are {count} categories; where "
            f"two parts have that size, mark theirs with c, for example 4+4c",
        )
    axis %= len(spec.shape)
    if anchors * sum(parts) != spec.shape[axis]:
        raise EdgecutError(
            f"--slots '{text}' describes {anchors * sum(parts)} slots; axis {axis} of "
            f"'{spec.name}' has {spec.shape[axis]}",
            code="bad-slots",
        )
    slots = _layout(anchors, sum(parts[:own]), count, sum(parts[own + 1 :]))
    return OutputSlots(output=spec.name, axis=axis, slots=slots, reason="given with --slots")


def _own_part(texts: Sequence[str], count: int) -> int | None:
    """Which part of a layout is that of the categories; None where that cannot be told."""
    marked = [i for i, text in enumerate(texts) if text.endswith("c")]
    fitting = [i for i, text in enumerate(texts) if int(text.rstrip("c")) == count]
    found = [i for i in marked or fitting if i in fitting]
    return found[0] if len(found) == 1 and len(marked) < 2 else None


def _found(network: Network, count: int, source: str) -> tuple[OutputSlots, ...]:
    """The slots that the graph shows or, where it shows none, those that the shapes allow."""
    values = {str(v.name): v for v in network.model.graph.outputs}
    shown = [_shown(spec, values[spec.name], count) for spec in network.outputs]
    certain = any(shown)
    readings = [r for r in (shown if certain else _guessed(network, count)) if r]
    if not readings:
        shapes = ", ".join(f"'{s.name}' {list(s.shape)}" for s in network.outputs)
        raise EdgecutError(
            f"the {count} categories of {source} fit no output of {network.name}: {shapes}",
            code="labels-do-not-fit",
            hint=_fitting_counts(network),
        )
    first = tuple(candidates[0] for candidates in readings)
    if any(len(r) > 1 for r in readings) or not (certain or _are_scales(network, first)):
        listed = "; ".join(f"'{c.output}' axis {c.axis}: {c.reason}" for r in readings for c in r)
        example = ",".join(f"{c.output}:{c.axis}:{_layout_text(c, count)}" for c in first)
        raise EdgecutError(
            f"the {count} categories of {source} fit {network.name} in several ways: {listed}",
            code="ambiguous-slots",
            hint=f"for example --slots {example}; leave out an output that holds none of them",
        )
    return first


def _are_scales(network: Network, entries: Sequence[OutputSlots]) -> bool:
    """Whether outputs are one head at several sizes: boxes as many as categories are none."""
    shapes = {spec.name: spec.shape for spec in network.outputs}
    roles = {(len(shapes[entry.output]), entry.axis, _one_anchor(entry)) for entry in entries}
    return len(roles) == 1 and len({shapes[entry.output] for entry in entries}) == len(entries)


def _shown(spec: TensorSpec, value: ir.Value, count: int) -> list[OutputSlots]:
    """The readings of an output that the graph shows."""
    shown = []
    for axis, size in enumerate(spec.shape):
        parts = _parts(value, axis)
        if parts.count(count) == 1 and len(parts) > 1:
            before = sum(parts[: parts.index(count)])
            slots = _layout(1, before, count, size - before - count)
            reason = f"the graph joins parts of {', '.join(map(str, parts))} slots on it"
            shown.append(OutputSlots(output=spec.name, axis=axis, slots=slots, reason=reason))
    return shown


def _guessed(network: Network, count: int) -> list[list[OutputSlots]]:
    """The readings of each output that its shape allows."""
    return [
        [c for axis, n in enumerate(s.shape) if n > 1 for c in _by_size(s.name, axis, n, count)]
        for s in network.outputs
    ]


def _by_size(output: str, axis: int, size: int, count: int) -> list[OutputSlots]:
    readings: list[tuple[tuple[int | None, ...], str]] = []
    for before, head in HEADS.items():
        if size == before + count:
            readings.append((_layout(1, before, count, 0), f"{size} slots: {head}"))
        anchors, rest = divmod(size, before + count)
        if before and not rest and 1 < anchors <= MOST_ANCHORS:
            text = f"{size} slots: {anchors} anchors of {head}"
            readings.append((_layout(anchors, before, count, 0), text))
    if size == count + 1:
        readings.append((_layout(1, 1, count, 0), f"{size} slots: background, then categories"))
        readings.append((_layout(1, 0, count, 1), f"{size} slots: categories, then background"))
    return [
        OutputSlots(output=output, axis=axis, slots=slots, reason=reason)
        for slots, reason in readings
    ]


def _layout(anchors: int, before: int, count: int, after: int) -> tuple[int | None, ...]:
    return ((None,) * before + tuple(range(count)) + (None,) * after) * anchors


def _one_anchor(entry: OutputSlots) -> tuple[int | None, ...]:
    return entry.slots[: len(entry.slots) // entry.slots.count(0)]


def _layout_text(candidate: OutputSlots, count: int) -> str:
    anchors, one = candidate.slots.count(0), _one_anchor(candidate)
    before = one.index(0)
    after = len(one) - before - count
    own = f"{count}c" if count in (before, after) else str(count)
    parts = [text for n, text in ((before, str(before)), (count, own), (after, str(after))) if n]
    return f"{anchors}*({'+'.join(parts)})" if anchors > 1 else "+".join(parts)


def _parts(value: ir.Value, axis: int) -> list[int]:
    """Sizes of the parts that the graph joins on an axis, followed backward to their Concat."""
    try:
        while (node := value.producer()) is not None:
            source = node.inputs[0]
            if op_of(node) == "Concat":
                along = attribute(node, "axis", 0) % len(shape_of(value))
                if along == axis:
                    return [shape_of(part)[axis] for part in node.inputs]
            elif op_of(node) == "Transpose":
                axis = attribute(node, "perm", list(reversed(range(len(shape_of(value))))))[axis]
            elif op_of(node) in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
                axis = _axis_before(shape_of(source), shape_of(value), axis)
            elif op_of(node) not in Elementwise.op_types or shape_of(source) != shape_of(value):
                return []
            assert source is not None
            value = source
    except (Unsupported, LookupError):
        pass
    return []


def _axis_before(before: Sequence[int], after: Sequence[int], axis: int) -> int:
    for axes_in, axes_out in blocks(before, after):
        if axes_out == (axis,) and len(axes_in) == 1:
            return axes_in[0]
    raise LookupError(axis)


def _fitting_counts(network: Network) -> str:
    from edgecut import shipped

    sizes = {n for s in network.outputs for n in s.shape if n > 1}
    fitting = []
    for name in shipped.names("calibration"):
        data = shipped.read("calibration", name)
        count = len(data.get("names", ()))
        if count and any(n - count in (0, 1, 4, 5) for n in sizes):
            fitting.append(f"{name} ({count})")
    if fitting:
        return f"shipped label sets that would fit: {', '.join(fitting)}"
    return "count the labels: there must be one for each category slot of an output"
