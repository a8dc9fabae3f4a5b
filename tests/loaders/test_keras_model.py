"""Keras models: what a file may hold, and that the network gives Keras's own numbers."""

from __future__ import annotations

import importlib.util
import json
import os
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.loaders import keras_file, keras_model
from edgecut.source import load

# Of Keras itself, where it saves weights.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
WEIGHTS = "model.weights.h5"


def layer(kind: str, module: str | None = "keras.layers", **more: Any) -> dict[str, Any]:
    return {"class_name": kind, "module": module, "config": {"name": "a_layer"}, **more}


def model(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    inner = {"name": "net", "layers": list(layers)}
    return {"class_name": "Sequential", "module": "keras", "config": inner, **more}


def written(path: Path, config: Any, **entries: bytes) -> Path:
    """A ``.keras`` file; an entry's name has no dots here but underscores."""
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", text)
        archive.writestr(WEIGHTS, entries.pop("weights", b"weights"))
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def refused(path: Path, code: str, *, trust: bool = False) -> str:
    with pytest.raises(EdgecutError) as error:
        keras_file.check(path, trust=trust)
    assert error.value.code == code and str(path) in error.value.message
    return f"{error.value.message}\n{error.value.hint}"


def test_keras_s_own_layers_pass(tmp_path: Path) -> None:
    functional = {
        **model(layer("Add", "keras.src.ops.numpy")),
        "module": "keras.src.models.functional",
        "class_name": "Functional",
    }
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 8]}}
    relu = {"class_name": "function", "module": "builtins", "config": "relu"}
    config = model(functional, layer("Conv2D", build_config={"x": [tensor]}, activation=relu))
    keras_file.check(written(tmp_path / "a.keras", config), trust=False)


def test_what_it_was_compiled_with_is_not_read(tmp_path: Path) -> None:
    loss = {"class_name": "function", "module": "my_losses", "config": "loss"}
    path = written(tmp_path / "a.keras", model(compile_config={"loss": loss}))
    keras_file.check(path, trust=False)
    inner = model(model(compile_config={"loss": loss}))
    assert "tf2onnx.convert" in refused(written(path, inner), "custom-object")


@pytest.mark.parametrize("kind", ["Lambda", "TorchModuleWrapper", "__lambda__"])
def test_code_is_read_only_on_trust(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path / "a.keras", model(layer("Conv2D", inner=[layer(kind)])))
    assert "--trust" in refused(path, "untrusted-code")
    keras_file.check(path, trust=True)


