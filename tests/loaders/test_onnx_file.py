"""Loading ONNX files: every form of a good one, and a clear word on each bad one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecut.cutout import cut
from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.loaders import external_data, onnx_file
from edgecut.loaders.onnx_file import from_proto, load_onnx
from edgecut.loaders.opset import OLDEST as OLDEST_OPSET
from edgecut.loaders.opset import WORKING as WORKING_OPSET
from edgecut.network import Network, digest_of
from tests.graphs import conv_weights, proto_of, random_inputs, run

node = helper.make_node
WEIGHTS = conv_weights(4, 3, 3, 3)


def small(opset: int = 18, shape: tuple[int | str, ...] = (1, 3, 8, 8)) -> onnx.ModelProto:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])]
    return proto_of(nodes, inputs={"x": shape}, outputs=["y"], weights={"w": WEIGHTS}, opset=opset)


def saved(folder: Path, model: onnx.ModelProto | bytes, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def refused(path: Path, code: str, **options: object) -> EdgecutError:
    with pytest.raises(EdgecutError) as caught:
        load_onnx(path, **options)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value.message
    assert path.name in caught.value.message
    return caught.value


def assert_runs_alike(network: Network, original: onnx.ModelProto) -> None:
    feeds = random_inputs(network)
    got, expected = run(network, feeds), run(original.SerializeToString(), feeds)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-6)


def test_a_file_as_it_should_be(tmp_path: Path) -> None:
    model = small()
    network = load_onnx(saved(tmp_path, model, "net.onnx"))
    assert (network.name, network.history) == ("net", ("load",))
    assert network.image.shape == (1, 3, 8, 8) and network.outputs[0].shape == (1, 4, 6, 6)
    assert_runs_alike(network, model)


def test_the_same_file_gives_the_same_bytes_and_digest(tmp_path: Path) -> None:
    path = saved(tmp_path, small())
    first, second = load_onnx(path), load_onnx(path)
    assert first.to_bytes() == second.to_bytes() and first.digest == second.digest
    other = small()
    other.graph.node[1].op_type = "Tanh"
    assert load_onnx(saved(tmp_path, other)).digest != first.digest


def test_a_written_network_loads_again(tmp_path: Path) -> None:
    network = load_onnx(saved(tmp_path, small()))
    network.write(tmp_path / "again.onnx")
    assert load_onnx(tmp_path / "again.onnx").to_bytes() == network.to_bytes()


# Opsets.


def old_style(opset: int) -> onnx.ModelProto:
    """What changed its form most: Slice, Squeeze, Clip, Upsample, Softmax, ReduceSum, Pad."""
    nodes = [node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1])]
    weights = {"w": WEIGHTS}
    if opset < 11:
        nodes += [node("Clip", ["a"], ["b"], min=0.0, max=6.0)]
        nodes += [node("Pad", ["b"], ["p"], pads=[0, 0, 1, 1, 0, 0, 1, 1])]
    else:
        weights |= {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
        weights |= {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
        nodes += [node("Clip", ["a", "low", "high"], ["b"])]
        nodes += [node("Pad", ["b", "pads"], ["p"])]
    if opset < 10:
        nodes += [node("Slice", ["p"], ["c"], starts=[1], ends=[4], axes=[1])]
        weights |= {"scales": np.array([1, 1, 2, 2], np.float32)}
        nodes += [node("Upsample", ["c", "scales"], ["d"], mode="nearest")]
    else:
        weights |= {"from": np.array([1]), "to": np.array([4]), "axis": np.array([1])}
        nodes += [node("Slice", ["p", "from", "to", "axis"], ["c"])]
        nodes += [node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2])]
    if opset < 18:
        nodes += [node("ReduceMean", ["d"], ["e"], axes=[2, 3])]
    else:
        weights |= {"space": np.array([2, 3])}
        nodes += [node("ReduceMean", ["d", "space"], ["e"])]
    if opset < 13:
        nodes += [node("Squeeze", ["e"], ["f"], axes=[2, 3])]
    else:
        weights |= {"space2": np.array([2, 3])}
        nodes += [node("Squeeze", ["e", "space2"], ["f"])]
    nodes += [node("Softmax", ["f"], ["y"], axis=1)]
    model = proto_of(nodes, inputs={"x": (1, 3, 6, 6)}, outputs=["y"], weights=weights, opset=opset)
    model.ir_version = 4 if opset < 11 else 8
    return model


@pytest.mark.parametrize("opset", range(OLDEST_OPSET, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(tmp_path: Path, opset: int) -> None:
    model = old_style(opset)
    network = load_onnx(saved(tmp_path, model))
    assert network.model.graph.opset_imports[""] == max(opset, WORKING_OPSET)
    # ONNX Runtime may lag behind the newest opset of the onnx package.
    if opset <= 24:
        assert_runs_alike(network, model)


@pytest.mark.parametrize("opset", [OLDEST_OPSET - 1, onnx.defs.onnx_opset_version() + 1, 1])
def test_opsets_out_of_range(tmp_path: Path, opset: int) -> None:
    model = small()
    model.opset_import[0].version = opset
    error = refused(saved(tmp_path, model), "unsupported-opset")
    assert str(opset) in error.message and error.hint


def test_no_opset_at_all(tmp_path: Path) -> None:
    model = small()
    del model.opset_import[:]
    refused(saved(tmp_path, model), "unsupported-opset")


def test_the_first_files_had_weights_among_their_inputs_by_rule(tmp_path: Path) -> None:
    """With IR version 3, every initializer had to be listed as an input."""
    model = small(opset=9)
    model.ir_version = 3
    weights = helper.make_tensor_value_info("w", TensorProto.FLOAT, WEIGHTS.shape)
    model.graph.input.append(weights)
    network = load_onnx(saved(tmp_path, model))
    assert [spec.name for spec in network.inputs] == ["x"]
    assert_runs_alike(network, model)


# Where weights may be.


def test_weights_listed_as_inputs(tmp_path: Path) -> None:
    model = small()
    weights = helper.make_tensor_value_info("w", TensorProto.FLOAT, WEIGHTS.shape)
    model.graph.input.insert(0, weights)
    network = load_onnx(saved(tmp_path, model))
    assert [spec.name for spec in network.inputs] == ["x"]


def test_weights_in_constant_nodes(tmp_path: Path) -> None:
    model = small()
    del model.graph.initializer[:]
    value = numpy_helper.from_array(WEIGHTS, "w")
    model.graph.node.insert(0, node("Constant", [], ["w"], value=value))
    network = load_onnx(saved(tmp_path, model))
    assert list(network.model.graph.initializers) == ["w"]
    assert [n.op_type for n in network.model.graph] == ["Conv", "Relu"]
    assert_runs_alike(network, model)


@pytest.mark.parametrize(
    "constant",
    [
        {"value_float": 2.0},
        {"value_floats": [2.0]},
        {"value": numpy_helper.from_array(np.array([2.0], np.float32))},
    ],
    ids=str,
)
def test_every_form_of_constant(tmp_path: Path, constant: dict[str, object]) -> None:
    nodes = [node("Constant", [], ["two"], **constant), node("Mul", ["x", "two"], ["y"])]
    model = proto_of(nodes, inputs={"x": (1, 3)}, outputs=["y"])
    network = load_onnx(saved(tmp_path, model))
    assert [n.op_type for n in network.model.graph] == ["Mul"]
    assert_runs_alike(network, model)


def external(
    folder: Path, *, location: str = "weights.bin", data: bytes | None = None, **more: str
) -> Path:
    """A model whose one weight lies in another file."""
    model = small()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    if data is not None:
        (folder / "weights.bin").write_bytes(data)
    return saved(folder, model)


def test_external_data(tmp_path: Path) -> None:
    length = str(WEIGHTS.nbytes)
    path = external(tmp_path, data=b"12345678" + WEIGHTS.tobytes(), offset="8", length=length)
    network = load_onnx(path)
    assert_runs_alike(network, small())
    (tmp_path / "weights.bin").write_bytes(b"12345678" + (2 * WEIGHTS).tobytes())
    assert load_onnx(path).digest != network.digest


def test_external_data_in_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "w").write_bytes(WEIGHTS.tobytes())
    assert_runs_alike(load_onnx(external(tmp_path, location="below/w")), small())


def test_external_data_in_a_constant_node(tmp_path: Path) -> None:
    model = onnx.load(str(external(tmp_path, data=WEIGHTS.tobytes())), load_external_data=False)
    model.graph.node.insert(0, node("Constant", [], ["w"], value=model.graph.initializer[0]))
    del model.graph.initializer[:]
    assert_runs_alike(load_onnx(saved(tmp_path, model)), small())


LARGE = np.random.default_rng(0).standard_normal((700, 600)).astype(np.float32) / 600


def large() -> onnx.ModelProto:
    """A model with a weight that stays in its file."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])]
    return proto_of(nodes, inputs={"x": ("n", 700)}, outputs=["y"], weights={"w": LARGE})


