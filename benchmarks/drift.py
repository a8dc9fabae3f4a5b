"""How far right float32 runs of one network lie apart: runtimes against float64, and each other.

YOLOX-nano cut to person and car, on 16 photos. The float64 outputs come from a plain evaluation of
the ONNX graph in PyTorch. Errors are relative to the largest output value.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import taken_on
from benchmarks.models import yolox_nano
from edgecut import cutout
from edgecut.network import Network
from edgecut.opened import running
from edgecut.ops.rule import attribute, shape_of
from edgecut.passes.tidy import tidy
from edgecut.produce import produce
from edgecut.runtimes import open_runtime
from edgecut.target import read_target

RUNTIMES = {"LiteRT": "raspberry-pi-4", "OpenVINO": "intel-cpu"}


def run(*, photos: int) -> dict[str, Any]:
    """Rows ``{runtime, against, max_relative_error}``."""
    subject = yolox_nano()
    small, _ = cutout.cut(subject.network(), ("person", "car"))
    small = tidy(small)
    inputs = [s.tensor for s in subject.judging.limited(photos).open(small)]
    found = {"float64": [_in_float64(small, photo) for photo in inputs]}
    with running(small) as reference:
        found["ONNX Runtime"] = _outputs(small, reference, inputs)
    for name, target in RUNTIMES.items():
        found[name] = _on_target(small, target, inputs)
    pairs = [(name, "float64") for name in found if name != "float64"]
    pairs += [(name, "ONNX Runtime") for name in RUNTIMES]
    rows = [
        {"runtime": a, "against": b, "max_relative_error": _apart(found[a], found[b])}
        for a, b in pairs
    ]
    about = {"schema": "edgecut.drift/1", "model": "yolox_nano", "images": photos}
    return {**about, **taken_on(), "rows": rows}


def _on_target(network: Network, target: str, photos: list[np.ndarray]) -> list[np.ndarray]:
    emitted = produce(network, read_target(target), "float32", None)
    with tempfile.TemporaryDirectory() as folder:
        main = next(iter(emitted.files))
        for suffix, content in emitted.files.items():
            (Path(folder) / f"artifact{suffix}").write_bytes(content)
        path = Path(folder) / f"artifact{main}"
        with open_runtime(path, emitted.format, emitted.inputs, emitted.outputs) as runtime:
            return _outputs(network, runtime, photos)


def _outputs(network: Network, runtime: Any, photos: list[np.ndarray]) -> list[np.ndarray]:
    name = network.outputs[0].name
    return [runtime.run({network.image.name: photo})[name] for photo in photos]


def _apart(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    gap = max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))
    return gap / max(float(np.abs(y).max()) for y in b)


def _in_float64(network: Network, photo: np.ndarray) -> np.ndarray:
    import torch

    held: dict[str, Any] = {network.image.name: torch.tensor(photo, dtype=torch.float64)}
    for name, value in network.model.graph.initializers.items():
        weights = torch.tensor(np.array(value.const_value.numpy()))
        held[name] = weights.double() if weights.is_floating_point() else weights
    for node in network.model.graph:
        inputs = [None if value is None else held[str(value.name)] for value in node.inputs]
        held[str(node.outputs[0].name)] = OPERATIONS[node.op_type](node, *inputs)
    return np.asarray(held[network.outputs[0].name].numpy())


def _conv(node: Any, x: Any, weights: Any, bias: Any = None) -> Any:
    from torch.nn import functional

    return functional.conv2d(
        _padded(node, x, 0.0),
        weights,
        bias,
        stride=attribute(node, "strides", [1, 1]),
        groups=attribute(node, "group", 1),
    )


def _max_pool(node: Any, x: Any) -> Any:
    from torch.nn import functional

    window, strides = attribute(node, "kernel_shape", []), attribute(node, "strides", [1, 1])
    return functional.max_pool2d(_padded(node, x, -np.inf), window, strides)


def _padded(node: Any, x: Any, value: float) -> Any:
    from torch.nn import functional

    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    return functional.pad(x, (left, right, top, bottom), value=value)


def _slice(node: Any, x: Any, *bounds: Any) -> Any:
    picked = [slice(None)] * x.ndim
    for start, end, axis, step in zip(*(b.tolist() for b in bounds), strict=True):
        picked[axis] = slice(start, min(end, x.shape[axis]), step)
    return x[tuple(picked)]


def _resize(node: Any, x: Any, *_: Any) -> Any:
    from torch.nn import functional

    return functional.interpolate(x, size=shape_of(node.outputs[0])[2:], mode="nearest")


def _concat(node: Any, *parts: Any) -> Any:
    import torch

    return torch.cat(parts, dim=attribute(node, "axis", 0))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "Add": lambda _, a, b: a + b,
    "Concat": _concat,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Mul": lambda _, a, b: a * b,
    "Reshape": lambda node, x, _: x.reshape(shape_of(node.outputs[0])),
    "Resize": _resize,
    "Sigmoid": lambda _, x: x.sigmoid(),
    "Slice": _slice,
    "Transpose": lambda node, x: x.permute(*attribute(node, "perm", [])),
}
