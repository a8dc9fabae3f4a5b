"""A trained network as one ONNX file that says all about itself."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgecut.attention import KEY as ATTENTION
from edgecut.attention import Attention
from edgecut.categories import one_slot_per_node
from edgecut.category_json import to_json
from edgecut.discovery import OWN_KEY as CATEGORIES
from edgecut.errors import EdgecutError
from edgecut.nested.topology import DenseNet, NestedNet
from edgecut.recipe import KEY as RECIPE
from edgecut.recipe import Recipe, to_text

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 18
IMAGE, GAINS, SCORES = "image", "gains", "scores"
LARGEST_GAIN = 4.0
"""As far as gains were studied: ``benchmarks/paper``."""
LARGE = 1024  # elements; smaller weights stay float32
TOLERANCE = 1e-4  # of the largest score


def to_onnx(network: NestedNet | DenseNet, recipe: Recipe, size: int, *, source: str) -> bytes:
    """The network as a serialised ONNX model, the same bytes for the same weights.

    Inputs ``image`` (1, 3, size, size), and for a nested network ``gains`` (1, nodes); output
    ``scores`` (1, nodes), as logits. Batch normalisation stays as it was trained, so its
    statistics are in the file. Categories, preprocessing and attention are in the metadata.

    Raises:
        EdgecutError: ``export-differs`` where ONNX Runtime gives other scores than torch.
    """
    names = network.taxonomy.names
    nested = isinstance(network, NestedNet)
    inputs = [torch.zeros(1, 3, size, size), *([torch.ones(1, len(names))] if nested else [])]
    model = _tidied(_exported(network, tuple(inputs), [IMAGE, GAINS][: len(inputs)]))
    categories = one_slot_per_node(network.taxonomy, SCORES, source=source)
    model.metadata_props.clear()
    model.metadata_props[CATEGORIES] = json.dumps(to_json(categories))
    model.metadata_props[RECIPE] = to_text(recipe)
    if nested:
        gains = Attention(input=GAINS, neutral=1.0, largest=LARGEST_GAIN, categories=names)
        model.metadata_props[ATTENTION] = gains.to_text()
    data = _bytes(model)
    _check(data, network.eval(), inputs)
    return data


def halved(model: bytes) -> bytes:
    """The model with its large weights rounded to float16 in the file, for half the size.

    Each is cast to float32 where it is used, so the network computes as before.
    """
    import onnx_ir as ir

    read = ir.from_proto(_parsed(model))
    graph = read.graph
    for name, value in list(graph.initializers.items()):
        array = None if value.const_value is None else value.const_value.numpy()
        if array is None or array.dtype != np.float32 or array.size < LARGE:
            continue
        if np.abs(array).max() > np.finfo(np.float16).max:
            continue
        stored = ir.Value(
            name=f"{name}.float16",
            shape=value.shape,
            type=ir.TensorType(ir.DataType.FLOAT16),
            const_value=ir.tensor(array.astype(np.float16), name=f"{name}.float16"),
        )
        graph.register_initializer(stored)
        cast = ir.node("Cast", [stored], {"to": ir.DataType.FLOAT}, name=f"{name}.cast")
        cast.outputs[0].name = f"{name}.float32"
        cast.outputs[0].shape, cast.outputs[0].type = value.shape, value.type
        for user, place in tuple(value.uses()):
            user.replace_input_with(place, cast.outputs[0])
        del graph.initializers[name]
        graph.insert_before(graph[0], cast)
    return _bytes(read)


def _exported(network: Any, inputs: tuple[torch.Tensor, ...], names: list[str]) -> ir.Model:
    # It warns of every optional package that it does not find.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=[SCORES],
            # Its optimiser folds batch normalisation, whose statistics we keep.
            optimize=False,
            verbose=False,
        )
    model: ir.Model = program.model
    return model


def _check(model: bytes, network: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> None:
    """Run both on a random image, with random gains where there are any."""
    import onnxruntime as ort

    random = np.random.default_rng(0)
    drawn = [random.uniform(-2, 2, i.shape).astype(np.float32) for i in inputs]
    drawn[1:] = [np.abs(gains) for gains in drawn[1:]]
    with torch.inference_mode():
        expected = network(*map(torch.from_numpy, drawn)).numpy()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (given,) = session.run([SCORES], dict(zip((IMAGE, GAINS), drawn, strict=False)))
    error = np.abs(given - expected).max() / max(np.abs(expected).max(), 1e-9)
    if not error <= TOLERANCE:
        raise EdgecutError(
            f"exported as ONNX the network's scores differ by {error:.1e} of the largest",
            code="export-differs",
            hint="this is a defect of the exporter: please report it, with the recipe",
        )


def _tidied(model: ir.Model) -> ir.Model:
    """Constants folded, nothing unused, tensors named after what makes them."""
    from onnx_ir.passes import common
    from onnxscript.optimizer import fold_constants

    fold_constants(model, input_size_limit=1 << 20, output_size_limit=1 << 20)
    common.RemoveUnusedNodesPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.DeduplicateInitializersPass()(model)
    common.RemoveUnusedNodesPass()(model)
    common.ClearMetadataAndDocStringPass()(model)
    for i, node in enumerate(model.graph):
        node.name = f"{node.op_type.lower()}_{i}"
        for output in node.outputs:
            if not output.is_graph_output():
                output.name = node.name
    return model


def _bytes(model: ir.Model) -> bytes:
    import onnx_ir as ir

    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))


def _parsed(model: bytes) -> Any:
    import onnx

    return onnx.load_model_from_string(model)