@pytest.mark.parametrize("opset", [12, 18])
def test_a_large_weight_stays_in_its_file(tmp_path: Path, opset: int) -> None:
    model = large()
    model.opset_import[0].version = opset
    path = saved(tmp_path, model)
    network = load_onnx(path)
    weight = network.model.graph.initializers["w"].const_value
    assert weight is not None and not weight.numpy().flags.owndata
    assert [spec.name for spec in network.inputs] == ["x"]
    assert_runs_alike(network, model)
    assert network.digest == digest_of(path.read_bytes())


def test_a_large_weight_of_a_file_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(tmp_path, large()).read_bytes()
    monkeypatch.chdir(tmp_path)
    network = load_onnx(Path("model.onnx"))
    assert network.digest == digest_of(data)
    monkeypatch.chdir(tmp_path.parent)
    assert_runs_alike(network, large())


def test_large_weights_in_a_file_beside(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(large(), path, save_as_external_data=True, location="w.data")
    network = load_onnx(path)
    assert_runs_alike(network, large())
    assert network.digest == digest_of(path.read_bytes() + (tmp_path / "w.data").read_bytes())


def test_a_constant_with_the_name_of_a_large_weight(tmp_path: Path) -> None:
    """Names are those of initializers; a tensor in a node may be called anything."""
    model = large()
    model.graph.node.append(node("Mul", ["y", "c"], ["z"]))
    model.graph.node.insert(0, node("Constant", [], ["c"], value=model.graph.initializer[0]))
    constant = model.graph.node[0].attribute[0].t
    twice = 2 * LARGE[:1]
    constant.CopyFrom(numpy_helper.from_array(twice, "w"))
    model.graph.output[0].name = "z"
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "c.data"), ("offset", "0"), ("length", str(twice.nbytes))):
        constant.external_data.add(key=key, value=value)
    (tmp_path / "c.data").write_bytes(twice.tobytes())
    network = load_onnx(saved(tmp_path, model))
    feeds = random_inputs(network)
    np.testing.assert_allclose(
        run(network, feeds)["z"], np.maximum(feeds["x"] @ LARGE, 0) * twice, atol=1e-5
    )


