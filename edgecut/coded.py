"""What the values of coded outputs mean once categories are cut.

- Among all (``exact``, ``other``): what the full network chose. A value is the place of the winner
  among what is kept, and one more than these stands for every winner that was cut. The choice
  needs every score, so nothing before it can be cut.
- Among the kept (``renormalised``): the choice itself sees the kept scores alone, and can be cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut import edit
from edgecut.categories import CategoryMap, OutputValues
from edgecut.choices import MOVES, Choice, choice_behind, is_alone, is_table, only_computed
from edgecut.demand import Refusal
from edgecut.errors import EdgecutError
from edgecut.network import Network, to_model
from edgecut.ops.elementwise import Elementwise
from edgecut.ops.normalisation import Softmax
from edgecut.ops.rule import attribute, input_of, op_of, shape_of
from edgecut.trail import trail

if TYPE_CHECKING:
    import onnx_ir as ir

WINNERS, AMONG = "chosen among all", "chosen among the kept alone"
# A score this many times as large as any that is near a choice is there to be out of reach.
MASKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A network whose coded outputs mean what a task asks for, and the map that says so.

    ``refusals`` are the choices before which nothing can be cut.
    """

    network: Network
    categories: CategoryMap
    refusals: tuple[Refusal, ...] = ()


def among_all(network: Network, categories: CategoryMap, kept: Sequence[int]) -> Coded:
    """The network that tells which winners were cut, by a table behind each coded output."""
    model, entries, refusals = network.editable(), list(categories.coded), []
    for i, entry in enumerate(entries):
        if entry.is_cut(kept):
            choice = choice_behind(_output(model.graph, entry))
            refusals += [_refusal(choice)] if choice else []
            entries[i] = _look_up(model.graph, entry, kept)
    if entries == list(categories.coded):
        return Coded(network=network, categories=categories)
    told = replace(categories, coded=tuple(entries))
    network = network.evolve(model, "winners", categories=told)
    return Coded(network=network, categories=told, refusals=tuple(dict.fromkeys(refusals)))


def among_kept(network: Network, categories: CategoryMap, kept: Sequence[int]) -> Coded:
    """The network whose choices are made among the kept scores alone.

    Outputs of the largest of these scores see the kept ones too, as they go with the choice.

    Raises:
        EdgecutError: ``no-choice`` where it cannot choose among them, ``too-few-kept`` where a
            TopK gives more than are kept and what reads it takes no fewer.
    """
    model, entries = network.editable(), list(categories.coded)
    chosen: dict[ir.Node, OutputValues] = {}
    for i, entry in enumerate(entries):
        if entry.other is not None or entry.is_cut(kept):
            choice, stay = _free_choice(network.name, model.graph, entry, entries), entry.kept(kept)
            chosen.setdefault(choice.node, categories.coded[i])
            values = tuple(entry.values[v] for v in stay)
            reason = f"{_found(entry)}; {AMONG}"
            if choice.count > len(stay):
                reason += f", {len(stay)} of them where there were {choice.count}"
            entries[i] = replace(entry, values=values, other=None, reason=reason)
    if not chosen:
        return Coded(network=network, categories=categories)
    for entry in chosen.values():
        model = _among(model, network.name, entry, entry.kept(kept))
    told = replace(categories, coded=tuple(entries))
    return Coded(network=network.evolve(model, "choose", categories=told), categories=told)


def masked_choices(network: Network, categories: CategoryMap, kept: Sequence[int]) -> Network:
    """The whole network as ``among_kept`` means it: to the choices, what is cut is never there.

    They are made once more beside the network's own, of scores that are masked, and so is what
    outputs make of them alone. Whatever else reads a choice, or the scores, sees what it saw.
    """
    model = network.editable()
    graph, entries = model.graph, dict[str, OutputValues]()
    starts: dict[ir.Node, tuple[int, tuple[int, ...]]] = {}
    for entry in categories.coded:
        choice = choice_behind(_output(graph, entry))
        if choice is not None and entry.is_cut(kept):
            entries[entry.output] = entry
            for node, axis in [(choice.node, choice.axis), *_largest(graph, choice)]:
                starts[node] = axis, entry.kept(kept)
    for output in list(graph.outputs):
        way = _way(output, starts)
        if way is not None:
            _choose_again(graph, output, way, *starts[way[0]], entries.get(str(output.name)))
    told = tuple(
        replace(entry, values=tuple(entry.values[v] for v in entry.kept(kept)))
        for entry in categories.coded
    )
    model = _inferred(edit.swept(model))
    return network.evolve(model, "choices masked", categories=replace(categories, coded=told))


