"""A tiny detector and a tiny classifier with random weights, and photos for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ANIMALS = ("dog", "cat", "horse", "bird", "fish", "hen")
SIDE, STRIDE = 64, 8
RECIPE = """\
kind = "recipe"
name = "tiny"
resize = "letterbox"
pad_value = 114
anchor = "top-left"
interpolation = "bilinear"
colour = "RGB"
scale = 0.00392156862745098
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
"""
DETECTIONS = """
[detections]
arrangement = "rows"
strides = [8]
centre = "linear"
size = "exp"
box_slots = [0, 1, 2, 3]
objectness_slot = 4
objectness_power = 1.0
category_power = 1.0
iou_threshold = 0.65
score_threshold = 0.001
max_detections = 100
"""


@dataclass(frozen=True)
class Case:
    """A model with all that its build needs, in a folder of its own."""

    folder: Path
    model: Path
    labels: Path
    recipe: Path
    photos: Path

    @property
    def options(self) -> tuple[object, ...]:
        """The arguments that `build` and `cut` share, but for --keep and --out."""
        samples = ("--samples", self.photos, "--recipe", self.recipe)
        return (self.model, "--labels", self.labels, *samples)


class _Graph:
    """Nodes and weights as they accumulate; every layer's output is named after it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(5)

    def add(self, op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    def weight(self, name: str, *shape: int) -> str:
        fan_in = max(1, int(np.prod(shape[1:])))
        values = self.random.standard_normal(shape) * np.sqrt(2 / fan_in)
        self.weights[name] = values.astype(np.float32)
        return name

    def conv(self, source: str, name: str, channels: tuple[int, int], size: int, step: int) -> str:
        weight = self.weight(f"{name}.w", channels[1], channels[0], size, size)
        bias = self.weight(f"{name}.b", channels[1])
        pad = size // 2
        how = {"kernel_shape": [size] * 2, "strides": [step] * 2, "pads": [pad] * 4}
        return self.add("Conv", [source, weight, bias], name, **how)

    def stem(self) -> str:
        source = "image"
        for i, channels in enumerate(((3, 8), (8, 16), (16, 16))):
            source = self.add("Relu", [self.conv(source, f"conv{i}", channels, 3, 2)], f"relu{i}")
        return source

    def proto(self, outputs: dict[str, list[int]]) -> onnx.ModelProto:
        def info(name: str, shape: list[int]) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [info("image", [1, 3, SIDE, SIDE])],
            [info(name, shape) for name, shape in outputs.items()],
            [numpy_helper.from_array(w, n) for n, w in self.weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return model


def detector(categories: int = len(ANIMALS)) -> onnx.ModelProto:
    """Box 4, objectness 1 and categories, joined into 1 x 64 x (5 + categories)."""
    g = _Graph()
    stem = g.stem()
    tower = g.add("Relu", [g.conv(stem, "tower", (16, 24), 3, 1)], "tower/relu")
    box = g.conv(stem, "box", (16, 4), 1, 1)
    scores = [g.conv(stem, "objectness", (16, 1), 1, 1)]
    scores += [g.conv(tower, "categories", (24, categories), 1, 1)]
    parts = [box, *(g.add("Sigmoid", [score], f"{score}/sigmoid") for score in scores)]
    joined = g.add("Concat", parts, "joined", axis=1)
    slots, cells = 5 + categories, (SIDE // STRIDE) ** 2
    g.weights["shape"] = np.array([1, slots, cells], dtype=np.int64)
    rows = g.add("Reshape", [joined, "shape"], "rows")
    g.add("Transpose", [rows], "output", perm=[0, 2, 1])
    return g.proto({"output": [1, cells, slots]})


def classifier(categories: int = len(ANIMALS)) -> onnx.ModelProto:
    """One score for each category, 1 x categories."""
    g = _Graph()
    pooled = g.add("GlobalAveragePool", [g.stem()], "pooled")
    flat = g.add("Flatten", [pooled], "flat")
    weights = [g.weight("fc.w", categories, 16), g.weight("fc.b", categories)]
    g.add("Gemm", [flat, *weights], "scores", transB=1)
    return g.proto({"scores": [1, categories]})


def write_case(folder: Path, name: str, model: onnx.ModelProto, recipe: str) -> Case:
    """Model, labels, recipe and photos in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    case = Case(
        folder=folder,
        model=folder / f"{name}.onnx",
        labels=folder / "labels.txt",
        recipe=folder / "tiny.toml",
        photos=folder / "photos",
    )
    onnx.save(model, case.model)
    case.labels.write_text("\n".join(ANIMALS) + "\n")
    case.recipe.write_text(recipe)
    for i in range(6):
        write_photo(case.photos / ANIMALS[i % 2] / f"{i}.png", seed=i)
    return case


def write_photo(path: Path, *, seed: int) -> None:
    """Coloured patches on a gradient, 80 x 60 pixels."""
    from PIL import Image

    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, 80)[None, :, None] * random.uniform(0.2, 1, 3)
    pixels = np.broadcast_to(ramp, (60, 80, 3)).copy()
    for _ in range(8):
        y, x, size = random.integers(0, 50), random.integers(0, 70), random.integers(4, 24)
        pixels[y : y + size, x : x + size] = random.uniform(0, 255, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_coco(case: Case, boxes: Mapping[str, Sequence[tuple[str, Sequence[float]]]]) -> Path:
    """A COCO json; ``boxes`` holds for each photo (category, [left, top, width, height])."""
    path = case.folder / "instances.json"
    images = [{"id": i, "file_name": f, "width": 80, "height": 60} for i, f in enumerate(boxes)]
    annotations = [
        {"image_id": i, "category_id": ANIMALS.index(name) + 1, "bbox": list(box), "iscrowd": 0}
        for i, found in enumerate(boxes.values())
        for name, box in found
    ]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(ANIMALS)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(data))
    return path
