"""What of a ``.pt2`` file is read without trust: none of what could run code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecut.errors import EdgecutError
from edgecut.loaders.pt2_file import harmless
from edgecut.loaders.torch_program import load_torch

GRAPH, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"
SAMPLES = "data/sample_inputs/model.pt"
Entries = dict[str, bytes]


@pytest.fixture(scope="module")
def torch() -> Any:
    pytest.importorskip("onnxscript", reason="needs the package onnxscript, which is not here")
    return pytest.importorskip("torch", reason="needs the package torch, which is not here")


@pytest.fixture(scope="module")
def entries(torch: Any) -> Entries:
    """Of a program with a batch left open, names with dashes and two outputs, by entry."""

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            convs = {"conv-1": torch.nn.Conv2d(3, 4, 3), "norm": torch.nn.BatchNorm2d(4)}
            self.layers = torch.nn.ModuleDict(convs)

        def forward(self, image: Any) -> dict[str, Any]:
            x = self.layers["norm"](self.layers["conv-1"](image))
            return {"sum": torch.einsum("bchw,bchw->bc", x, x), "halves": x.chunk(2, 1)}

    shapes = {"image": {0: torch.export.Dim("batch")}}
    given = (torch.zeros(2, 3, 8, 8),)
    program = torch.export.export(Net().eval(), given, dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(program, file)
    with zipfile.ZipFile(file) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def written(path: Path, entries: Entries) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)
    return path


def test_a_harmless_program_is_read(torch: Any, entries: Entries, tmp_path: Path) -> None:
    extra = {**entries, "extra/note": b"hello"}
    network = load_torch(str(written(tmp_path / "net.pt2", extra)))
    assert [spec.shape for spec in network.inputs] == [(1, 3, 8, 8)]
    assert [spec.shape for spec in network.outputs] == [(1, 4), (1, 2, 6, 6), (1, 2, 6, 6)]


def expression(program: Any) -> None:
    sizes = next(iter(program["graph_module"]["graph"]["tensor_values"].values()))["sizes"]
    sizes[0] = {"as_expr": {"expr_str": "__import__('os').system('true')", "hint": None}}


def operator(target: str) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][0]["target"] = target

    return change


def argument(value: dict[str, Any]) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = value

    return change


def name(program: Any) -> None:
    program["graph_module"]["graph"]["inputs"][0]["as_tensor"]["name"] = "x):\n    import os"


def container(program: Any) -> None:
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    call["in_spec"] = call["in_spec"].replace("builtins.tuple", "somebody.Config")


CHANGES = {
    "an expression": expression,
    "an operator of the system": operator("torch.os.system"),
    "an operator that opens files": operator("torch.ops.aten.from_file.default"),
    "an operator within": operator("torch.ops.aten.__init__.__globals__"),
    "a part of a graph": operator("torch.ops.higher_order.cond"),
    "an operator as an argument": argument({"as_operator": "torch.os.system"}),
    "a graph as an argument": argument({"as_graph": {}}),
    "a name with code": name,
    "another container": container,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_graph_that_could_run_code_is_refused(
    torch: Any, entries: Entries, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    program = json.loads(entries[GRAPH])
    change(program)
    path = written(tmp_path / "net.pt2", {**entries, GRAPH: json.dumps(program).encode()})
    assert "--trust" in refused(torch, path, "untrusted-pickle")


def test_guards_are_left_out(torch: Any, entries: Entries, tmp_path: Path) -> None:
    program = json.loads(entries[GRAPH])
    program["guards_code"] = ["__import__('os')"]
    path = written(tmp_path / "net.pt2", {**entries, GRAPH: json.dumps(program).encode()})
    with zipfile.ZipFile(harmless(torch, path)) as archive:
        assert b"__import__" not in archive.read(f"model/{GRAPH}")


def test_pickles_are_refused_by_name(torch: Any, entries: Entries, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    weights = json.loads(entries[WEIGHTS])
    first = next(iter(weights["config"]))
    weights["config"][first]["use_pickle"] = True
    doubtful = {
        first: {**entries, WEIGHTS: json.dumps(weights).encode()},
        SAMPLES: {**entries, SAMPLES: pickle.dumps(Trap())},
        "data/constants/custom_obj_0": {**entries, "data/constants/custom_obj_0": b""},
        "data/aotinductor/model/a.so": {**entries, "data/aotinductor/model/a.so": b""},
        "../evil": {**entries, "../evil": b""},
    }
    for what, changed in doubtful.items():
        path = written(tmp_path / "net.pt2", changed)
        assert f"'{what}'" in refused(torch, path, "untrusted-pickle")
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_none(torch: Any, entries: Entries, tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"no program")
    refused(torch, path, "not-pt2")
    whole = written(path, entries).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(torch, path, "not-pt2")
    for text in (b"", b"[]", b"{}", b"[" * 100_000):
        refused(torch, written(path, {**entries, GRAPH: text}), "not-pt2")
        refused(torch, written(path, {**entries, WEIGHTS: text}), "not-pt2")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/weights/weight_0", bytes(1000))
    refused(torch, path, "not-pt2")


def refused(torch: Any, path: Path, code: str) -> str:
    with pytest.raises(EdgecutError) as error:
        harmless(torch, path)
    assert error.value.code == code and str(path) in error.value.message
    return f"{error.value.message}\n{error.value.hint}"