def with_margins(network: Network) -> tuple[Network, dict[str, str]]:
    """The network, and for coded outputs others, by name, that tell how clear each choice is.

    A margin is how far a chosen score is from the next one that would be another choice, over the
    largest of all but those that no choice comes near, as masks of -1e9 and infinity are. Only a
    clear choice can be compared: which of two equal scores is the larger one is up to the last
    digit.
    """
    if network.categories is None or not network.categories.coded:
        return network, {}
    model, found = network.editable(), {}
    for entry in network.categories.coded:
        value = _output(model.graph, entry)
        choice = choice_behind(value)
        if choice is not None and np.issubdtype(_type(choice.scores), np.floating):
            margin = _margin(model.graph, choice)
            margin.shape = value.shape
            margin.name = edit.fresh(f"{entry.output}/margin", edit.value_names(model.graph))
            model.graph.outputs.append(margin)
            found[entry.output] = str(margin.name)
    return network.evolve(model, "margins"), found


def _type(value: ir.Value) -> np.dtype[Any]:
    assert value.dtype is not None
    return value.dtype.numpy()


def _output(graph: ir.Graph, entry: OutputValues) -> ir.Value:
    return next(value for value in graph.outputs if value.name == entry.output)


def _found(entry: OutputValues) -> str:
    """Why an output was taken for a coded one, without what an earlier cut made of it."""
    return entry.reason.partition("; chosen among ")[0]


def _refusal(choice: Choice) -> Refusal:
    kind = choice.node.op_type
    return Refusal(
        node=str(choice.node.name),
        op_type=kind,
        reason=f"{kind} over axis {choice.axis}: exact values need every slot of it "
        "(--scores renormalised chooses among the kept alone)",
    )


def _look_up(graph: ir.Graph, entry: OutputValues, kept: Sequence[int]) -> OutputValues:
    """Put the places among the kept values in the place of an output."""
    whole, stay = _output(graph, entry), entry.kept(kept)
    _put(graph, whole, _among_kept(graph, whole, entry, stay))
    return replace(
        entry,
        values=(*(entry.values[v] for v in stay), None),
        other=len(stay),
        reason=f"{_found(entry)}; {WINNERS}",
    )


def _among_kept(
    graph: ir.Graph, whole: ir.Value, entry: OutputValues, stay: Sequence[int]
) -> ir.Value:
    """The place of each value among those that stay, one more than these for all others."""
    import onnx_ir as ir

    table = np.full(len(entry.values), len(stay), _type(whole))
    table[list(stay)] = np.arange(len(stay))
    rows = whole
    if whole.dtype not in (ir.DataType.INT64, ir.DataType.INT32):
        rows = _cast(graph, whole, ir.DataType.INT64)
    places = edit.constant(graph, f"{entry.output}/places", table)
    how, shape = {"axis": 0}, shape_of(whole) if whole.shape else None
    inputs = [places, rows]
    return edit.appended(graph, "Gather", inputs, how, kind=whole.type, shape=shape)[0]


def _cast(graph: ir.Graph, value: ir.Value, to: ir.DataType) -> ir.Value:
    import onnx_ir as ir

    kind, shape = ir.TensorType(to), shape_of(value) if value.shape else None
    return edit.appended(graph, "Cast", [value], {"to": to.value}, kind=kind, shape=shape)[0]


def _put(graph: ir.Graph, output: ir.Value, new: ir.Value) -> None:
    """Put a value in the place of an output, under its name."""
    place, name = list(graph.outputs).index(output), str(output.name)
    output.name = edit.fresh(f"{name}/all", edit.value_names(graph))
    new.name = name
    graph.outputs[place] = new


def _free_choice(
    name: str, graph: ir.Graph, entry: OutputValues, entries: Sequence[OutputValues]
) -> Choice:
    """The choice behind an output, of whose places nothing is made but coded outputs."""
    choice = choice_behind(_output(graph, entry))
    if choice is None or choice.maps or choice.size != len(entry.values):
        raise _no_choice(
            f"the values of '{entry.output}' of {name} are mapped after they were chosen",
            "cut the full network; what was cut with --scores exact cannot choose anew",
        )
    ways = [choice_behind(_output(graph, other)) for other in entries]
    own = {node for way in ways if way and way.node is choice.node for node in way.path}
    places = [choice.places, *(value for node in own for value in node.outputs)]
    inside = [use.node for value in places for use in value.uses() if use.node not in own]
    if op_of(choice.node) == "TopK":
        readers = _readers([choice.node.outputs[0]])
        inside += [reader for reader in readers if not _is_of_ranks(reader, graph)]
    shown = {other.output for other in entries}
    beside = [str(v.name) for v in places if v.is_graph_output() and v.name not in shown]
    if inside or beside:
        told = f"{inside[0].op_type} '{inside[0].name}'" if inside else f"output '{beside[0]}'"
        raise _no_choice(
            f"{told} of {name} reads what {choice.node.op_type} '{choice.node.name}' chose among "
            "all, and would see other numbers",
            "leave --scores out",
        )
    return choice


