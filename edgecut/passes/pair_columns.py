"""A strided convolution on an image reads its columns in pairs, as so many more channels.

Runtimes step through a convolution tap by tap, and give each tap a block of at least four or eight
channels: of an RGB image they waste most. Channels last, s neighbouring columns of C channels lie
in memory just as one column of s C channels, so the view costs nothing; a convolution with stride
s then has stride 1 along the row, and a kernel s times narrower. Weights move, none is added where
kernel and padding are multiples of s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut import edit
from edgecut.ops.rule import Unsupported, attribute, constant_of, op_of, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

# Up to here a tap's channels do not fill the blocks that XNNPACK computes in.
MOST_CHANNELS = 4


def pair_columns(network: Network) -> Network:
    """The network with each such convolution rewritten; unchanged where there is none."""
    return edit.each(network, "pair_columns", _pair)


def _pair(graph: ir.Graph, conv: ir.Node) -> bool:
    if op_of(conv) != "Conv":
        return False
    try:
        image, weights = shape_of(conv.inputs[0]), constant_of(conv, 1)
        width = shape_of(conv.outputs[0])[-1]
    except Unsupported:
        return False
    strides, pads = attribute(conv, "strides", [1, 1]), attribute(conv, "pads", [0, 0, 0, 0])
    if weights is None or not _fits(conv, image, weights, strides, pads):
        return False
    step = strides[1]
    # Tap kx reads column step * x + (kx - left), which is column r of pair x + q.
    pairs = [divmod(kx - pads[1], step) for kx in range(weights.shape[3])]
    first, last = pairs[0][0], pairs[-1][0]
    narrow = np.zeros((len(weights), step, image[1], weights.shape[2], last - first + 1))
    for kx, (q, r) in enumerate(pairs):
        narrow[:, r, :, :, q - first] = weights[..., kx]
    narrow = narrow.reshape(len(weights), step * image[1], *narrow.shape[3:])
    right = width - image[3] // step + first + narrow.shape[3] - 1
    kernel = edit.constant(graph, f"{conv.outputs[0].name}/paired", narrow.astype(weights.dtype))
    inputs = [_paired(graph, conv, step), kernel, *conv.inputs[2:]]
    changed = {"strides": [strides[0], 1], "pads": [pads[0], -first, pads[2], right]}
    edit.replace(graph, conv, "Conv", inputs, changed)
    return True


def _fits(
    conv: ir.Node,
    image: tuple[int, ...],
    weights: np.ndarray,
    strides: list[int],
    pads: list[int],
) -> bool:
    return (
        len(image) == 4
        and image[1] <= MOST_CHANNELS
        and attribute(conv, "group", 1) == 1
        and attribute(conv, "auto_pad", "NOTSET") == "NOTSET"
        and all(d == 1 for d in attribute(conv, "dilations", [1, 1]))
        and strides[1] > 1
        # Otherwise the paired kernel would be wider than the pairs it stands for.
        and all(size % strides[1] == 0 for size in (image[3], weights.shape[3], pads[1]))
    )


def _paired(graph: ir.Graph, conv: ir.Node, step: int) -> ir.Value:
    """The input with columns in pairs: (N, C, H, W) to (N, step * C, H, W / step)."""
    import onnx_ir as ir

    source = conv.inputs[0]
    assert source is not None
    n, c, h, w = shape_of(source)

    def moved(
        op_type: str, value: ir.Value, how: list[int], shape: list[int], name: str
    ) -> ir.Value:
        like = ir.Value(shape=ir.Shape(shape), type=value.type)
        name = f"{conv.outputs[0].name}/{name}"
        if op_type == "Transpose":
            return edit.insert(
                graph, conv, op_type, [value], like=like, name=name, attributes={"perm": how}
            )
        sizes = edit.constant(graph, f"{name}/shape", np.array(how))
        return edit.insert(graph, conv, op_type, [value, sizes], like=like, name=name)

    split = [n, c, h, w // step, step]
    ahead = [n, step, c, h, w // step]
    joined = [n, step * c, h, w // step]
    parted = moved("Reshape", source, split, split, "parted")
    turned = moved("Transpose", parted, [0, 4, 1, 2, 3], ahead, "turned")
    return moved("Reshape", turned, joined, joined, "pairs")
