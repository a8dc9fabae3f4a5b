"""From a runtime's operators back to the network's nodes, and to the categories that they serve.

Artifacts name their tensors and layers after the network's values and nodes: the emitters write
these names, and what the passes and the quantisers add carries the name that it was added to, with
an ending (``relu_5/pad``, ``relu_5_dequant``). What carries no such name is left unmapped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecut.cost import macs_of
from edgecut.measure.profile import Operator, Profile
from edgecut.measure.xnnpack import BESIDE, FileOperator, kind_of, matched, parts
from edgecut.ops.rule import Unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

# What ai-edge-quantizer appends to the name of a tensor that it converts.
_CONVERTED = ("_quantized", "_dequant")
# And edgecut to one that a conversion parts from the file's boundary, which takes its name.
_INSIDE = "_inside"

Served = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something of an artifact that may run: names it goes by, what it reads and what it gives."""

    names: tuple[str, ...]
    reads: tuple[str, ...]
    gives: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What a step is to the network; see ``Operator``."""

    nodes: tuple[str, ...] | None
    added: bool
    categories: tuple[str, ...] | None


def attributed(
    profile: Profile,
    *,
    network: Network,
    served: Served,
    path: Path,
    graph: Sequence[Mapping[str, Any]],
) -> Profile:
    """The profile with the nodes and the categories of each operator.

    Args:
        profile: of an artifact that was made from the network.
        network: what the artifact was made from.
        served: node name -> the categories that the node serves.
        path: the artifact's file.
        graph: the runtime's own graph, where it told of one.
    """
    notes: tuple[str, ...] = ()
    if profile.format == "tflite":
        file = file_operators(path)
        steps = _file_steps(file)
        places, notes = litert_places(profile.operators, file)
    else:
        steps, places = _openvino_steps(profile.operators, graph)
    meanings = _meanings(steps, network, served)
    operators = [
        _with_meaning(operator, [meanings[place] for place in found])
        for operator, found in zip(profile.operators, places, strict=True)
    ]
    kept = network.categories.names if network.categories else ()
    counted = tuple(_with_macs(operators, network))
    return replace(profile, operators=counted, categories=kept, notes=notes)


def file_operators(path: Path) -> list[FileOperator]:
    """The operators of a TFLite file's first subgraph, in order."""
    from ai_edge_litert.tools import flatbuffer_utils

    from edgecut.tflite_file import name_of

    model = flatbuffer_utils.read_model(str(path))
    graph = model.subgraphs[0]
    names = [name_of(tensor) for tensor in graph.tensors]
    return [
        FileOperator(
            operation=str(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)),
            reads=tuple(names[i] for i in operator.inputs if i >= 0),
            gives=tuple(names[i] for i in operator.outputs),
            activated=bool(getattr(operator.builtinOptions, "fusedActivationFunction", 0)),
        )
        for operator in graph.operators
    ]


def _file_steps(file: Sequence[FileOperator]) -> list[Step]:
    """The file's operators, by the values that they compute."""
    made = {name for operator in file for name in operator.gives}

    def value(name: str) -> str:
        # The boundary's tensor only converts what lies inside of it.
        return f"{name}{_CONVERTED[1]}" if name + _INSIDE in made else name.removesuffix(_INSIDE)

    return [Step(names=tuple(map(value, o.gives)), reads=o.reads, gives=o.gives) for o in file]


def litert_places(
    operators: Sequence[Operator], file: Sequence[FileOperator]
) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """For each of the runtime's operators, the positions of those of the file it can stand for.

    Returns:
        The positions, none where nothing is certain, and notes on what could not be matched.
    """
    places: list[tuple[int, ...]] = [() for _ in operators]
    runs = _runs(operators)
    outside = frozenset(o.index for o in operators if o.delegate is None)
    for i, operator in enumerate(operators):
        if operator.delegate is None and operator.index < len(file):
            places[i] = (operator.index,)
    found = [part for part in parts(file, outside) if part[0] not in outside]
    if len(found) != len(runs):
        return places, (f"XNNPACK ran {len(runs)} parts, and the file should have {len(found)}",)
    notes = []
    for run, part in zip(runs, found, strict=True):
        kinds = [kind_of(operators[i].type) for i in run]
        match = matched(kinds, [file[i] for i in part])
        if not any(match):
            told = f"{len(run)} operators of XNNPACK do not match the file's {len(part)}"
            notes.append(f"{told}, from '{file[part[0]].gives[0]}' on: they stay unmapped")
        for i, at in zip(run, match, strict=True):
            places[i] = tuple(part[place] for place in at)
    return places, tuple(notes)


def _runs(operators: Sequence[Operator]) -> list[list[int]]:
    """Positions of the operators that one call of the delegate ran, call by call."""
    runs: list[list[int]] = []
    last: Operator | None = None
    for i, operator in enumerate(operators):
        if operator.delegate is not None:
            if last is None or last.delegate is None or operator.index <= last.index:
                runs.append([])
            runs[-1].append(i)
        last = operator
    return runs


def _openvino_steps(
    operators: Sequence[Operator], graph: Sequence[Mapping[str, Any]]
) -> tuple[list[Step], list[tuple[int, ...]]]:
    steps = [
        Step(names=tuple(n["stands_for"]), reads=tuple(n["reads"]), gives=(n["name"],))
        for n in graph
    ]
    place = {node["name"]: i for i, node in enumerate(graph)}
    return steps, [(place[o.name],) if o.name in place else () for o in operators]


