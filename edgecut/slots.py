"""Where an output has its categories: read from the graph, from its shape, or from ``--slots``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, combinations
from typing import TYPE_CHECKING

from edgecut import shipped
from edgecut.categories import OutputSlots, OutputValues
from edgecut.choices import Choice, choice_behind
from edgecut.errors import EdgecutError
from edgecut.network import Network, TensorSpec
from edgecut.ops.elementwise import Elementwise
from edgecut.ops.rule import Unsupported, attribute, op_of, shape_of
from edgecut.trail import Place, followed, trail

if TYPE_CHECKING:
    import onnx_ir as ir

# Slots before the categories in the heads that people use: none, box, box and objectness.
HEADS = {0: "one slot per category", 4: "box, then categories", 5: "box, objectness, categories"}
MOST_ANCHORS = 12
_PARTS = r"\d{1,6}c?(?:\+\d{1,6}c?)*"
_LAYOUT = rf"(?:(\d{{1,4}})\*\(({_PARTS})\)|({_PARTS}))"
VALUES = "values"
_SLOTS = re.compile(rf"(.+?):(-?\d{{1,2}}|{VALUES}):{_LAYOUT}(?:,(?=.)|\Z)", re.ASCII)

Entry = OutputSlots | OutputValues


def given(network: Network, text: str, count: int) -> tuple[Entry, ...]:
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
    values = {str(value.name): value for value in network.model.graph.outputs}
    entries = tuple(
        _given_values(values[match[1]], match, own)
        if match[2] == VALUES
        else _given_one(specs[match[1]], match, own)
        for match, own in zip(matches, _owners(matches, count), strict=True)
    )
    _check_choices(entries, values)
    return entries


def _check_choices(entries: Sequence[Entry], values: Mapping[str, ir.Value]) -> None:
    """Refuse two descriptions of the slots of one choice that say different things."""
    described: list[tuple[Entry, tuple[int | None, ...], set[Place]]] = []
    for entry in entries:
        value = values[entry.output]
        if isinstance(entry, OutputSlots):
            described.append((entry, entry.slots, trail(value, entry.axis)))
        elif choice := choice_behind(value):
            described.append((entry, entry.values, trail(choice.scores, choice.axis)))
    for (one, slots, seen), (other, others, also) in combinations(described, 2):
        coded = isinstance(one, OutputValues) or isinstance(other, OutputValues)
        if coded and slots != others and not seen.isdisjoint(also):
            raise EdgecutError(
                f"--slots says two things of the same slots: those of '{one.output}' are those of "
                f"'{other.output}'",
                code="bad-slots",
                hint="describe both alike, or leave one out, which then stays whole",
            )


def _owners(matches: Sequence[re.Match[str]], count: int) -> list[range]:
    """Which categories each description is of: all of them, or of several levels its own.

    Levels have one marked part each, which together are as many as there are categories.

    Raises:
        EdgecutError: ``bad-slots`` where these can only be levels, and do not say so.
    """
    texts = [(match[4] or match[5]).split("+") for match in matches]
    marked = [[int(part[:-1]) for part in parts if part.endswith("c")] for parts in texts]
    if len(matches) > 1 and all(len(own) == 1 for own in marked):
        sizes = [own for (own,) in marked]
        if sum(sizes) == count:
            ends = list(accumulate(sizes))
            return [range(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    if len(matches) > 1 and all(_own_part(parts, count) is None for parts in texts):
        _refuse_levels(matches, texts, marked, count)
    return [range(count)] * len(matches)


def _refuse_levels(
    matches: Sequence[re.Match[str]],
    texts: Sequence[Sequence[str]],
    marked: Sequence[Sequence[int]],
    count: int,
) -> None:
    """Tell what several descriptions sum to of which none is of all categories."""
    sizes = [own or [int(parts[0])] for parts, own in zip(texts, marked, strict=True)]
    if not all(own or len(parts) == 1 for parts, own in zip(texts, marked, strict=True)):
        return
    if any(len(own) > 1 for own in sizes):
        return
    total = sum(size for (size,) in sizes)
    if total == count:
        parts = [
            f"{match[1]}:{match[2]}:{'+'.join(own) if mine else own[0] + 'c'}"
            for match, own, mine in zip(matches, texts, marked, strict=True)
        ]
        raise EdgecutError(
            f"--slots: {total} labels are those of several outputs together, and not each of them "
            "marks which part is its own",
            code="bad-slots",
            hint=f"--slots {','.join(parts)}",
        )
    told = " + ".join(str(size) for (size,) in sizes)
    raise EdgecutError(
        f"--slots describes {told} = {total} categories, and there are {count} labels",
        code="bad-slots",
        hint="levels take the labels of all outputs, one after the other, and mark whose are "
        "where, as coarse:1:2c,fine:1:3c does of 5 labels; give as many labels as that",
    )


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


def _given_one(spec: TensorSpec, match: re.Match[str], owners: range) -> OutputSlots:
    text, count = match[0].rstrip(","), len(owners)
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
            hint="where its values are the categories, as those of an ArgMax are: "
            f"{spec.name}:{VALUES}:LAYOUT",
        )
    slots = _layout(anchors, sum(parts[:own]), owners, sum(parts[own + 1 :]))
    return OutputSlots(output=spec.name, axis=axis, slots=slots, reason="given with --slots")


def _given_values(value: ir.Value, match: re.Match[str], owners: range) -> OutputValues:
    """What the user said that the values of an output are."""
    text, count, choice = match[0].rstrip(","), len(owners), choice_behind(value)
    if choice is None or choice.maps:
        raise EdgecutError(
            f"--slots '{text}': the values of '{value.name}' are no places that an ArgMax or a "
            "TopK chose" + (", but what a table makes of them" if choice else ""),
            code="bad-slots",
            hint=f"where its categories are on an axis: {value.name}:AXIS:LAYOUT; where a table "
            "numbers them anew, leave it out of the export",
        )
    texts = (match[4] or match[5]).split("+")
    parts, own = [int(part.rstrip("c")) for part in texts], _own_part(texts, count)
    if own is None or match[3] or sum(parts) != choice.size:
        more = choice.size - count
        raise EdgecutError(
            f"--slots '{text}' does not tell {count} categories among {choice.size} values",
            code="bad-slots",
            hint=f"for example {value.name}:{VALUES}:{f'{more}+' if more else ''}{count}"
            if more >= 0
            else f"{_told(value)}: count the labels",
        )
    values = _layout(1, sum(parts[:own]), owners, sum(parts[own + 1 :]))
    return OutputValues(output=str(value.name), values=values, reason="given with --slots")


def _own_part(texts: Sequence[str], count: int) -> int | None:
    """Which part of a layout is that of the categories; None where that cannot be told."""
    marked = [i for i, text in enumerate(texts) if text.endswith("c")]
    fitting = [i for i, text in enumerate(texts) if int(text.rstrip("c")) == count]
    found = [i for i in marked or fitting if i in fitting]
    return found[0] if len(found) == 1 and len(marked) < 2 else None


def found(network: Network, count: int, source: str) -> tuple[Entry, ...]:
    """The values and slots that the graph shows or, where it shows none, what shapes allow."""
    values = {str(v.name): v for v in network.model.graph.outputs}
    readings, certain = _read(network, count)
    if not readings:
        shapes = ", ".join(f"'{s.name}' {list(s.shape)}" for s in network.outputs)
        raise EdgecutError(
            f"the {count} categories of {source} fit no output of {network.name}: {shapes}"
            + "".join(f"; {told}" for told in map(_told, values.values()) if told),
            code="labels-do-not-fit",
            hint=_as_levels(network, count) or _fitting_counts(network) + _on_axes(network, count),
        )
    first = tuple(candidates[0] for candidates in readings)
    if not certain or any(len(r) > 1 for r in readings):
        listed = "; ".join(f"{_place(c)}: {c.reason}" for r in readings for c in r)
        example = ",".join(_text(c, count) for c in first)
        raise EdgecutError(
            f"the {count} categories of {source} fit {network.name} in several ways: {listed}",
            code="ambiguous-slots",
            hint=f"for example --slots {example}; leave out an output that holds none of them",
        )
    return first


def _read(network: Network, count: int) -> tuple[list[list[Entry]], bool]:
    """The readings of each output that has any, and whether the first of each belong together.

    What the graph shows belongs together where it is about the same slots. A choice among as many
    places as there are categories may be one of other things, such as angles: where another output
    fits the categories as well, and the choice does not see its slots, nobody can tell.
    """
    values = dict(zip(network.outputs, network.model.graph.outputs, strict=True))
    choices = {spec: c for spec, value in values.items() if (c := _choice(value, count))}
    seen = [trail(choice.scores, choice.axis) for choice in choices.values()]
    found: dict[TensorSpec, list[Entry]] = {}
    for spec, value in values.items():
        if spec in choices:
            found[spec] = _coded(spec.name, choices[spec], count)
        elif shown := _shown(spec, value, count):
            found[spec] = [reading for reading, _ in shown]
            seen += [part for _, part in shown]
    beside = {s: _seen(s, value, choices, found) for s, value in values.items() if s not in found}
    certain = bool(found) and (not choices or _akin(seen))
    if choices or not found:
        unseen = {spec: values[spec] for spec, seen_too in beside.items() if not seen_too}
        guessed = _all_guessed(unseen, count)
        beside |= guessed
        certain = certain and not any(guessed.values())
    readings = [r for spec in values if (r := found.get(spec) or beside.get(spec))]
    return readings, certain if found else _are_scales(network, [r[0] for r in readings])


def _akin(trails: Sequence[set[Place]]) -> bool:
    """Whether the slots of all are the same ones, as far as the graph shows."""
    one, *rest = trails
    while near := [other for other in rest if not one.isdisjoint(other)]:
        one = one.union(*near)
        rest = [other for other in rest if one.isdisjoint(other)]
    return not rest


def _place(entry: Entry) -> str:
    if isinstance(entry, OutputValues):
        return f"values of '{entry.output}'"
    return f"'{entry.output}' axis {entry.axis}"


def _choice(value: ir.Value, count: int) -> Choice | None:
    """The choice behind an output, where it is one among so many categories and a background."""
    choice = choice_behind(value)
    fits = choice is not None and not choice.maps and choice.size - count in (0, 1)
    return choice if fits else None


def _coded(output: str, choice: Choice, count: int) -> list[Entry]:
    """The readings of an output whose values are categories."""
    told = f"{choice.node.op_type} '{choice.node.name}' chooses among {choice.size} slots"
    readings = [(_layout(1, 0, range(count), 0), told)]
    if choice.size > count:
        readings = [
            (_layout(1, 1, range(count), 0), f"{told}: background, then categories"),
            (_layout(1, 0, range(count), 1), f"{told}: categories, then background"),
        ]
    return [OutputValues(output=output, values=v, reason=reason) for v, reason in readings]


def _seen(
    spec: TensorSpec,
    value: ir.Value,
    choices: Mapping[TensorSpec, Choice],
    coded: Mapping[TensorSpec, Sequence[Entry]],
) -> list[Entry]:
    """The readings of an output of scores that a choice sees as well."""
    for chosen, choice in choices.items():
        seen = trail(choice.scores, choice.axis)
        for axis, size in enumerate(spec.shape):
            if size == choice.size and not seen.isdisjoint(trail(value, axis)):
                return [
                    OutputSlots(output=spec.name, axis=axis, slots=r.values, reason=r.reason)
                    for r in coded[chosen]
                    if isinstance(r, OutputValues)
                ]
    return []


def _told(value: ir.Value) -> str:
    """What chooses the values of an output among another number of places, or nothing."""
    choice = choice_behind(value)
    if choice is None:
        return ""
    named = f"{choice.node.op_type} '{choice.node.name}'"
    made = "what a table makes of what" if choice.maps else "what"
    return f"the values of '{value.name}' are {made} {named} chose among {choice.size}"


def _are_scales(network: Network, entries: Sequence[Entry]) -> bool:
    """Whether outputs are one head at several sizes: boxes as many as categories are none."""
    shapes = {spec.name: spec.shape for spec in network.outputs}
    roles = {
        (len(shapes[entry.output]), entry.axis, tuple(_one_anchor(entry.slots)))
        for entry in entries
        if isinstance(entry, OutputSlots)
    }
    return len(roles) == 1 and len({shapes[entry.output] for entry in entries}) == len(entries)


def _shown(spec: TensorSpec, value: ir.Value, count: int) -> list[tuple[Entry, set[Place]]]:
    """The readings of an output that the graph shows, and where the slots of each come from."""
    shown: list[tuple[Entry, set[Place]]] = []
    for axis, size in enumerate(spec.shape):
        parts = _parts(value, axis)
        sizes = [shape_of(part)[place] for part, place in parts]
        if sizes.count(count) == 1 and len(sizes) > 1:
            own = sizes.index(count)
            before = sum(sizes[:own])
            slots = _layout(1, before, range(count), size - before - count)
            reason = f"the graph joins parts of {', '.join(map(str, sizes))} slots on it"
            entry = OutputSlots(output=spec.name, axis=axis, slots=slots, reason=reason)
            shown.append((entry, trail(*parts[own])))
    return shown


def _all_guessed(
    values: Mapping[TensorSpec, ir.Value], count: int
) -> dict[TensorSpec, list[Entry]]:
    """The readings of several outputs that their shapes allow.

    Where the values of one were chosen on another axis, its shape says nothing by itself: there
    is a height, or a number of boxes. It counts where it has the slots of another output.
    """
    guessed = {spec: _guessed(spec, value, count) for spec, value in values.items()}
    chosen = {spec for spec, value in values.items() if choice_behind(value)}
    seen: set[Place] = set()
    for spec in guessed.keys() - chosen:
        seen = seen.union(*(trail(values[spec], r.axis) for r in guessed[spec]))
    for spec in chosen:
        readings = [r for r in guessed[spec] if not seen.isdisjoint(trail(values[spec], r.axis))]
        guessed[spec] = readings
    return {spec: list(readings) for spec, readings in guessed.items()}


def _guessed(spec: TensorSpec, value: ir.Value, count: int) -> list[OutputSlots]:
    """The readings of an output that its shape allows."""
    axes = [axis for axis, n in enumerate(spec.shape) if n > 1 and not _has_ranks(value, axis)]
    return [c for axis in axes for c in _by_size(spec.name, axis, spec.shape[axis], count)]


def _has_ranks(value: ir.Value, axis: int) -> bool:
    """Whether on an axis are the ranks of a TopK, which are no slots."""
    *_, (last, place) = followed(value, axis, Elementwise.op_types)
    node = last.producer()
    if node is None or op_of(node) != "TopK":
        return False
    return bool(attribute(node, "axis", -1) % len(shape_of(last)) == place)


def _by_size(output: str, axis: int, size: int, count: int) -> list[OutputSlots]:
    own = range(count)
    readings: list[tuple[tuple[int | None, ...], str]] = []
    for before, head in HEADS.items():
        if size == before + count:
            readings.append((_layout(1, before, own, 0), f"{size} slots: {head}"))
        anchors, rest = divmod(size, before + count)
        if before and not rest and 1 < anchors <= MOST_ANCHORS:
            text = f"{size} slots: {anchors} anchors of {head}"
            readings.append((_layout(anchors, before, own, 0), text))
    if size == count + 1:
        readings.append((_layout(1, 1, own, 0), f"{size} slots: background, then categories"))
        readings.append((_layout(1, 0, own, 1), f"{size} slots: categories, then background"))
    return [
        OutputSlots(output=output, axis=axis, slots=slots, reason=reason)
        for slots, reason in readings
    ]


def _layout(anchors: int, before: int, owners: range, after: int) -> tuple[int | None, ...]:
    return ((None,) * before + tuple(owners) + (None,) * after) * anchors


def _one_anchor(slots: Sequence[int | None]) -> Sequence[int | None]:
    return slots[: len(slots) // slots.count(0)]


def _text(candidate: Entry, count: int) -> str:
    """The candidate as --slots takes it."""
    if isinstance(candidate, OutputValues):
        return f"{candidate.output}:{VALUES}:{_layout_text(candidate.values, count)}"
    return f"{candidate.output}:{candidate.axis}:{_layout_text(candidate.slots, count)}"


def _layout_text(slots: Sequence[int | None], count: int) -> str:
    anchors, one = slots.count(0), _one_anchor(slots)
    before = one.index(0)
    after = len(one) - before - count
    own = f"{count}c" if count in (before, after) else str(count)
    parts = [text for n, text in ((before, str(before)), (count, own), (after, str(after))) if n]
    return f"{anchors}*({'+'.join(parts)})" if anchors > 1 else "+".join(parts)


def _parts(value: ir.Value, axis: int) -> list[Place]:
    """The parts that the graph joins on an axis, followed backward to their Concat."""
    for last, place in followed(value, axis, Elementwise.op_types):
        node = last.producer()
        try:
            if node is not None and op_of(node) == "Concat":
                joined = attribute(node, "axis", 0) % len(shape_of(last)) == place
                return [(part, place) for part in node.inputs if part is not None and joined]
        except Unsupported:
            pass
    return []


def _on_axes(network: Network, count: int) -> str:
    """How to say that a choice was made for each category, where an axis would allow that."""
    parts = [
        _text(readings[0], count)
        for spec, value in zip(network.outputs, network.model.graph.outputs, strict=True)
        if choice_behind(value) and (readings := _guessed(spec, value, count))
    ]
    return f"; where something is chosen for each category: --slots {','.join(parts)}" * bool(parts)


def _as_levels(network: Network, count: int) -> str:
    """How to say that the outputs have some of the categories each, where they may."""
    parts = []
    for spec, value in zip(network.outputs, network.model.graph.outputs, strict=True):
        choice, long = choice_behind(value), [i for i, n in enumerate(spec.shape) if n > 1]
        if choice is not None:
            parts.append((spec.name, VALUES, choice.size))
        elif len(long) == 1:
            parts.append((spec.name, str(long[0]), spec.shape[long[0]]))
    if len(parts) < 2 or sum(size for *_, size in parts) != count:
        return ""
    told = ",".join(f"{name}:{place}:{size}c" for name, place, size in parts)
    return f"where the labels are those of these outputs, one after the other: --slots {told}"


def _fitting_counts(network: Network) -> str:
    sizes = {n for s in network.outputs for n in s.shape if n > 1}
    choices = map(choice_behind, network.model.graph.outputs)
    sizes |= {choice.size for choice in choices if choice is not None}
    fitting = []
    for name in shipped.names("calibration"):
        data = shipped.read("calibration", name)
        count = len(data.get("names", ()))
        if count and any(n - count in (0, 1, 4, 5) for n in sizes):
            fitting.append(f"{name} ({count})")
    if fitting:
        return f"shipped label sets that would fit: {', '.join(fitting)}"
    return "count the labels: there must be one for each category slot of an output"