def test_a_weight_of_a_type_that_is_not_numpys_own(tmp_path: Path) -> None:
    model = large()
    kind = TensorProto.FLOAT8E5M2
    model.graph.initializer.append(
        TensorProto(name="q", data_type=kind, dims=[1200, 1000], raw_data=b"\0" * 1_200_000)
    )
    model.graph.node.append(node("Identity", ["q"], ["idle"]))
    model.opset_import[0].version = 19
    model.ir_version = 9
    assert_runs_alike(load_onnx(saved(tmp_path, model)), large())


def test_a_large_weight_of_a_function_is_folded_when_that_is_known(tmp_path: Path) -> None:
    model = large()
    turned = helper.make_function(
        *("own", "Turned", ["x", "t"], ["a"]),
        [node("Transpose", ["t"], ["w"], perm=[1, 0]), node("MatMul", ["x", "w"], ["a"])],
        [helper.make_opsetid("", 18)],
    )
    model.functions.append(turned)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node[0].CopyFrom(node("Turned", ["x", "t"], ["a"], domain="own"))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(LARGE.T.copy(), "t"))
    network = load_onnx(saved(tmp_path, model))
    assert [n.op_type for n in network.model.graph] == ["MatMul", "Relu"]
    assert_runs_alike(network, large())


def test_a_large_weight_that_constants_are_made_of_comes_inside(tmp_path: Path) -> None:
    model = large()
    model.graph.node.insert(0, node("Transpose", ["t"], ["w"], perm=[1, 0]))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(LARGE.T.copy(), "t"))
    network = load_onnx(saved(tmp_path, model))
    assert [n.op_type for n in network.model.graph] == ["MatMul", "Relu"]
    assert_runs_alike(network, large())


