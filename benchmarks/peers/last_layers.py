"""Two usual ways to take categories out of a network: at the last layer, by a tool or by hand.

- torch-pruning: the rows of the last layer that belong to other categories are pruned through the
  tool's dependency graph, as its documentation tells it (``DependencyGraph().build_dependency``,
  ``get_pruning_group``, ``check_pruning_group``, ``prune``).
- by hand: ``onnx.utils.extract_model`` from the input to the outputs; then the rows of the last
  layer are sliced where it gives the scores, and otherwise the scores.

Each answers with the outputs on one input, and the share of the parameters that is gone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PACKAGES = ("torch_pruning",)

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is kept: of each output with categories its axis, its slots' categories (None: shared
    by all) and the slots that stay; by the output's place.
    """

    outputs: Mapping[int, tuple[int, tuple[int | None, ...], tuple[int, ...]]]
    categories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The network's outputs after it was cut, and the share of its parameters that is gone."""

    outputs: Sequence[Array]
    parameters_excluded: float


class NotHandledError(Exception):
    """Why a way leads nowhere."""


def missing() -> list[str]:
    """The packages that are not installed, of those that this comparison needs."""
    return [name for name in PACKAGES if find_spec(name) is None]


def torch_pruning(module: Any, image: Any, task: Task) -> Answer:
    """The module pruned at its last layers.

    Raises:
        NotHandledError: no last layer has rows for the categories, or the tool refuses.
    """
    import torch
    import torch_pruning as tp

    before = _count(module)
    graph = tp.DependencyGraph().build_dependency(module, example_inputs=image)
    layers = _last_layers(graph, module, image, task)
    if not layers:
        raise NotHandledError("no last layer with rows for the categories")
    for layer, rows in layers:
        group = graph.get_pruning_group(layer, _pruning(graph, layer), idxs=rows)
        if not graph.check_pruning_group(group):
            raise NotHandledError("the tool would not prune that much")
        group.prune()
    with torch.no_grad():
        return Answer(
            outputs=arrays(module(image)), parameters_excluded=1 - _count(module) / before
        )


def arrays(found: Any) -> list[Array]:
    """What a module gives, as arrays."""
    return [t.detach().numpy() for t in (found if isinstance(found, tuple) else (found,))]


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _pruning(graph: Any, layer: Any) -> Any:
    return graph.get_pruner_of_module(layer).prune_out_channels


def _last_layers(graph: Any, module: Any, image: Any, task: Task) -> list[tuple[Any, list[int]]]:
    """The layers that give the scores, and the rows of each that go.

    A person would name them. Here they are those with as many rows as there are slots, or else
    categories, once for each anchor, that the scores show and no other layer does.
    """
    from torch import nn

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
    # Those that the network does not run are not in the graph.
    layers = [m for m in module.modules() if isinstance(m, kinds) and m in graph.module2node]
    for owners, kept in _owners(task):
        found = []
        for layer in layers:
            count = getattr(layer, "out_features", None) or layer.out_channels
            if count % len(owners) == 0 and _is_last(module, layer, image, task):
                rows = [row for row in range(count) if row % len(owners) not in kept]
                found.append((layer, rows))
        if found:
            return found
    return []


def _owners(task: Task) -> list[tuple[tuple[int | None, ...], set[int]]]:
    """By slots as the output has them, and by categories alone; and which of them stay."""
    _, slots, kept = next(iter(task.outputs.values()))
    categories = sorted({slots[i] for i in kept if slots[i] is not None})  # type: ignore[type-var]
    return [
        (slots, set(kept)),
        (tuple(range(task.categories)), set(categories)),  # type: ignore[arg-type]
    ]


def _is_last(module: Any, layer: Any, image: Any, task: Task) -> bool:
    """Whether the layer's weights change the scores, and what no other weights take."""
    import torch

    taken: list[Any] = []
    others = [
        m
        for m in module.modules()
        if m is not layer and any(True for _ in m.parameters(recurse=False))
    ]
    hooks = [m.register_forward_pre_hook(lambda _, given: taken.extend(given)) for m in others]

    def run() -> tuple[list[Array], list[Array]]:
        taken.clear()
        scores = arrays(module(image))
        inner = [t.numpy().copy() for t in taken if isinstance(t, torch.Tensor)]
        return [scores[i] for i in task.outputs], inner

    with torch.no_grad():
        scores, inner = run()
        layer.weight.mul_(2)
        changed, after = run()
        layer.weight.mul_(0.5)
    for hook in hooks:
        hook.remove()
    shown = not all(map(np.array_equal, scores, changed))
    return shown and all(map(np.array_equal, inner, after))


