"""A network that takes gains: a stem, two levels of branches, random weights, a gain for each."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from onnx import helper

from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network, digest_of
from tests.graphs import conv_weights, proto_of

NAMES = ("vehicle", "car", "ship", "animal", "dog", "cat")
PARENTS = (None, 0, 0, None, 3, 3)
SIDE, STEM, WIDTH = 16, 6, (8, 5)
NODES = len(NAMES)
PICKS = ("Slice", "Split", "Gather", "Scalar")
TOLD: dict[str, Any] = {"input": "gains", "neutral": 1.0, "largest": 4.0}

node = helper.make_node
Weights = dict[str, np.ndarray]


def nested(
    *,
    gained: bool = True,
    pooled: bool = False,
    picked: str = "Slice",
    rested: bool = False,
    **told: Any,
) -> onnx.ModelProto:
    """The network; ``told`` changes its metadata (None takes a key away).

    Args:
        gained: whether it takes gains at all.
        pooled: whether a gain scales the pooled features (1, C) rather than the map (1, C, H, W),
            which a branch's children read as well.
        rested: whether a gain scales how far the map is from rest, as `edgecut train` has it.
        picked: how one gain is picked: ``Slice``, ``Split``, ``Gather`` or ``Scalar``, a Gather
            of a single index.
    """
    weights: Weights = {"stem.w": conv_weights(STEM, 3, 3, 3)}
    nodes = [
        node("Conv", ["image", "stem.w"], ["stem.c"], pads=[1] * 4, strides=[2, 2]),
        node("Relu", ["stem.c"], ["stem"]),
    ]
    if gained and picked == "Split":
        parts = [f"gain{i}" for i in range(NODES)]
        nodes.append(node("Split", ["gains"], parts, axis=1, num_outputs=NODES))
    for i in range(NODES):
        if gained and picked != "Split":
            nodes += _pick(i, picked, weights)
        nodes += _branch(i, gained, pooled, rested, weights)
    nodes.append(node("Concat", [f"score{i}" for i in range(NODES)], ["scores"], axis=1))
    inputs: dict[str, list[int]] = {"image": [1, 3, SIDE, SIDE]}
    inputs |= {"gains": [1, NODES]} if gained else {}
    proto = proto_of(nodes, inputs=inputs, outputs=["scores"], weights=weights)
    words = {**TOLD, **told} if gained else {}
    metadata = {"names": json.dumps(NAMES)}
    if words:
        kept = {key: value for key, value in words.items() if value is not None}
        metadata["edgecut.attention"] = json.dumps(kept)
    helper.set_model_props(proto, metadata)
    return proto


def _pick(i: int, picked: str, weights: Weights) -> list[onnx.NodeProto]:
    def ints(name: str, *values: int) -> str:
        weights[f"gain{i}.{name}"] = np.array(values if picked != "Scalar" else i, np.int64)
        return f"gain{i}.{name}"

    if picked == "Slice":
        where = [ints("start", i), ints("end", i + 1), ints("axis", 1)]
        return [node("Slice", ["gains", *where], [f"gain{i}"])]
    return [node("Gather", ["gains", ints("index", i)], [f"gain{i}"], axis=1)]


def _branch(
    i: int, gained: bool, pooled: bool, rested: bool, weights: Weights
) -> list[onnx.NodeProto]:
    parent = PARENTS[i]
    level = 0 if parent is None else 1
    below, channels = ("stem", STEM) if parent is None else (f"features{parent}", WIDTH[0])
    width, last = WIDTH[level], f"pooled{i}"
    weights[f"b{i}.w"] = conv_weights(width, channels, 3, 3, seed=i + 1) * 1.4
    weights[f"b{i}.b"] = np.linspace(-0.1, 0.2, width, dtype=np.float32)
    weights[f"b{i}.score"] = conv_weights(1, width, seed=i + 50) * 2
    weights[f"b{i}.offset"] = np.array([i / 10 - 0.2], np.float32)
    made = f"features{i}" if not gained or pooled else f"made{i}"
    nodes = [
        node("Conv", [below, f"b{i}.w", f"b{i}.b"], [f"b{i}"], pads=[1] * 4, strides=[2, 2]),
        node("Relu", [f"b{i}"], [made]),
    ]
    if gained and not pooled:
        weights["four"] = np.array([1, 1, 1, 1], np.int64)
        nodes.append(node("Reshape", [f"gain{i}", "four"], [f"factor{i}"]))
        scaled = f"scaled{i}" if rested else f"features{i}"
        nodes.append(node("Mul", [made, f"factor{i}"], [scaled]))
    if gained and rested:
        weights["one"] = np.array(1, np.float32)
        weights[f"rest{i}"] = np.linspace(0.1, 0.6, width, dtype=np.float32).reshape(1, -1, 1, 1)
        nodes.append(node("Sub", ["one", f"factor{i}"], [f"away{i}"]))
        nodes.append(node("Mul", [f"rest{i}", f"away{i}"], [f"part{i}"]))
        nodes.append(node("Add", [f"scaled{i}", f"part{i}"], [f"features{i}"]))
    nodes.append(node("GlobalAveragePool", [f"features{i}"], [f"mean{i}"]))
    nodes.append(node("Flatten", [f"mean{i}"], [last]))
    if gained and pooled:
        weights["two"] = np.array([1, 1], np.int64)
        nodes.append(node("Reshape", [f"gain{i}", "two"], [f"factor{i}"]))
        nodes.append(node("Mul", [last, f"factor{i}"], [f"scaled{i}"]))
        last = f"scaled{i}"
    scoring = [last, f"b{i}.score", f"b{i}.offset"]
    return [*nodes, node("Gemm", scoring, [f"score{i}"], transB=1)]


def load(proto: onnx.ModelProto) -> Network:
    """The network of such a model, with its categories, before anyone asks for its gains."""
    from edgecut.discovery import with_categories

    data = proto.SerializeToString()
    network = from_proto(proto, name="nested", where="nested.onnx", digest=digest_of(data))
    return with_categories(network, None, source="metadata")