def _with_meaning(operator: Operator, meanings: Sequence[_Meaning]) -> Operator:
    """The operator with what all of these agree on."""
    if not meanings:
        return operator
    nodes, categories = {m.nodes for m in meanings}, {m.categories for m in meanings}
    return replace(
        operator,
        nodes=nodes.pop() if len(nodes) == 1 else None,
        added=all(m.added for m in meanings),
        categories=categories.pop() if len(categories) == 1 else None,
    )


def _with_macs(operators: Sequence[Operator], network: Network) -> Iterator[Operator]:
    """The operators with the MACs of their nodes, unless several share in computing one."""
    nodes = {str(node.name): node for node in network.model.graph}
    sharing = Counter(name for o in operators for name in _multiplied(o) or ())
    for operator in operators:
        names = _multiplied(operator)
        if names is None or any(sharing[name] > 1 for name in names):
            yield operator
            continue
        try:
            yield replace(operator, macs=sum(macs_of(nodes[name]) for name in names))
        except Unsupported:  # a shape is not known
            yield operator


def _multiplied(operator: Operator) -> tuple[str, ...] | None:
    """The nodes whose products an operator may compute; None where they are not known."""
    aside = operator.added or kind_of(operator.type) in BESIDE
    return () if aside else operator.nodes


class _Names:
    """The network's nodes by the names that an artifact may know them by."""

    def __init__(self, network: Network) -> None:
        nodes = list(network.model.graph)
        # Where a value is called like another node, the value is meant by TFLite's tensors alone.
        self.by_node = {str(node.name): node for node in nodes}
        self.by_value = {str(value.name): node for node in nodes for value in node.outputs}
        self.inputs = {str(value.name) for value in network.model.graph.inputs}

    def find(self, name: str) -> tuple[ir.Node | None, bool]:
        """The node of that name or value, and whether the name is the very one."""
        if (node := self._known(name)) is not None:
            return node, True
        return next(((n, False) for near in _near(name) if (n := self._known(near))), (None, False))

    def of_input(self, name: str) -> bool:
        """Whether the name is that of an input, with an ending."""
        return any(near in self.inputs for near in _near(name))

    def _known(self, name: str) -> ir.Node | None:
        return self.by_value.get(name) or self.by_node.get(name)


def _near(name: str) -> Iterator[str]:
    """The name without its endings, one after the other."""
    for ending in _CONVERTED:
        name = name.removesuffix(ending)
    while name:
        yield name
        name = name.rpartition("/")[0]


def _meanings(steps: Sequence[Step], network: Network, served: Served) -> list[_Meaning]:
    names = _Names(network)
    found = [[names.find(name) for name in step.names] for step in steps]
    anchored = {node for step in found for node, _ in step if node is not None}
    order = {node: i for i, node in enumerate(network.model.graph)}
    meanings: list[_Meaning] = []
    for step, nodes in zip(steps, found, strict=True):
        exact = {node for node, same in nodes if node is not None and same}
        near = {node for node, _ in nodes if node is not None}
        computed = _computed(exact, anchored) or near
        ordered = tuple(str(n.name) for n in sorted(computed, key=order.__getitem__))
        # What stands for nothing in the file was put there by the runtime.
        extra = not step.names or any(map(names.of_input, step.names))
        meanings.append(
            _Meaning(
                nodes=ordered if ordered or extra else None,
                added=not exact and (bool(near) or extra),
                categories=_union(served.get(n) for n in ordered) if exact else None,
            )
        )
    return _spread(steps, meanings, served)


def _computed(exact: set[ir.Node], anchored: set[ir.Node]) -> set[ir.Node]:
    """These nodes, and those before them that nothing else in the artifact goes by."""
    found, ahead = set(exact), list(exact)
    while ahead:
        for value in ahead.pop().inputs:
            node = value.producer() if value is not None else None
            if node is not None and node not in anchored and node not in found:
                found.add(node)
                ahead.append(node)
    return found


def _spread(steps: Sequence[Step], meanings: Sequence[_Meaning], served: Served) -> list[_Meaning]:
    """Steps that compute no node serve what those serve that read from them."""
    readers: dict[str, list[int]] = {}
    for i, step in enumerate(steps):
        for name in step.reads:
            readers.setdefault(name, []).append(i)
    found: dict[int, tuple[str, ...] | None] = {}

    def categories(i: int) -> tuple[str, ...] | None:
        if i not in found:
            found[i] = None  # a loop serves nobody
            after = sorted({r for name in steps[i].gives for r in readers.get(name, ())})
            told = meanings[i].categories
            if told is None and after:
                told = _union(categories(r) for r in after)
            elif told is None and meanings[i].nodes:
                told = _union(served.get(n) for n in meanings[i].nodes or ())
            found[i] = told
        return found[i]

    # The last first, so that the recursion stays shallow.
    for i in reversed(range(len(steps))):
        categories(i)
    return [replace(meaning, categories=found[i]) for i, meaning in enumerate(meanings)]


def _union(parts: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """All categories of the parts, in one order; None where a part's are not known."""
    told = list(parts)
    if not told or any(part is None for part in told):
        return None
    together = {name for part in told for name in part or ()}
    return tuple(sorted(together))