def by_hand(model: onnx.ModelProto, feeds: Mapping[str, Array], task: Task) -> Answer:
    """The ONNX model extracted and sliced; ``feeds`` holds its inputs."""
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole.onnx", Path(folder) / "part.onnx"
        onnx.save(model, whole)
        inputs = [value.name for value in model.graph.input]
        outputs = [value.name for value in model.graph.output]
        onnx.utils.extract_model(whole, part, inputs, outputs)
        small = onnx.load(part)
    before = _elements(model)
    for place, (axis, _, kept) in task.outputs.items():
        _slice(small.graph, outputs[place], axis, kept)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        small.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(None, dict(feeds))
    return Answer(outputs=found, parameters_excluded=1 - _elements(small) / before)


def _elements(model: onnx.ModelProto) -> int:
    read = {name for node in model.graph.node for name in node.input}
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    tensors = [t for t in model.graph.initializer if t.name in read and t.data_type in floats]
    return sum(int(np.prod(tensor.dims)) for tensor in tensors)


def _slice(graph: onnx.GraphProto, output: str, axis: int, kept: Sequence[int]) -> None:
    """Slice the layer that gives an output, or else put a selection behind it."""
    shown = next(value for value in graph.output if value.name == output)
    shown.type.tensor_type.shape.dim[axis].dim_value = len(kept)
    rank = len(shown.type.tensor_type.shape.dim)
    by_name = {node.output[0]: node for node in graph.node if node.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    rows = _rows(by_name, weights, output, axis, rank)
    if rows:
        for node, place, row_axis in rows:
            array = numpy_helper.to_array(weights[node.input[place]]).take(list(kept), row_axis)
            name = f"{node.input[place]}/{output}"
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
            node.input[place] = name
        for value in list(graph.value_info):
            if value.name in {node.output[0] for node, _, _ in rows}:
                graph.value_info.remove(value)
        return
    inner = f"{output}/all"
    for node in graph.node:
        node.input[:] = [inner if name == output else name for name in node.input]
        node.output[:] = [inner if name == output else name for name in node.output]
    where = f"{output}/kept"
    graph.initializer.append(numpy_helper.from_array(np.array(kept, np.int64), where))
    graph.node.append(helper.make_node("Gather", [inner, where], [output], axis=axis))


def _rows(
    by_name: Mapping[str, onnx.NodeProto],
    weights: Mapping[str, onnx.TensorProto],
    output: str,
    axis: int,
    rank: int,
) -> list[tuple[onnx.NodeProto, int, int]]:
    """The weights whose rows are the output's slots: node, input, axis; none where it is not so."""
    node = by_name.get(output)
    readers = [n for n in by_name.values() if output in n.input]
    if node is None or readers:
        return []
    if (
        node.op_type == "Conv"
        and axis == 1
        and all(a.name != "group" or a.i == 1 for a in node.attribute)
    ):
        return [(node, i, 0) for i in range(1, len(node.input))]
    if node.op_type == "Gemm" and axis == 1 and node.input[1] in weights:
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        return [(node, 1, 0 if turned else 1), *((node, i, 0) for i in range(2, len(node.input)))]
    if axis != rank - 1:
        return []
    if node.op_type == "MatMul" and node.input[1] in weights:
        return [(node, 1, len(weights[node.input[1]].dims) - 1)]
    if node.op_type == "Add":
        for product, bias in ((0, 1), (1, 0)):
            before = by_name.get(node.input[product])
            if (
                before is not None
                and before.op_type == "MatMul"
                and before.input[1] in weights
                and node.input[bias] in weights
                and len(weights[node.input[bias]].dims) == 1
                and sum(before.output[0] in n.input for n in by_name.values()) == 1
            ):
                return [(before, 1, 1), (node, bias, 0)]
    return []
