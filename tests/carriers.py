"""Random networks in which factors can be moved about between convolutions."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network
from tests.graphs import conv_weights
from tests.strategies import Builder, Draw, proto_of

CARRIERS = ("Relu", "MaxPool", "Pad", "Resize", "Mul", "Gate", "Clip", "Add", "Concat", "Select")
SIDE = 6


def _carried(b: Builder, kind: str) -> None:
    """A step that carries channel factors on, or now and then one that cannot."""
    x = b.value(lambda s: s[1] < 20)
    assert x is not None
    shape = b.shapes[x]
    if kind in ("Relu", "MaxPool"):
        same = {} if kind == "Relu" else {"kernel_shape": [3, 3], "pads": [1] * 4}
        b.add(kind, [x], shape, **same)
    elif kind == "Pad":
        pads = b.draw(st.sampled_from([(0, 0, 1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1, 0, 0)]))
        b.add(kind, [x, b.ints(*pads)], shape)
    elif kind == "Resize":
        scales = b.draw(st.sampled_from([(1, 1, 1.1, 1), (1, 1.05, 1, 1)]))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        b.add(kind, [x, "", b.weight(np.array(scales, np.float32))], shape, **how)
    elif kind == "Mul":
        b.add(kind, [x, b.numbers(*b.draw(st.sampled_from([(), (shape[1], 1, 1)])))], shape)
    elif kind == "Gate":
        start = b.add("Mul", [x, b.numbers(1)], shape) if b.draw(st.booleans()) else x
        b.add("Mul", [x, b.add("Sigmoid", [start], shape)], shape)
    elif kind == "Clip":
        ends = [b.weight(np.array(n, np.float32)) for n in (0, 6)]
        b.add(kind, [x, *ends], shape)
    elif kind == "Select":
        places = b.draw(st.lists(st.integers(0, shape[1] - 1), min_size=2, max_size=6))
        b.add("Gather", [x, b.ints(*places)], (1, len(places), SIDE, SIDE), axis=1)
    else:
        _joined(b, kind, x)


def _joined(b: Builder, kind: str, x: str) -> None:
    shape = b.shapes[x]
    other = b.value(lambda s: s == shape)
    if other is None or b.draw(st.integers(0, 2)) == 0:
        other = b.numbers(*shape)
    total = shape if kind == "Add" else (1, 2 * shape[1], *shape[2:])
    b.add(
        kind, b.draw(st.permutations([x, other])), total, **({} if kind == "Add" else {"axis": 1})
    )


def _spread_conv(b: Builder, x: str) -> str:
    """A convolution whose channels differ up to a hundredfold."""
    rows = b.draw(st.integers(2, 4))
    weights = conv_weights(rows, b.shapes[x][1], 1, 1, seed=len(b.weights))
    factors = np.float32(5) ** np.arange(rows, dtype=np.float32).reshape(-1, 1, 1, 1) / 5
    inputs = [x, b.weight(weights * factors), b.numbers(rows)]
    return b.add("Conv", inputs, (1, rows, SIDE, SIDE))


@st.composite
def carrying_networks(draw: Draw) -> Network:
    """Convolutions, what carries factors on between them, and depthwise convolutions at the end."""
    b = Builder(draw)
    b.shapes["image"] = (1, 3, SIDE, SIDE)
    made = [_spread_conv(b, "image") for _ in range(draw(st.integers(1, 2)))]
    del b.shapes["image"]
    for kind in draw(st.lists(st.sampled_from([*CARRIERS, "Conv"]), min_size=1, max_size=6)):
        if kind == "Conv":
            x = b.value(lambda s: True)
            assert x is not None
            made.append(_spread_conv(b, x))
        else:
            _carried(b, kind)
    ends = {list(b.shapes)[-1], *draw(st.lists(st.sampled_from(list(b.shapes)), max_size=2))}
    shapes = {}
    for x in sorted(ends):
        channels = b.shapes[x][1]
        y = b.add("Conv", [x, b.filter(channels, 1, 3, 3)], (1, channels, 4, 4), group=channels)
        shapes[y] = b.shapes[y]
    if draw(st.integers(0, 3)) == 0:
        shapes[made[0]] = b.shapes[made[0]]
    b.shapes["image"] = (1, 3, SIDE, SIDE)
    return from_proto(proto_of(b, shapes), name="random", where="it", digest="0" * 64)