def test_a_large_weight_of_the_wrong_shape(tmp_path: Path) -> None:
    for dims in ([700, 599], [-700, -600]):
        model = large()
        model.graph.initializer[0].dims[:] = dims
        error = refused(saved(tmp_path, model), "bad-weights")
        assert "'w'" in error.message


def test_more_weights_than_a_protobuf_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_data, "PROTOBUF_BYTES", WEIGHTS.nbytes - 1)
    path = external(tmp_path, data=WEIGHTS.tobytes())
    with pytest.raises(EdgecutError) as error:
        onnx_file.read({"path": str(path), "where": "it", "input_shapes": {}}, b"")
    assert error.value.code == "too-large"


def test_an_input_that_no_machine_holds(tmp_path: Path) -> None:
    refused(saved(tmp_path, small(shape=(1, 3, 2**20, 2**20))), "too-large")


@pytest.mark.parametrize("text", [b"Relu", b"model", b"a"])
def test_a_text_that_is_damaged(tmp_path: Path, text: bytes) -> None:
    model = small()
    model.producer_name = "model"
    model.graph.node[1].name = "a"
    data = model.SerializeToString()
    assert text in data
    path = saved(tmp_path, data.replace(text, bytes([text[0] | 0x80]) + text[1:]))
    assert "UTF-8" in refused(path, "not-onnx").message


def test_missing_external_data(tmp_path: Path) -> None:
    error = refused(external(tmp_path), "missing-external-data")
    assert "weights.bin" in error.message and "'w'" in error.message


@pytest.mark.parametrize(
    "more",
    [
        {"length": str(WEIGHTS.nbytes)},
        {"offset": "999999"},
        {"offset": "-4", "length": "4"},
        {"length": "-1"},
        {"offset": "many"},
        {"length": "99999999999999999999"},
    ],
    ids=str,
)
def test_external_data_that_does_not_reach(tmp_path: Path, more: dict[str, str]) -> None:
    refused(external(tmp_path, data=WEIGHTS.tobytes()[:-1], **more), "missing-external-data")


def test_external_data_of_the_wrong_size(tmp_path: Path) -> None:
    refused(external(tmp_path, data=WEIGHTS.tobytes() + b"more"), "bad-weights")
    refused(external(tmp_path, data=WEIGHTS.tobytes()[:-1]), "bad-weights")


@pytest.mark.parametrize("location", ["", "nul\0byte", "."])
def test_external_data_nowhere(tmp_path: Path, location: str) -> None:
    refused(external(tmp_path, location=location), "missing-external-data")


def test_external_data_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    for location in ("../secret", str(secret), "below/../../secret", "../model2/../secret"):
        error = refused(external(folder, location=location), "path-escape")
        assert location in error.message


def test_external_data_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").symlink_to(tmp_path / "secret")
    refused(external(folder), "path-escape")


def test_a_link_to_the_model_itself_is_no_escape(tmp_path: Path) -> None:
    """The folder is that of the path given; a link to a folder is followed on both sides."""
    folder = tmp_path / "model"
    folder.mkdir()
    external(folder, data=WEIGHTS.tobytes())
    (tmp_path / "linked").symlink_to(folder)
    assert_runs_alike(load_onnx(tmp_path / "linked" / "model.onnx"), small())


