"""The TFLite emitter as a whole: the boundary, the file, refusals, and real detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut.emitters import tflite
from edgecut.errors import EdgecutError
from edgecut.loaders.onnx_file import load_onnx
from edgecut.network import Network
from tests.emitters.cases import (
    TOLERANCE,
    Case,
    build,
    case,
    compare,
    f32,
    interpreter,
    network_of,
    onnx,
    operators,
    random_inputs,
)


def small_network(body: str = "y = Relu(x)", **rest: Any) -> Network:
    return network_of(build(case("small", body, **rest).values[0]))


BOUNDARY = [
    case("image to image", "c = Conv(x, w) y = Relu(c)", w=(5, 4, 3, 3)),
    case("image to row", "y = Flatten(x)"),
    case("row to row", "y = Softmax<axis=1>(x)", (1, 10)),
    case("channels last", "y = Transpose<perm=[0,2,3,1]>(x)"),
    case("two outputs", "r = Relu(x) t = Transpose<perm=[0,3,1,2]>(r)", outputs=("r", "t")),
]


@pytest.mark.parametrize("given", BOUNDARY)
def test_nchw_at_the_boundary(given: Case) -> None:
    """Under NCHW everything crosses in the network's own order."""
    model = build(given)
    emitted = tflite.emit(network_of(model), layout="NCHW")
    for port in (*emitted.inputs, *emitted.outputs):
        assert port.permutation == tuple(range(len(port.shape)))
    assert compare(model, emitted, random_inputs(given)) <= TOLERANCE


def test_nchw_costs_one_transpose_on_each_side() -> None:
    network = small_network("c = Conv(x, w) y = Relu(c)", w=(5, 4, 3, 3))
    assert operators(tflite.emit(network, layout="NCHW"))["TRANSPOSE"] == 2
    assert operators(tflite.emit(network))["TRANSPOSE"] == 0


def test_the_comparison_rejects_a_wrong_artifact() -> None:
    """The file of another network must not pass for this one's."""
    given = case("right", "y = Conv(x, w)", w=(5, 4, 3, 3)).values[0]
    model = build(given)
    wrong = build(given)
    weights = onnx.numpy_helper.to_array(wrong.graph.initializer[0]).copy()
    weights[0, 0, 0, 0] += 0.01
    wrong.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w"))
    inputs = random_inputs(given)
    assert compare(model, tflite.emit(network_of(model)), inputs) <= TOLERANCE
    assert compare(model, tflite.emit(network_of(wrong)), inputs) > TOLERANCE


def test_ports_name_the_networks_tensors() -> None:
    emitted = tflite.emit(small_network("c = Conv(x, w) y = Flatten(c)", w=(5, 4, 3, 3)))
    (image,), (flat,) = emitted.inputs, emitted.outputs
    assert (emitted.format, emitted.scheme) == ("tflite", "float32")
    assert (image.network_name, image.artifact_name) == ("x", "x")
    assert (image.shape, image.permutation) == ((1, 7, 9, 4), (0, 2, 3, 1))
    assert (flat.network_name, flat.shape, flat.permutation) == ("y", (1, 175), (0, 1))
    details = interpreter.Interpreter(model_content=emitted.files[".tflite"])
    assert [tensor["name"] for tensor in details.get_output_details()] == ["y"]


def test_tensor_names_are_unique() -> None:
    """The quantiser knows tensors by their names."""
    from ai_edge_litert import schema_py_generated as schema

    network = small_network("a = Mul(x, k) b = Mul(a, k) y = Flatten(b)", k=(4, 1, 1))
    model = schema.ModelT.InitFromPackedBuf(tflite.emit(network).files[".tflite"])
    names = [tensor.name for tensor in model.subgraphs[0].tensors]
    assert len(set(names)) == len(names)


def test_equal_constants_share_one_buffer() -> None:
    from ai_edge_litert import schema_py_generated as schema

    network = small_network(
        "a = Conv(x, w) b = Conv(a, v) y = Relu(b)",
        w=np.ones((4, 4, 1, 1), np.float32),
        v=np.ones((4, 4, 1, 1), np.float32),
    )
    content = tflite.emit(network).files[".tflite"]
    model = schema.ModelT.InitFromPackedBuf(content)
    buffers = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]
    assert len(set(buffers)) == len(buffers)
    assert sum(len(data) == 64 for data in buffers) == 1


def test_buffers_are_aligned() -> None:
    from ai_edge_litert import schema_py_generated as schema

    network = small_network("c = Conv(x, w, b) y = Relu(c)", w=(5, 4, 3, 3), b=(5,))
    content = tflite.emit(network).files[".tflite"]
    model = schema.Model.GetRootAs(content)
    arrays = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    start = np.frombuffer(content, np.uint8).ctypes.data
    offsets = [a.ctypes.data - start for a in arrays if isinstance(a, np.ndarray)]
    assert offsets
    assert all(offset % 16 == 0 for offset in offsets)


