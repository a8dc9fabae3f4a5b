"""Space-to-depth by slicing, followed by a convolution, is one larger strided convolution.

YOLOX and YOLOv5 call it Focus: every phase of the image, sliced with step s in both directions,
concatenated over the channels, then a k x k convolution with stride t. The same numbers come from
one (s k) x (s k) convolution with stride s t on the image itself, whose weights are those of the
phases interleaved. Runtimes run the slices one by one, outside their fast paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut import edit
from edgecut.ops.rule import Unsupported, attribute, constant_of, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network


@dataclass(frozen=True, slots=True)
class _Phase:
    """A strided selection of the image: ``root[:, :, y::step, x::step]``."""

    root: ir.Value
    y: int
    x: int
    step: int


def focus_to_conv(network: Network) -> Network:
    """The network with each Focus and its convolution merged; unchanged where there is none."""
    return edit.each(network, "focus_to_conv", _merge)


def _merge(graph: ir.Graph, conv: ir.Node) -> bool:
    if op_of(conv) != "Conv":
        return False
    joined = conv.inputs[0]
    concat = None if joined is None else joined.producer()
    if joined is None or concat is None or op_of(concat) != "Concat" or len(joined.uses()) != 1:
        return False
    try:
        phases = [_phase(value) for value in concat.inputs]
        if attribute(concat, "axis", 0) != 1 or not _is_focus(phases, conv):
            return False
        weights, new = _interleaved(conv, phases), _attributes(conv, phases[0].step)
    except Unsupported:
        return False
    name = f"{joined.name}/focus"
    inputs = [phases[0].root, edit.constant(graph, name, weights), *conv.inputs[2:]]
    edit.replace(graph, conv, "Conv", inputs, new)
    return True


def _phase(value: ir.Value | None) -> _Phase:
    """What a chain of slices over the two spatial axes selects."""
    offsets, steps = [0, 0], [1, 1]
    while value is not None and (node := value.producer()) is not None and op_of(node) == "Slice":
        size = shape_of(node.inputs[0])
        starts, ends, axes, steps_now = (_numbers(node, i) for i in range(1, 5))
        for start, end, axis, step in zip(starts, ends, axes, steps_now, strict=True):
            if axis not in (2, 3) or step < 1 or start < 0 or end < size[axis] - step + 1:
                raise Unsupported("not a phase")
            offsets[axis - 2] = start + offsets[axis - 2] * step
            steps[axis - 2] *= step
        value = node.inputs[0]
    if value is None or steps[0] != steps[1]:
        raise Unsupported("not a phase")
    return _Phase(value, offsets[0], offsets[1], steps[0])


def _numbers(node: ir.Node, index: int) -> list[int]:
    constant = constant_of(node, index)
    if constant is None:
        raise Unsupported("a slice without explicit axes and steps")
    return [int(v) for v in constant.tolist()]


def _is_focus(phases: list[_Phase], conv: ir.Node) -> bool:
    first = phases[0]
    size = shape_of(first.root)
    offsets = sorted((phase.y, phase.x) for phase in phases)
    return (
        first.step > 1
        and all(p.root is first.root and p.step == first.step for p in phases)
        and offsets == list(product(range(first.step), repeat=2))
        and len(size) == 4
        and all(side % first.step == 0 for side in size[2:])
        and attribute(conv, "group", 1) == 1
        and attribute(conv, "auto_pad", "NOTSET") == "NOTSET"
        and all(d == 1 for d in attribute(conv, "dilations", [1, 1]))
    )


def _interleaved(conv: ir.Node, phases: list[_Phase]) -> np.ndarray:
    weights = constant_of(conv, 1)
    assert weights is not None
    step, channels = phases[0].step, shape_of(phases[0].root)[1]
    rows, _, height, width = weights.shape
    wide = np.zeros((rows, channels, height * step, width * step), weights.dtype)
    for i, phase in enumerate(phases):
        share = weights[:, i * channels : (i + 1) * channels]
        wide[:, :, phase.y :: step, phase.x :: step] = share
    return wide


def _attributes(conv: ir.Node, step: int) -> dict[str, Any]:
    strides = [s * step for s in attribute(conv, "strides", [1, 1])]
    pads = [p * step for p in attribute(conv, "pads", [0, 0, 0, 0])]
    return {"strides": strides, "pads": pads}
