"""Random networks for hypothesis: whatever a vision model is made of, joined at random."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network
from tests.graphs import conv_weights

FUZZ = "EDGECUT_FUZZ"
"""How many times as many examples are tried. ``make fuzz`` sets it; 1 is what else is tried."""

NAMES = ("ant", "bee", "cat", "dog")
MOST_ELEMENTS = 2000

Shape = tuple[int, ...]
Draw = st.DrawFn


def bounded(count: int) -> settings:
    """So many examples, the same every time; or, while fuzzing, many more, and never the same.

    Hypothesis keeps what failed in ``.hypothesis`` and tries it first the next time.
    """
    times = float(os.environ.get(FUZZ, "1"))
    return settings(
        max_examples=round(count * times),
        derandomize=times <= 1,
        print_blob=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Builder:
    """A graph that grows: its values and their shapes, nodes and weights."""

    draw: Draw
    share_weights: bool = True
    shapes: dict[str, Shape] = field(default_factory=dict)
    made: int = 0
    nodes: list[NodeProto] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    filters: dict[Shape, str] = field(default_factory=dict)

    def value(self, fits: Callable[[Shape], bool]) -> str | None:
        """One of the values whose shape fits; a recent one more likely than an old one."""
        fitting = [name for name, shape in self.shapes.items() if fits(shape)]
        return self.draw(st.sampled_from([*fitting, *fitting[-2:]])) if fitting else None

    def add(self, op_type: str, inputs: list[str], *shapes: Shape, **attributes: object) -> str:
        """A node more; the first of its outputs."""
        outputs = [f"v{self.made + i}" for i in range(len(shapes))]
        self.made += len(shapes)
        name = f"{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, outputs, name=name, **attributes))
        self.shapes.update(zip(outputs, shapes, strict=True))
        return outputs[0]

    def weight(self, array: np.ndarray) -> str:
        """A constant more."""
        name = f"w{len(self.weights)}"
        self.weights[name] = array
        return name

    def ints(self, *numbers: int) -> str:
        """A constant of integers more."""
        return self.weight(np.array(numbers, np.int64))

    def filter(self, *shape: int) -> str:
        """Convolution weights; those of the same shape may be shared."""
        if shape in self.filters and self.share_weights and self.draw(st.booleans()):
            return self.filters[shape]
        array = conv_weights(*shape, seed=len(self.weights))
        self.filters[shape] = self.weight(self.masked(array))
        return self.filters[shape]

    def masked(self, array: np.ndarray) -> np.ndarray:
        """Weights of which sometimes a block, or an input channel, is zero."""
        if array.shape[1] == 1:
            return array
        kind = self.draw(st.sampled_from(["full", "full", "block", "channel"]))
        if kind == "block":
            array[: len(array) // 2, array.shape[1] // 2 :] = 0
            array[len(array) // 2 :, : array.shape[1] // 2] = 0
        elif kind == "channel":
            array[:, self.draw(st.integers(0, array.shape[1] - 1))] = 0
        return array

    def numbers(self, *shape: int) -> str:
        """Constant positive numbers."""
        random = np.random.default_rng(len(self.weights))
        return self.weight(np.asarray(random.uniform(0.5, 1.5, shape), np.float32))


def is_image(shape: Shape) -> bool:
    return len(shape) == 4


def divisors(n: int) -> list[int]:
    return [i for i in range(1, n + 1) if n % i == 0]


def conv(b: Builder) -> None:
    x = b.value(is_image)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    groups = b.draw(st.sampled_from(divisors(channels)))
    rows = groups * b.draw(st.integers(1, 3 if groups > 1 else 8))
    size = b.draw(st.sampled_from([1, 3])) if min(height, width) > 1 else 1
    stride = b.draw(st.integers(1, 2))
    inputs = [x, b.filter(rows, channels // groups, size, size)]
    if b.draw(st.booleans()):
        inputs.append(b.numbers(rows))
    shape = (n, rows, (height - 1) // stride + 1, (width - 1) // stride + 1)
    pads, strides = [size // 2] * 4, [stride] * 2
    b.add("Conv", inputs, shape, group=groups, pads=pads, strides=strides)


def conv_transpose(b: Builder) -> None:
    x = b.value(lambda s: is_image(s) and prod(s) < 300)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    groups = b.draw(st.sampled_from(divisors(channels)))
    rows = b.draw(st.integers(1, 3))
    inputs = [x, b.filter(channels, rows, 2, 2)]
    shape = (n, rows * groups, height * 2, width * 2)
    b.add("ConvTranspose", inputs, shape, group=groups, strides=[2, 2])


def unary(b: Builder) -> None:
    x = b.value(lambda s: True)
    assert x is not None
    kind = b.draw(st.sampled_from(["Relu", "Sigmoid", "Tanh", "HardSwish", "Identity", "Neg"]))
    b.add(kind, [x], b.shapes[x])


def binary(b: Builder) -> None:
    x = b.value(lambda s: True)
    assert x is not None
    shape = b.shapes[x]
    y = b.value(lambda s: s == shape)
    assert y is not None
    b.add(b.draw(st.sampled_from(["Add", "Mul", "Max"])), [x, y], shape)


def broadcast(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1)
    if x is None:
        return
    shape = b.shapes[x]
    per_channel = (shape[1], *(1,) * (len(shape) - 2))
    other = b.value(lambda s: s == (1, *per_channel)) or b.numbers(*per_channel)
    if other in b.shapes and b.draw(st.booleans()):
        other = b.numbers(*per_channel)
    b.add(b.draw(st.sampled_from(["Add", "Mul", "PRelu"])), [x, other], shape)


def scalar(b: Builder) -> None:
    """One number, constant or computed, for all elements."""
    x = b.value(lambda s: True)
    assert x is not None
    shape = b.shapes[x]
    if b.draw(st.booleans()):
        other = b.add("ReduceMax", [x], (), keepdims=0)
    else:
        other = b.numbers(*b.draw(st.sampled_from([(), (1,)] if shape else [()])))
    kind = b.draw(st.sampled_from(["Add", "Mul", "Sub", "Max"]))
    b.add(kind, b.draw(st.permutations([x, other])), shape)


def widen(b: Builder) -> None:
    """An axis of size 1 is repeated, by broadcasting or by copies; or any axis by copies."""
    x = b.value(lambda s: len(s) > 1 and prod(s) < 300)
    if x is None:
        return
    shape = b.shapes[x]
    axis, times = b.draw(st.integers(0, len(shape) - 1)), b.draw(st.integers(2, 3))
    result = (*shape[:axis], shape[axis] * times, *shape[axis + 1 :])
    if shape[axis] == 1 and b.draw(st.booleans()):
        b.add("Expand", [x, b.ints(*result)], result)
    else:
        b.add("Tile", [x, b.ints(*(times if i == axis else 1 for i in range(len(shape))))], result)


def choice(b: Builder) -> None:
    """Elements of two values by a condition that is constant or computed."""
    x = b.value(lambda s: len(s) > 0)
    if x is None:
        return
    shape = b.shapes[x]
    y = b.value(lambda s: s == shape) or x
    if b.draw(st.booleans()):
        condition = b.add("Greater", [x, b.numbers(shape[-1])], shape)
        del b.shapes[condition]  # it is no number
    else:
        condition = b.weight(np.random.default_rng(len(b.nodes)).random(shape) < 0.5)
    b.add("Where", [condition, x, y], shape)


def batch_norm(b: Builder) -> None:
    x = b.value(is_image)
    if x is not None:
        numbers = [b.numbers(b.shapes[x][1]) for _ in range(4)]
        b.add("BatchNormalization", [x, *numbers], b.shapes[x])


def concat(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1)
    if x is None:
        return
    shape = b.shapes[x]
    axis = b.draw(st.integers(0, len(shape) - 1))
    sides = [n for i, n in enumerate(shape) if i != axis]

    def fits(s: Shape) -> bool:
        return len(s) == len(shape) and [n for i, n in enumerate(s) if i != axis] == sides

    parts = [x, *(b.value(fits) or x for _ in range(b.draw(st.integers(1, 2))))]
    total = sum(b.shapes[part][axis] for part in parts)
    b.add("Concat", parts, (*shape[:axis], total, *shape[axis + 1 :]), axis=axis)


def split(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1 and s[1] > 1)
    if x is None:
        return
    shape = b.shapes[x]
    first = b.draw(st.integers(1, shape[1] - 1))
    sizes = (first, shape[1] - first)
    parts = [(shape[0], size, *shape[2:]) for size in sizes]
    b.add("Split", [x, b.ints(*sizes)], *parts, axis=1 - len(shape) * b.draw(st.integers(0, 1)))


def slicing(b: Builder) -> None:
    x = b.value(lambda s: any(n > 1 for n in s))
    if x is None:
        return
    shape = b.shapes[x]
    axis = b.draw(st.sampled_from([i for i, n in enumerate(shape) if n > 1]))
    start, step = b.draw(st.integers(0, shape[axis] - 1)), b.draw(st.sampled_from([1, 2, -1]))
    end = -(10**6) if step < 0 else 10**6
    count = len(range(shape[axis])[start:end:step])
    bounds = [b.ints(start), b.ints(end), b.ints(axis), b.ints(step)]
    b.add("Slice", [x, *bounds], (*shape[:axis], count, *shape[axis + 1 :]))


def gather(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1 and prod(s) < MOST_ELEMENTS)
    if x is None:
        return
    shape = b.shapes[x]
    axis = b.draw(st.integers(0, len(shape) - 1))
    places = b.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=5))
    inside: Shape = (len(places),)
    array = np.array(places, np.int64)
    if b.draw(st.booleans()) and len(places) == 4:
        array, inside = array.reshape(2, 2), (2, 2)
    if b.draw(st.booleans()) and len(places) == 1:
        array, inside = array.reshape(()), ()
    result = (*shape[:axis], *inside, *shape[axis + 1 :])
    b.add("Gather", [x, b.weight(array)], result, axis=axis)


def reshape(b: Builder) -> None:
    x = b.value(lambda s: True)
    assert x is not None
    size = prod(b.shapes[x])
    first = b.draw(st.sampled_from(divisors(size)))
    second = b.draw(st.sampled_from(divisors(size // first)))
    shape = (first, second, size // first // second)
    if b.draw(st.booleans()):
        shape = (1, first, size // first)
    b.add("Reshape", [x, b.ints(*shape)], shape)


def squeeze(b: Builder) -> None:
    x = b.value(lambda s: 1 in s and len(s) > 2)
    if x is None:
        return
    shape = b.shapes[x]
    axes = [i for i, n in enumerate(shape) if n == 1]
    inputs = [x] if b.draw(st.booleans()) else [x, b.ints(*axes)]
    b.add("Squeeze", inputs, tuple(n for n in shape if n != 1))


def transpose(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1)
    if x is not None:
        shape = b.shapes[x]
        order = b.draw(st.permutations(range(len(shape))))
        b.add("Transpose", [x], tuple(shape[i] for i in order), perm=list(order))


def shuffle(b: Builder) -> None:
    """Channel shuffle, as ShuffleNet writes it."""
    x = b.value(lambda s: is_image(s) and s[1] > 3)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    groups = b.draw(st.sampled_from(divisors(channels)))
    parted = (n, groups, channels // groups, height, width)
    turned = (n, channels // groups, groups, height, width)
    y = b.add("Reshape", [x, b.ints(*parted)], parted)
    y = b.add("Transpose", [y], turned, perm=[0, 2, 1, 3, 4])
    b.add("Reshape", [y, b.ints(n, channels, height, width)], b.shapes[x])


def anchors(b: Builder) -> None:
    """(1, anchors * slots, H, W) to (1, anchors * H * W, slots), as YOLO heads write it."""
    x = b.value(lambda s: is_image(s) and s[0] == 1 and s[1] > 3)
    if x is None:
        return
    _, channels, height, width = b.shapes[x]
    count = b.draw(st.sampled_from(divisors(channels)))
    parted = (1, count, channels // count, height, width)
    turned = (1, count, height, width, channels // count)
    rows = (1, count * height * width, channels // count)
    y = b.add("Reshape", [x, b.ints(*parted)], parted)
    y = b.add("Transpose", [y], turned, perm=[0, 1, 3, 4, 2])
    b.add("Reshape", [y, b.ints(*rows)], rows)


def pool(b: Builder) -> None:
    x = b.value(lambda s: is_image(s) and min(s[2:]) > 1)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    kind = b.draw(st.sampled_from(["MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"]))
    if kind == "GlobalAveragePool":
        b.add(kind, [x], (n, channels, 1, 1))
    elif kind == "ReduceMean":
        b.add(kind, [x, b.ints(2, 3)], (n, channels), keepdims=0)
    else:
        shape = (n, channels, height // 2, width // 2)
        b.add(kind, [x], shape, kernel_shape=[2, 2], strides=[2, 2])


def resize(b: Builder) -> None:
    x = b.value(lambda s: is_image(s) and prod(s) < 300)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    shape = (n, channels, height * 2, width * 2)
    how = [b.ints(*shape)] if b.draw(st.booleans()) else []
    where = ["", "", *how] if how else ["", b.weight(np.array([1, 1, 2, 2], np.float32))]
    mode = b.draw(st.sampled_from(["nearest", "linear"]))
    b.add("Resize", [x, *where], shape, mode=mode, coordinate_transformation_mode="asymmetric")


def product(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1 and s[-1] < 200)
    if x is None:
        return
    shape = b.shapes[x]
    columns = b.draw(st.integers(2, 6))
    if len(shape) == 2 and b.draw(st.booleans()):
        bias = b.numbers(*b.draw(st.sampled_from([(columns,), (1,), (1, columns)])))
        weights = b.filter(columns, shape[-1])
        b.add("Gemm", [x, weights, bias], (shape[0], columns), transB=1)
    else:
        array = b.masked(conv_weights(columns, shape[-1], seed=len(b.weights)))
        weights = b.weight(array.T.copy())
        b.add("MatMul", [x, weights], (*shape[:-1], columns))


def softmax(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 0)
    if x is None:
        return
    shape = b.shapes[x]
    b.add("Softmax", [x], shape, axis=b.draw(st.integers(-len(shape), len(shape) - 1)))


def pad(b: Builder) -> None:
    x = b.value(lambda s: is_image(s) and prod(s) < 500)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    more = b.draw(st.integers(0, 2))
    pads = b.ints(0, more, 1, 0, 0, 0, 0, 1)
    b.add("Pad", [x, pads], (n, channels + more, height + 1, width + 1))


def normalisation(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1 and s[-1] > 1)
    if x is None:
        return
    shape = b.shapes[x]
    kind = b.draw(st.sampled_from(["InstanceNormalization", "LayerNormalization"]))
    if kind == "LayerNormalization":
        b.add(kind, [x, b.numbers(shape[-1]), b.numbers(shape[-1])], shape)
    elif is_image(shape):
        b.add(kind, [x, b.numbers(shape[1]), b.numbers(shape[1])], shape)


def ordering(b: Builder) -> None:
    x = b.value(lambda s: len(s) > 1)
    if x is None:
        return
    shape = b.shapes[x]
    if b.draw(st.booleans()):
        b.add("CumSum", [x, b.weight(np.array(1, np.int64))], shape)
        return
    some = b.draw(st.integers(1, shape[1]))
    b.add("TopK", [x, b.ints(some)], *[(shape[0], some, *shape[2:])] * 2, axis=1)
    del b.shapes[f"v{b.made - 1}"]  # the places are integers


def blocks(b: Builder) -> None:
    """Channels into pixels, or pixels into channels."""
    x = b.value(lambda s: is_image(s) and s[2] % 2 == s[3] % 2 == 0)
    if x is None:
        return
    n, channels, height, width = b.shapes[x]
    if channels % 4 == 0 and b.draw(st.booleans()):
        mode = b.draw(st.sampled_from(["DCR", "CRD"]))
        shape = (n, channels // 4, height * 2, width * 2)
        b.add("DepthToSpace", [x], shape, blocksize=2, mode=mode)
    else:
        b.add("SpaceToDepth", [x], (n, channels * 4, height // 2, width // 2), blocksize=2)


def overwrite(b: Builder) -> None:
    """Some places of one axis take other values, or are picked one by one."""
    x = b.value(lambda s: len(s) > 1)
    if x is None:
        return
    shape = b.shapes[x]
    if b.draw(st.booleans()):
        y = b.value(lambda s: s == (1, *shape[1:])) or b.numbers(1, *shape[1:])
        place = b.weight(np.array([[shape[0] - 1]], np.int64))
        b.add("ScatterND", [x, place, y], shape)
        return
    places = np.random.default_rng(len(b.nodes)).integers(0, shape[1], shape)
    b.add("GatherElements", [x, b.weight(places)], shape, axis=1)


def einsum(b: Builder) -> None:
    x = b.value(lambda s: len(s) == 3 and prod(s) < 500)
    if x is None:
        return
    shape = b.shapes[x]
    y = b.value(lambda s: len(s) == 3 and s[0] == shape[0] and s[2] == shape[2]) or x
    equation, result = "bic,bjc->bij", (shape[0], shape[1], b.shapes[y][1])
    b.add("Einsum", [x, y], result, equation=equation)


def gram(b: Builder) -> None:
    """Rows by rows, as attention multiplies what it has computed."""
    x = b.value(lambda s: len(s) > 1 and s[-2] < 20)
    if x is None:
        return
    shape = b.shapes[x]
    last = len(shape) - 1
    order = [*range(last - 1), last, last - 1]
    turned = b.add("Transpose", [x], tuple(shape[i] for i in order), perm=order)
    b.add("MatMul", [x, turned], (*shape[:-2], shape[-2], shape[-2]))


def unknown(b: Builder) -> None:
    """Operations that edgecut has no rule for."""
    x = b.value(lambda s: len(s) > 1)
    if x is None:
        return
    shape = b.shapes[x]
    kind = b.draw(st.sampled_from(["Hardmax", "LRN"]))
    if kind == "Hardmax":
        b.add(kind, [x], shape, axis=1)
    elif is_image(shape):
        b.add(kind, [x], shape, size=3)


STEPS = (
    *(conv, conv, conv, conv_transpose, unary, unary, binary, binary, broadcast, batch_norm),
    *(scalar, widen, choice, gram),
    *(concat, concat, split, split, slicing, gather, reshape, squeeze, transpose, shuffle),
    *(anchors, pool, resize, product, softmax, pad, normalisation, ordering, blocks),
    *(overwrite, einsum, unknown),
)


@st.composite
def networks(
    draw: Draw, *, share_weights: bool = True, most_steps: int = 12, gaps: bool = False
) -> Network:
    """A network of random steps, with categories strewn over the axes of its outputs.

    With ``gaps``, outputs may lack a category, and have no slot that all of them share.
    """
    builder = Builder(draw, share_weights)
    builder.shapes["image"] = (1, draw(st.integers(2, 4)), 6, 6)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=most_steps)):
        before = {**builder.shapes}
        step(builder)
        oversized = [n for n, s in builder.shapes.items() if prod(s) > MOST_ELEMENTS]
        if oversized:
            made = set(builder.shapes) - set(before)
            builder.nodes = [n for n in builder.nodes if not made & set(n.output)]
            builder.shapes = before
    return draw(_finished(builder, gaps=gaps))


@st.composite
def _finished(draw: Draw, builder: Builder, *, gaps: bool) -> Network:
    usable = builder.shapes
    floats = {n: w.shape for n, w in builder.weights.items() if w.dtype == np.float32 and w.ndim}
    made = [n for n in usable if n != "image"] or ["image"]
    outputs = {made[-1], *draw(st.lists(st.sampled_from(made), max_size=2))}
    outputs |= {"image"} if draw(st.integers(0, 9)) == 0 else set()
    if builder.share_weights and floats and draw(st.integers(0, 9)) == 0:
        outputs.add(min(floats))
    shapes = {n: {**usable, **floats}[n] for n in sorted(outputs)}
    categories = draw(category_maps(shapes, gaps=gaps))
    network = from_proto(proto_of(builder, shapes), name="random", where="it", digest="0" * 64)
    return network.evolve(network.model, "categories", categories=categories)


def proto_of(builder: Builder, outputs: dict[str, Shape]) -> ModelProto:
    shape = builder.shapes["image"]
    graph = helper.make_graph(
        builder.nodes or [helper.make_node("Identity", ["image"], ["unused"])],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(w, n) for n, w in builder.weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@st.composite
def category_maps(draw: Draw, shapes: dict[str, Shape], *, gaps: bool) -> CategoryMap:
    """Every category, or slots shared by all, somewhere along one axis of some outputs."""
    entries = []
    for output, shape in shapes.items():
        axes = [i for i, size in enumerate(shape) if size > 1]
        if not axes or output == "image" or draw(st.integers(0, 4)) == 0:
            continue
        axis = draw(st.sampled_from(axes))
        owners = st.sampled_from([0, 1, 2, 3] if gaps else [None, 0, 1, 2, 3])
        slots = draw(st.lists(owners, min_size=shape[axis], max_size=shape[axis]))
        if not gaps and not set(range(len(NAMES))) <= set(slots):
            slots[0] = None
        entry = OutputSlots(output=output, axis=axis, slots=tuple(slots), reason="drawn")
        entries.append(entry)
    return CategoryMap(names=NAMES, outputs=tuple(entries), source="drawn")


keep_lists = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
