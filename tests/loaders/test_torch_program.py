"""PyTorch models through ``torch.onnx``; small, for each export takes seconds."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.loaders.torch_program import load_torch
from edgecut.passes.tidy import tidy
from tests.graphs import random_inputs, run

SHAPE = (1, 3, 8, 8)
MODULE = """
import torch

def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.SiLU())

def broken():
    raise RuntimeError("no such luck")

def number():
    return 7

class Fussy(torch.nn.Module):
    def forward(self, x):
        return x.reshape(5)
"""


@pytest.fixture(scope="module")
def torch():  # type: ignore[no-untyped-def]
    pytest.importorskip("onnxscript", reason="needs the package onnxscript, which is not here")
    return pytest.importorskip("torch", reason="needs the package torch, which is not here")


@pytest.fixture
def source(torch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:  # type: ignore[no-untyped-def]
    """The name of a module beside the user's shell, with factories."""
    name = f"nets_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


def refused(code: str, *arguments: object, **options: object) -> str:
    with pytest.raises(EdgecutError) as error:
        load_torch(*arguments, **options)  # type: ignore[arg-type]
    assert error.value.code == code
    return f"{error.value.message}\n{error.value.hint}"


def test_normalisations_stay_for_what_they_remember(source: str) -> None:
    network = load_torch(f"{source}:net", input_shape=SHAPE)
    kinds = [node.op_type for node in network.model.graph]
    assert kinds[:2] == ["Conv", "BatchNormalization"]
    assert "edgecut.later" not in network.model.opset_imports
    assert "BatchNormalization" not in [node.op_type for node in tidy(network).model.graph]


def test_a_factory_and_its_exported_program(torch, source: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Both ways give the module's own numbers; the weights given are those used."""
    import importlib
    import sys

    network = load_torch(f"{source}:net", input_shape=SHAPE)
    assert network.name == "net" and network.image.shape == SHAPE
    sys.path.insert(0, str(tmp_path))
    module = importlib.import_module(source).net().eval()
    sys.path.remove(str(tmp_path))
    feeds = {"x": random_inputs(network)[network.image.name]}

    def numbers() -> np.ndarray:
        with torch.no_grad():
            return np.asarray(module(torch.from_numpy(feeds["x"])).numpy())

    def outcome(network) -> np.ndarray:  # type: ignore[no-untyped-def]
        return next(iter(run(network, {network.image.name: feeds["x"]}).values()))

    np.testing.assert_allclose(outcome(network), numbers(), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        module[0].weight *= 3
    torch.save(module.state_dict(), tmp_path / "net.pth")
    other = load_torch(f"{source}:net", weights=tmp_path / "net.pth", input_shape=SHAPE)
    np.testing.assert_allclose(outcome(other), numbers(), rtol=1e-4, atol=1e-5)
    assert other.digest != network.digest
    torch.export.save(torch.export.export(module, (torch.zeros(SHAPE),)), tmp_path / "net.pt2")
    program = load_torch(str(tmp_path / "net.pt2"))
    np.testing.assert_allclose(outcome(program), numbers(), rtol=1e-4, atol=1e-5)


def test_bad_factories(source: str) -> None:
    assert "--input-shape" in refused("missing-input-shape", f"{source}:net")
    Path("wrong.py").write_text("def net(:")
    names = ("absent", "", "number")
    others = ("no_such_module_here:net", ":net", "wrong:net", "no/such/file:net")
    for name in (*(f"{source}:{name}" for name in names), *others):
        refused("bad-factory", name, input_shape=SHAPE)
    assert "no such luck" in refused("export-failed", f"{source}:broken", input_shape=SHAPE)
    assert f"{source}:Fussy" in refused("export-failed", f"{source}:Fussy", input_shape=SHAPE)
    refused("export-failed", f"{source}:net", input_shape=(1, 5, 8, 8))


def test_bad_files(torch, source: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    refused("missing-model", str(tmp_path / "absent.pt2"))
    (tmp_path / "bad.pt2").write_bytes(b"not a program")
    refused("export-failed", str(tmp_path / "bad.pt2"), trust=True)
    weights = tmp_path / "bad.pth"
    refused("bad-weights", f"{source}:net", weights=weights, input_shape=SHAPE)
    weights.write_bytes(b"not a state dict")
    refused("bad-weights", f"{source}:net", weights=weights, input_shape=SHAPE)
    torch.save({"0.weight": torch.zeros(1)}, weights)
    refused("bad-weights", f"{source}:net", weights=weights, input_shape=SHAPE)


def test_weights_that_would_run_code_are_refused(torch, source: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"0.weight": Trap()}, tmp_path / "trap.pth")
    refused("bad-weights", f"{source}:net", weights=tmp_path / "trap.pth", input_shape=SHAPE)
    assert not (tmp_path / "sprung").exists()


def test_what_torch_logs_of_a_bad_program_is_not_shown(  # type: ignore[no-untyped-def]
    torch, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.pt2").write_bytes(b"not a program")
    refused("export-failed", str(tmp_path / "bad.pt2"), trust=True)
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name in ("torch", "onnxscript"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return genuine(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackage) as error:
        load_torch("nets:net", input_shape=SHAPE)
    assert "edgecut[torch]" in str(error.value.hint)


def test_an_export_that_gives_other_numbers_is_refused(
    torch,
    source: str,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    from onnx import numpy_helper

    from edgecut.loaders import torch_program

    exported = torch_program.to_onnx

    def spoilt(*arguments: object) -> object:
        proto = exported(*arguments)  # type: ignore[arg-type]
        (weights,) = (w for w in proto.graph.initializer if list(w.dims) == [4, 3, 3, 3])
        array = 1.01 * numpy_helper.to_array(weights)
        weights.CopyFrom(numpy_helper.from_array(array.astype(np.float32), weights.name))
        return proto

    monkeypatch.setattr(torch_program, "to_onnx", spoilt)
    assert "PyTorch" in refused("export-not-exact", f"{source}:net", input_shape=SHAPE)


def test_a_program_that_takes_its_image_by_name(torch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    class Named(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)

        def forward(self, scale, *, image):  # type: ignore[no-untyped-def]
            return self.conv(image) * scale

    program = torch.export.export(Named().eval(), (2.0,), {"image": torch.zeros(SHAPE)})
    torch.export.save(program, tmp_path / "named.pt2")
    network = load_torch(str(tmp_path / "named.pt2"), trust=True)
    assert network.outputs[0].shape == (1, 4, 6, 6)


def test_a_program_of_half_precision_is_compared_too(torch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    class Half(torch.nn.Module):  # type: ignore[misc]
        def forward(self, image):  # type: ignore[no-untyped-def]
            return (image * 2).to(torch.float16)

    program = torch.export.export(Half(), (torch.zeros(SHAPE),))
    torch.export.save(program, tmp_path / "half.pt2")
    assert load_torch(str(tmp_path / "half.pt2"), trust=True).outputs[0].dtype == "float16"