def elsewhere(location: str) -> onnx.TensorProto:
    """Four numbers that lie in another file."""
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def in_a_function(location: str) -> onnx.ModelProto:
    body = [node("Constant", [], ["c"], value=elsewhere(location)), node("Mul", "ac", ["b"])]
    model = proto_of([node("F", ["x"], ["y"], domain="own")], inputs={"x": (1, 4)}, outputs=["y"])
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def test_external_data_in_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the working directory nor the folder above may be read."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    refused(saved(folder, in_a_function("../secret")), "path-escape")
    refused(saved(folder, in_a_function("secret")), "missing-external-data")
    (folder / "own").write_bytes(np.array([1, 2, 3, 4], np.float32).tobytes())
    network = load_onnx(saved(folder, in_a_function("own")))
    got = run(network, {"x": np.ones((1, 4), np.float32)})["y"]
    np.testing.assert_array_equal(got, [[1, 2, 3, 4]])


def test_external_data_in_a_sparse_weight(tmp_path: Path) -> None:
    model = small()
    for part in ("values", "indices"):
        weight = sparse()
        getattr(weight, part).CopyFrom(elsewhere("../secret"))
        del model.graph.sparse_initializer[:]
        model.graph.sparse_initializer.append(weight)
        refused(saved(tmp_path, model), "path-escape")


def test_a_parsed_model_must_be_complete() -> None:
    with pytest.raises(EdgecutError) as caught:
        from_proto(in_a_function("own"), name="it", where="it", digest="")
    assert caught.value.code == "missing-external-data"


# Shapes.


def test_a_dynamic_batch_becomes_one(tmp_path: Path) -> None:
    network = load_onnx(saved(tmp_path, small(shape=("batch", 3, 8, 8))))
    assert network.image.shape == (1, 3, 8, 8) and network.outputs[0].shape == (1, 4, 6, 6)


def test_other_dynamic_axes_are_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path, small(shape=("batch", 3, "height", "width")))
    error = refused(path, "dynamic-shape")
    assert "axis 2" in error.message and "--input-shape 1x3x224x224" in str(error.hint)
    for shapes in ({"": (1, 3, 8, 6)}, {"x": (1, 3, 8, 6)}):
        network = load_onnx(path, input_shapes=shapes)
        assert network.outputs[0].shape == (1, 4, 6, 4)


def test_a_declared_output_shape_does_not_stand_in_the_way(tmp_path: Path) -> None:
    model = small(shape=("batch", 3, "height", "width"))
    dims = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 4, "h", "w"))]
    del model.graph.output[:]
    model.graph.output.extend(dims)
    network = load_onnx(saved(tmp_path, model), input_shapes={"x": (2, 3, 8, 8)})
    assert network.outputs[0].shape == (2, 4, 6, 6)


@pytest.mark.parametrize("shape", [(1, 3, 8), (1, 4, 8, 8), (1, 3, 9, 8)])
def test_a_shape_that_does_not_fit(tmp_path: Path, shape: tuple[int, ...]) -> None:
    refused(saved(tmp_path, small()), "bad-input-shape", input_shapes={"x": shape})


def test_a_shape_for_no_input(tmp_path: Path) -> None:
    error = refused(saved(tmp_path, small()), "unknown-input", input_shapes={"z": (1,)})
    assert "x" in str(error.hint)


def test_a_shape_without_name_for_two_inputs(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "u"], ["y"])]
    model = proto_of(nodes, inputs={"x": (1, 3), "u": (1, 3)}, outputs=["y"])
    error = refused(saved(tmp_path, model), "unknown-input", input_shapes={"": (1, 3)})
    assert "x" in str(error.hint) and "u" in str(error.hint)