def _no_choice(message: str, hint: str) -> EdgecutError:
    return EdgecutError(message, code="no-choice", hint=hint)


def _among(model: ir.Model, name: str, entry: OutputValues, stay: Sequence[int]) -> ir.Model:
    """The model whose choice behind an output sees the scores that stay alone."""
    choice = choice_behind(_output(model.graph, entry))
    assert choice is not None
    node, count = str(choice.node.name), choice.count
    _choose_among(model.graph, choice, stay)
    return _reshaped(model, name, node, count) if count > len(stay) else model


def _choose_among(graph: ir.Graph, choice: Choice, stay: Sequence[int]) -> None:
    """Let a choice, and outputs of the largest of the same scores, see these scores alone."""
    import onnx_ir as ir

    for node, axis in [(choice.node, choice.axis), *_largest(graph, choice)]:
        scores = node.inputs[0]
        assert scores is not None
        where = edit.constant(graph, f"{scores.name}/kept", np.array(stay, np.int64))
        name, how = f"{scores.name}/among", {"axis": axis}
        sources = [scores, where]
        picked = edit.insert(graph, node, "Gather", sources, like=scores, name=name, attributes=how)
        shape = [len(stay) if i == axis else n for i, n in enumerate(shape_of(scores))]
        picked.shape = ir.Shape(shape)
        node.replace_input_with(0, picked)
    if choice.count > len(stay):
        count = edit.constant(graph, f"{choice.node.name}/count", np.array([len(stay)], np.int64))
        choice.node.replace_input_with(1, count)


def _largest(graph: ir.Graph, choice: Choice) -> list[tuple[ir.Node, int]]:
    """What gives outputs the largest of the scores that a choice sees, and over which axis.

    One that is read beside other values, as in a softmax written out, is no score of a choice.
    """
    seen, found = set(trail(choice.scores, choice.axis)), []
    for node in graph:
        source = node.inputs[0] if op_of(node) == "ReduceMax" else None
        if source is None or not all(is_alone(reader) for reader in _readers(node.outputs)):
            continue
        axes = attribute(node, "axes", None)
        if axes is None and (given := input_of(node, 1)) is not None and given.const_value:
            axes = given.const_value.numpy().tolist()
        if axes is not None and len(axes) == 1:
            axis = int(axes[0]) % len(shape_of(source))
            if not seen.isdisjoint(trail(source, axis)):
                found.append((node, axis))
    return found


def _is_of_ranks(node: ir.Node, graph: ir.Graph) -> bool:
    """Whether a node of the graph makes something of the scores of a TopK, and of nothing else."""
    kinds = (*Elementwise.op_types, *Softmax.op_types, *MOVES)
    return node.graph is graph and op_of(node) in kinds and only_computed(node) is not None


def _way(output: ir.Value, starts: Collection[ir.Node]) -> list[ir.Node] | None:
    """The nodes from one of these to an output that is made of it alone, in order."""
    way: list[ir.Node] = []
    value: ir.Value | None = output
    while value is not None and (node := value.producer()) is not None:
        way.insert(0, node)
        if node in starts:
            return way
        value = only_computed(node)
    return None


def _choose_again(
    graph: ir.Graph,
    output: ir.Value,
    way: Sequence[ir.Node],
    axis: int,
    stay: Sequence[int],
    entry: OutputValues | None,
) -> None:
    """Put in the place of an output what its way makes of masked scores."""
    import onnx_ir as ir

    start, *rest = way
    old = only_computed(rest[0]) if rest else output
    given = next(i for i, value in enumerate(start.outputs) if value is old)
    scores = start.inputs[0]
    assert scores is not None and scores.dtype is not None
    seen = scores
    if not np.issubdtype(_type(scores), np.floating):
        seen = _cast(graph, scores, ir.DataType.DOUBLE)  # which has a number below all others
    sizes = [n if i == axis else 1 for i, n in enumerate(shape_of(scores))]
    is_kept = np.isin(np.arange(sizes[axis]), stay).reshape(sizes)
    mask = edit.constant(graph, "mask", is_kept)
    lowest = edit.constant(graph, "mask/lowest", np.array(-np.inf, _type(seen)))
    inputs = [mask, seen, lowest]
    (masked,) = edit.appended(graph, "Where", inputs, kind=seen.type, shape=shape_of(scores))
    sources, how, kind = [masked, *start.inputs[1:]], _settings(start), seen.type
    made = edit.appended(graph, start.op_type, sources, how, kind=kind, outputs=len(start.outputs))
    value = made[given]
    if op_of(start) == "TopK":
        bounds = [edit.constant(graph, "ranks", np.array([n])) for n in (0, len(stay), axis)]
        (value,) = edit.appended(graph, "Slice", [value, *bounds], kind=output.type)
    if given == 0 and seen is not scores and op_of(start) != "ArgMax":
        value = _cast(graph, value, scores.dtype)
    for node in rest:
        sources = [value if one is only_computed(node) else one for one in node.inputs]
        (value,) = edit.appended(graph, node.op_type, sources, _settings(node), kind=output.type)
    value.type = output.type
    _put(graph, output, value if entry is None else _among_kept(graph, value, entry, stay))


