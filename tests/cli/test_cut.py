"""Writing what was cut."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecut.cli.cut import _output, _write
from edgecut.errors import EdgecutError
from tests.test_network import heavy


def result() -> Any:
    return SimpleNamespace(network=heavy())


def test_weights_beside_come_along_under_the_right_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecut.network.INSIDE_BYTES", 0)
    _write(tmp_path / "it.onnx", result())
    assert {path.name for path in tmp_path.iterdir()} == {"it.onnx", "it.onnx.data"}
    assert b"it.onnx.data" in (tmp_path / "it.onnx").read_bytes()


def test_weights_of_another_model_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "it.onnx.data").write_bytes(b"of full.onnx")
    with pytest.raises(EdgecutError) as error:
        _output(str(tmp_path / "it.onnx"), tmp_path / "full.onnx")
    assert error.value.code == "unwritable-output" and "it.onnx.data" in error.value.message
    (tmp_path / "it.onnx").touch()
    assert _output(str(tmp_path / "it.onnx"), tmp_path / "full.onnx") == tmp_path / "it.onnx"


def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(model: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgecut.network.INSIDE_BYTES", 0)
    monkeypatch.setattr("edgecut.network._write_beside", full)
    with pytest.raises(EdgecutError) as error:
        _write(tmp_path / "it.onnx", result())
    assert error.value.code == "unwritable-output" and not list(tmp_path.iterdir())