def test_shape_arithmetic_is_folded(tmp_path: Path) -> None:
    """What PyTorch writes for x.view(x.size(0), -1)."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Unsqueeze", ["batch", "first"], ["one"]),
        node("Concat", ["one", "rest"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["y"]),
    ]
    weights = {"zero": np.array(0), "first": np.array([0]), "rest": np.array([-1])}
    model = proto_of(nodes, inputs={"x": ("n", 3, 4)}, outputs=["y"], weights=weights)
    network = load_onnx(saved(tmp_path, model))
    assert [n.op_type for n in network.model.graph] == ["Reshape"]
    assert network.outputs[0].shape == (1, 12)


# Not a model, or not a good one.


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "absent.onnx", "missing-model")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, "missing-model")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(64),
        b"<html><body>not found</body></html>",
    ],
    ids=["empty", "git-lfs", "png", "zeros", "html"],
)
def test_not_onnx(tmp_path: Path, data: bytes) -> None:
    refused(saved(tmp_path, data), "not-onnx")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    data = small().SerializeToString()
    with pytest.raises(EdgecutError) as caught:
        load_onnx(saved(tmp_path, data[: int(len(data) * share)]))
    assert caught.value.code in ("not-onnx", "unsupported-opset", "shape-inference")


def test_an_empty_graph(tmp_path: Path) -> None:
    model = small()
    del model.graph.node[:]
    refused(saved(tmp_path, model), "not-onnx")
    model = small()
    del model.graph.output[:]
    refused(saved(tmp_path, model), "not-onnx")


def bad(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = small()
    change(model)
    return model


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.graph.node[1].input.__setitem__(0, "nowhere"),
        lambda m: setattr(m.graph.node[1], "op_type", "NoSuchOperation"),
        lambda m: m.graph.node[1].output.__setitem__(0, "a"),
        lambda m: m.graph.node[1].attribute.append(helper.make_attribute("nonsense", 1)),
        lambda m: setattr(m.graph.node[0], "domain", "com.unheard.of"),
        lambda m: m.graph.output[0].__setattr__("name", "elsewhere"),
    ],
    ids=[
        "no such value",
        "no such operation",
        "twice",
        "no such attribute",
        "no such domain",
        "output",
    ],
)
def test_what_does_not_pass_the_checks(
    tmp_path: Path, change: Callable[[onnx.ModelProto], object]
) -> None:
    error = refused(saved(tmp_path, bad(change)), "shape-inference")
    assert "\n" not in error.message


@pytest.mark.parametrize("data", [WEIGHTS.tobytes()[:-4], WEIGHTS.tobytes() * 2, b""])
def test_weights_with_too_few_or_too_many_bytes(tmp_path: Path, data: bytes) -> None:
    model = small()
    model.graph.initializer[0].raw_data = data
    error = refused(saved(tmp_path, model), "bad-weights")
    assert "'w'" in error.message


def test_weights_of_four_bits(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", ["q", "one"], ["w"]), node("Mul", ["x", "w"], ["y"])]
    weights = {"one": np.array(1, np.float32)}
    model = proto_of(nodes, inputs={"x": (1, 3)}, outputs=["y"], weights=weights, opset=21)
    model.graph.initializer.append(
        helper.make_tensor("q", TensorProto.INT4, (3,), b"\x21\x03", raw=True)
    )
    model.ir_version = 10
    assert_runs_alike(load_onnx(saved(tmp_path, model)), model)
    model.graph.initializer[-1].raw_data = b"\x21"
    refused(saved(tmp_path, model), "bad-weights")


def test_shapes_that_do_not_fit_together(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["y"])]
    weights = {"w": np.ones((4, 2), np.float32)}
    model = proto_of(nodes, inputs={"x": (1, 3)}, outputs=["y"], weights=weights)
    refused(saved(tmp_path, model), "shape-inference")


# Names, functions, subgraphs, custom operations.


def test_nodes_get_names_of_their_own(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], ["a"], name="Relu_1"),
        node("Relu", ["a"], ["b"]),
        node("Relu", ["b"], ["c"], name="same"),
        node("Relu", ["c"], ["y"], name="same"),
    ]
    model = proto_of(nodes, inputs={"x": (1, 3)}, outputs=["y"])
    network = load_onnx(saved(tmp_path, model))
    names = [n.name for n in network.model.graph]
    assert len(set(names)) == 4 and names[0] == "Relu_1" and names[2] == "same"
    assert list(run(network, random_inputs(network))) == ["y"]


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    body = [node("Sigmoid", ["v"], ["s"]), node("Mul", ["v", "s"], ["out"])]
    opsets = [helper.make_opsetid("", 18)]
    swish = helper.make_function("own", "Swish", ["v"], ["out"], body, opsets)
    nodes = [node("Swish", ["x"], ["a"], domain="own"), node("Swish", ["a"], ["y"], domain="own")]
    model = proto_of(nodes, inputs={"x": (1, 3)}, outputs=["y"])
    model.functions.append(swish)
    model.opset_import.append(helper.make_opsetid("own", 1))
    network = load_onnx(saved(tmp_path, model))
    assert [n.op_type for n in network.model.graph] == ["Sigmoid", "Mul", "Sigmoid", "Mul"]
    assert_runs_alike(network, model)


def choice(opset: int = 18) -> onnx.ModelProto:
    """An If whose branches read an outer value that its inputs do not show."""

    def branch(name: str, op_type: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, (1, 4, 6, 6))
        return helper.make_graph([node(op_type, ["a"], [f"{name}_y"])], name, [], [out])

    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("ReduceMax", ["x"], ["top"], keepdims=0),
        node("Greater", ["top", "one"], ["large"]),
        node(
            "If", ["large"], ["b"], then_branch=branch("t", "Neg"), else_branch=branch("e", "Abs")
        ),
        node("Add", ["a", "b"], ["y"]),
    ]
    weights = {"w": WEIGHTS, "one": np.array(1, np.float32)}
    shape = {"x": (1, 3, 8, 8)}
    return proto_of(nodes, inputs=shape, outputs=["y"], weights=weights, opset=opset)


@pytest.mark.parametrize("opset", [11, 18])
def test_an_if_that_reads_an_outer_value_is_kept_whole(tmp_path: Path, opset: int) -> None:
    model = choice(opset)
    network = with_categories(load_onnx(saved(tmp_path, model)), list("abcd"), source="test")
    assert_runs_alike(network, model)
    small, done = cut(network, ["b", "d"])
    assert [refusal.op_type for refusal in done.refusals] == ["If"]
    feeds = random_inputs(network)
    np.testing.assert_allclose(
        run(small, feeds)["y"], run(network, feeds)["y"][:, [1, 3]], rtol=1e-5, atol=1e-6
    )


def test_a_custom_operation_is_kept_whole_and_refused_by_name(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="stem"),
        node("Fancy", ["a"], ["b"], name="fancy", domain="com.example"),
        node("Relu", ["b"], ["y"]),
    ]
    model = proto_of(nodes, inputs={"x": (1, 3, 8, 8)}, outputs=[], weights={"w": WEIGHTS})
    for name in ("b", "y"):
        shape = helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4, 6, 6))
        (model.graph.output if name == "y" else model.graph.value_info).append(shape)
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    network = with_categories(load_onnx(saved(tmp_path, model)), list("abcd"), source="test")
    small, done = cut(network, ["b"])
    assert (done.refusals[0].node, done.refusals[0].op_type) == ("fancy", "Fancy")
    assert any(n.domain == "com.example" for n in small.model.graph)
    assert small.outputs[0].shape == (1, 1, 6, 6)
    weights = small.model.graph.initializers["w"]
    assert tuple(weights.shape) == WEIGHTS.shape  # type: ignore[arg-type]


def test_one_domain_has_one_spelling(tmp_path: Path) -> None:
    model = small()
    model.opset_import[0].domain = "ai.onnx"
    model.graph.node[0].domain = "ai.onnx"
    network = load_onnx(saved(tmp_path, model))
    assert network.model.graph.opset_imports == {"": 18}
    assert [proto.domain for proto in network.to_proto().graph.node] == ["", ""]
    assert_runs_alike(network, small())
    model.opset_import.append(helper.make_opsetid("", 18))
    assert load_onnx(saved(tmp_path, model)).model.graph.opset_imports == {"": 18}
    model.opset_import[1].version = 17
    error = refused(saved(tmp_path, model), "unsupported-opset")
    assert "18" in error.message and "17" in error.message


def sparse() -> onnx.SparseTensorProto:
    values = numpy_helper.from_array(np.array([1, 2], np.float32), "w")
    return helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0, 3]), "at"), [4])


def test_a_sparse_constant_is_refused_in_a_line(tmp_path: Path) -> None:
    nodes = [node("Constant", [], ["w"], sparse_value=sparse()), node("Mul", ["x", "w"], ["y"])]
    model = proto_of(nodes, inputs={"x": (1, 4)}, outputs=["y"])
    refused(saved(tmp_path, model), "shape-inference")