def _settings(node: ir.Node) -> dict[str, Any]:
    return {name: setting.value for name, setting in node.attributes.items()}


def _inferred(model: ir.Model) -> ir.Model:
    """The model with the shapes that ONNX infers, whatever it had."""
    import onnx_ir as ir

    from edgecut.loaders.folding import with_shapes

    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    return to_model(with_shapes(proto))


def _reshaped(model: ir.Model, name: str, node: str, count: int) -> ir.Model:
    """The model with the shapes that a TopK of fewer gives to what reads it."""
    try:
        model = _inferred(model)
    except Exception as error:  # what the onnx package raises has no base of its own
        raise _too_few(name, node, count) from error
    (start,) = (one for one in model.graph if one.name == node)
    if not all(_takes_fewer(reader) for reader in _readers(start.outputs)):
        raise _too_few(name, node, count)
    return model


def _readers(values: Sequence[ir.Value]) -> Iterator[ir.Node]:
    """All nodes that read these values, or what is made of them."""
    waiting, seen = list(values), set()
    while waiting:
        for reader, _ in waiting.pop().uses():
            if reader not in seen:
                seen.add(reader)
                waiting.extend(reader.outputs)
                yield reader


def _takes_fewer(node: ir.Node) -> bool:
    """Whether a node is as good for fewer ranks; ONNX infers shapes that no run could give."""
    kind = op_of(node)
    if kind == "Squeeze" and input_of(node, 1) is None:
        return False  # which would take the axis of a single rank, too
    if kind not in (*Elementwise.op_types, *MOVES) or kind in ("Gather", "Slice"):
        return False
    computed = [value for value in node.inputs if value is not None and value.const_value is None]
    # A constant of more, to which a single rank would be broadcast, is made for them.
    return prod(shape_of(node.outputs[0])) == max(prod(shape_of(value)) for value in computed)


def _too_few(name: str, node: str, count: int) -> EdgecutError:
    return EdgecutError(
        f"TopK '{node}' of {name} gives {count} of its scores; fewer are kept, and what reads it "
        "takes no fewer",
        code="too-few-kept",
        hint=f"keep at least {count}, or leave --scores out",
    )


def _margin(graph: ir.Graph, choice: Choice) -> ir.Value:
    """How clear each choice is, in the order and the shape of the output."""
    import onnx_ir as ir

    scores, axis, count = choice.scores, choice.axis, choice.count
    more = min(count + 1, choice.size)
    if _type(scores) not in (np.float32, np.float64):
        scores = _cast(graph, scores, ir.DataType.FLOAT)

    def add(op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        return edit.appended(graph, op_type, inputs, attributes, kind=scores.type)[0]

    def ints(*values: int) -> ir.Value:
        return edit.constant(graph, "margin/ints", np.array(values, np.int64))

    def number(value: float) -> ir.Value:
        return edit.constant(graph, "margin/number", np.array(value, _type(scores)))

    def largest(sizes: ir.Value, below: ir.Value) -> ir.Value:
        is_below = add("Less", sizes, below)
        is_below.type = ir.TensorType(ir.DataType.BOOL)
        return add("ReduceMax", add("Where", is_below, sizes, number(0)), keepdims=0)

    sources = [scores, ints(more)]
    ranked = edit.appended(graph, "TopK", sources, {"axis": axis}, kind=scores.type, outputs=2)[0]

    def ranks(start: int, end: int) -> ir.Value:
        return add("Slice", ranked, ints(start), ints(end), ints(axis))

    endless = number(np.inf)
    above = add("Add", ranks(0, 1), endless)
    if count > 1:
        above = add("Concat", above, ranks(0, count - 1), axis=axis)
    below = [ranks(1, more)] if more > 1 else []
    if more == count:
        below.append(add("Sub", ranks(0, 1), endless))
    chosen, next_ones = ranks(0, count), add("Concat", *below, axis=axis)
    gaps = add("Min", add("Sub", above, chosen), add("Sub", chosen, next_ones))
    near = add("Mul", largest(add("Abs", ranked), endless), number(MASKS))
    margin = add("Div", gaps, largest(add("Abs", scores), near))
    if op_of(choice.node) == "ArgMax" and not attribute(choice.node, "keepdims", 1):
        margin = add("Squeeze", margin, ints(axis))
    for node in choice.path:
        if op_of(node) != "Cast" and not is_table(node):
            margin = add(node.op_type, margin, *node.inputs[1:], **_settings(node))
    return margin