def test_same_network_gives_same_bytes() -> None:
    body = "c = Conv(x, w, b) s = Sigmoid(c) y = Mul(c, s)"
    first, second = (
        tflite.emit(small_network(body, w=(5, 4, 3, 3), b=(5,))).files for _ in range(2)
    )
    assert first == second


REFUSED = [
    case("erf", "y = Erf(x)"),
    case("elu", "y = Elu<alpha=0.5>(x)"),
    case("1-D convolution", "y = Conv(x, w)", (1, 4, 9), w=(5, 4, 3)),
    case("weights not constant", "y = Conv(x, z)", inputs={"z": (5, 4, 3, 3)}),
    case("dilated pooling", "y = MaxPool<kernel_shape=[2,2], dilations=[2,2]>(x)"),
    case("cubic", 'y = Resize<mode="cubic">(x, , s)', s=f32(1, 1, 2, 2)),
    case(
        "odd places", 'y = Resize<mode="nearest", nearest_mode="ceil">(x, , , n)', n=[1, 4, 13, 17]
    ),
    case("cropping pad", "y = Pad(x, p)", p=[0, 0, -1, 0, 0, 0, 0, 0]),
    case("cast", "c = Cast<to=11>(x) y = Cast<to=1>(c)"),
    case("grouped transposed", "y = ConvTranspose<group=2>(x, w)", w=(4, 3, 2, 2)),
]


@pytest.mark.parametrize("given", REFUSED)
def test_what_tflite_cannot_do_is_refused(given: Case) -> None:
    network = network_of(build(given))
    with pytest.raises(EdgecutError) as raised:
        tflite.emit(network)
    assert raised.value.code == "unsupported-operation"
    operation = tflite.unsupported(network)[0][0]
    assert operation in raised.value.message


def test_every_unsupported_node_is_told() -> None:
    network = small_network(
        "a = Erf(x) c = Conv(a, w) r = Relu(c) b = Erf(r) y = Neg(b)", w=(5, 4, 1, 1)
    )
    nodes = [node.name for node in network.model.graph if node.op_type == "Erf"]
    assert [(op, node) for op, node, _ in tflite.unsupported(network)] == [
        ("Erf", name) for name in nodes
    ]
    assert len(nodes) == 2
    assert tflite.unsupported(small_network()) == []


def test_unknown_layout() -> None:
    with pytest.raises(EdgecutError, match="NWHC"):
        tflite.emit(small_network(), layout="NWHC")


@pytest.mark.parametrize("seed", range(40))
def test_random_chains_of_reshapes_and_transposes(seed: int) -> None:
    """Whatever the order of axes comes to, the values are right."""
    rng = np.random.default_rng(seed)
    shape, steps, value = [1, 4, 6, 10], [], "x"
    constants: dict[str, Any] = {}
    for i in range(6):
        kind = rng.integers(4)
        if kind == 0:
            axes = rng.permutation(len(shape)).tolist()
            steps.append(f"v{i} = Transpose<perm={axes}>({value})")
            shape = [shape[axis] for axis in axes]
        elif kind == 1:
            shape = random_shape(rng, int(np.prod(shape)))
            constants[f"s{i}"] = shape
            steps.append(f"v{i} = Reshape({value}, s{i})")
        elif kind == 2:
            constants[f"k{i}"] = tuple(shape)
            steps.append(f"v{i} = Add({value}, k{i})")
        else:
            axis = int(rng.integers(len(shape)))
            steps.append(f"v{i} = Concat<axis={axis}>({value}, {value})")
            shape = [d * 2 if a == axis else d for a, d in enumerate(shape)]
        value = f"v{i}"
    given = case("chain", " ".join(steps), (1, 4, 6, 10), outputs=(value,), **constants).values[0]
    model = build(given)
    emitted = tflite.emit(network_of(model), layout=("NHWC", "NCHW")[seed % 2])
    assert compare(model, emitted, random_inputs(given)) <= TOLERANCE


def random_shape(rng: Any, size: int) -> list[int]:
    shape = [1, 1, 1, 1][: rng.integers(2, 5)]
    for prime in (2, 3, 5):
        while size % prime == 0:
            shape[rng.integers(len(shape))] *= prime
            size //= prime
    return shape


@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "transposes"),
    [("yolox-nano/yolox_nano.onnx", 0), ("fastestdet/FastestDet.onnx", 13)],
    ids=["yolox", "fastestdet"],
)
def test_real_detectors(shared: Path, path: str, transposes: int) -> None:
    """The numbers of ONNX Runtime, and no TRANSPOSE but one for each channel shuffle."""
    network = load_onnx(shared / "models" / path)
    model = network.to_proto()
    emitted = tflite.emit(network)
    assert operators(emitted)["TRANSPOSE"] == transposes
    rng = np.random.default_rng(0)
    inputs = {
        spec.name: rng.uniform(0, 255 if "yolox" in path else 1, spec.shape).astype(np.float32)
        for spec in network.inputs
    }
    assert compare(model, emitted, inputs) <= TOLERANCE