@pytest.mark.parametrize(
    "item",
    [
        *(layer("TFSMLayer"), layer("StringLookup"), layer("Twice", None)),
        *(layer("Twice", "mine"), layer("Popen", "subprocess"), layer("get_file", "keras.utils")),
        layer("Conv2D", "keras_evil.layers"),
        {"class_name": "function", "module": "os", "config": "system"},
    ],
)
def test_what_is_not_keras_s_own_is_refused_with_trust_too(
    tmp_path: Path, item: dict[str, Any]
) -> None:
    path = written(tmp_path / "a.keras", model(item))
    refused(path, "custom-object", trust=True)


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    refused(path, "missing-model")
    refused(tmp_path, "not-keras")
    whole = written(path, model()).read_bytes()
    for data in (b"", b"no zip", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(data)
        refused(path, "not-keras")
    for text in ("", "[", '{"a": NaN}', "[" * 100_000):
        refused(written(path, text), "not-keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    refused(path, "not-keras")


def test_the_old_format_names_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n and so on")
    message = refused(path, "not-keras")
    assert "load_model('old.h5').save('old.keras')" in message


@pytest.mark.parametrize("name", ["../evil", "/evil", "assets/words.txt", "model.weights.h5/x"])
def test_entries_that_a_picture_s_model_has_no_use_for(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a.keras", model(), **{name: b""})
    assert name in refused(path, "not-keras")


def test_an_entry_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    with pytest.warns(UserWarning, match="Duplicate"):
        written(path, model(), **{WEIGHTS: b"others"})
    refused(path, "not-keras")


def test_entries_are_not_unpacked_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_file, "LARGEST_TEXT", 1000)
    refused(written(tmp_path / "a.keras", model(), weights=bytes(100_000)), "too-large")
    refused(written(tmp_path / "a.keras", '"' + "a" * 1000 + '"'), "too-large")
    noise = np.random.default_rng(0).bytes(100_000)
    keras_file.check(written(tmp_path / "a.keras", model(), weights=noise), trust=False)


def test_a_saved_model_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(EdgecutError) as error:
        load(str(tmp_path))
    assert error.value.code == "saved-model" and "tf2onnx.convert" in str(error.value.hint)


def test_without_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.keras", model())
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "keras" else find(name)
    )
    with pytest.raises(MissingPackage) as error:
        load(str(path))
    assert "edgecut[keras]" in str(error.value.hint)


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("onnxscript", reason="needs the package onnxscript, which is not here")
    pytest.importorskip("torch", reason="needs the package torch, which is not here")
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["KERAS_HOME"] = str(tmp_path_factory.mktemp("keras"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip("keras", reason="needs the package keras, which is not here")
        keras.utils.set_random_seed(0)
    return keras


@pytest.fixture(scope="module")
def saved(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with what such networks are made of; its size is left open."""
    layers = keras.layers
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = skip = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.MaxPooling2D(2)(layers.LeakyReLU()(x))
    x = layers.UpSampling2D(2)(x)
    x = layers.Concatenate()([x, skip])
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(16, 1, activation="sigmoid")(gate)])
    mask = layers.Conv2D(2, 1, name="mask")(x)
    scores = layers.Dense(4, name="scores")(layers.GlobalAveragePooling2D()(x))
    path = tmp_path_factory.mktemp("saved") / "net.keras"
    network = keras.Model(image, {"mask": mask, "scores": scores})
    random = np.random.default_rng(0)
    for weight in network.weights:
        if weight.path.endswith(("bias", "beta", "mean", "variance")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    network.save(path)
    return path


def test_a_network_is_channels_first_and_has_keras_s_numbers(keras: Any, saved: Path) -> None:
    """The numbers are compared as it is loaded; all Transposes but that of an output are gone."""
    network = load(str(saved), input_shape="1x3x32x32")
    assert network.name == "net" and network.history == ("load",)
    assert [(spec.name, spec.shape) for spec in network.inputs] == [("image", (1, 3, 32, 32))]
    shapes = {spec.name: spec.shape for spec in network.outputs}
    assert shapes == {"mask": (1, 16, 16, 2), "scores": (1, 4)}
    kinds = Counter(node.op_type for node in network.model.graph)
    assert kinds["Transpose"] == 1 and kinds["Conv"] == 4
    assert kinds["BatchNormalization"] == 1 and kinds["Resize"] == 1


def test_memory_is_bounded(keras: Any, tmp_path: Path) -> None:
    """A few bytes of configuration can ask for weights without end."""
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    keras.Sequential(layers).save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        config = archive.read("config.json").decode().replace('"units": 2', '"units": 20000000')
        weights = archive.read(WEIGHTS)
    path = written(tmp_path / "b.keras", config, weights=weights)
    with pytest.raises(EdgecutError) as error:
        load(str(path))
    assert error.value.code == "export-failed" and "memory" in error.value.message


def test_open_sizes_and_half_precision(keras: Any, saved: Path, tmp_path: Path) -> None:
    from edgecut.loaders.keras_program import exported

    with pytest.raises(EdgecutError, match="axis 2 of input 'image' is dynamic") as error:
        exported(str(saved), None, trust=False)
    assert error.value.code == "dynamic-shape" and "1x3x224x224" in str(error.value.hint)
    with pytest.raises(EdgecutError, match="does not fit") as error:
        exported(str(saved), (1, 32, 32, 3), trust=False)
    assert error.value.code == "bad-input-shape"
    image = keras.Input((3, 8, 8), dtype="float32")
    first = keras.layers.Conv2D(2, 3, data_format="channels_first", dtype="mixed_float16")
    keras.Model(image, first(image)).save(tmp_path / "half.keras")
    _, numbers = exported(str(tmp_path / "half.keras"), None, trust=False)
    assert numbers["in.0.0"].shape == (1, 3, 8, 8)
    assert numbers["out.0.0"].shape == (1, 2, 6, 6) and numbers["out.0.0"].dtype == "float32"


def test_other_numbers_are_refused(tmp_path: Path) -> None:
    from onnx import helper

    from tests.graphs import network_of

    network = network_of(
        [helper.make_node("Relu", ["x"], ["y"])], inputs={"x": (1, 4)}, outputs="y"
    )
    given = np.array([[-1, 0, 1, 2]], np.float32)
    numbers = {"in.0.0": given, "out.0.0": given.clip(0)}
    keras_model._check_export(network, numbers, tmp_path)
    with pytest.raises(EdgecutError) as error:
        keras_model._check_export(network, {**numbers, "out.0.0": given}, tmp_path)
    assert error.value.code == "export-not-exact"
