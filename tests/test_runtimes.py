"""Artifacts in child processes: right numbers in every format, plain errors for every death."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut import runtimes
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.network import Network
from edgecut.runtimes import RunningArtifact, open_runtime, ports_of
from tests import tiny_artifacts as tiny


def check(running: RunningArtifact) -> None:
    x = tiny.sample()
    for _ in range(2):
        given = running.run({"x": x})
        assert list(given) == ["y", "z"]
        for name, values in tiny.expected(x).items():
            assert given[name].shape == tiny.SHAPE and given[name].dtype == np.float32
            np.testing.assert_allclose(given[name], values, rtol=1e-5, atol=1e-6)
        x = -x


def test_onnx(tmp_path: Path) -> None:
    with open_runtime(tiny.write_onnx(tmp_path), "onnx", *tiny.NCHW_PORTS) as running:
        assert running.runtime == "onnxruntime" and running.version
        check(running)


def test_openvino(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    with open_runtime(tiny.write_openvino(tmp_path), "openvino", *tiny.NCHW_PORTS) as running:
        check(running)


def test_tflite_finds_tensors_by_name_and_permutes(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    with open_runtime(tiny.write_tflite(tmp_path), "tflite", *tiny.nhwc_ports()) as running:
        check(running)


def test_tflite_takes_the_names_of_a_signature(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    ports = tiny.nhwc_ports("image", "boxes", "scores")
    path = tiny.write_tflite(tmp_path, signature=True)
    with open_runtime(path, "tflite", *ports) as running:
        check(running)


def test_int8_input(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tiny.write_int8_tflite(tmp_path, scale=0.5, zero_point=-3)
    nhwc: dict[str, Any] = {"shape": tiny.NHWC_SHAPE, "permutation": tiny.TO_NHWC}
    x = tiny.port("x", "x_int8", dtype="int8", scale=0.5, zero_point=-3, **nhwc)
    with open_runtime(path, "tflite", [x], [tiny.port("y", "y_nhwc", **nhwc)]) as running:
        values = tiny.sample()
        y = running.run({"x": values})["y"]
    np.testing.assert_allclose(y, np.rint(values / 0.5) * 0.5)


def test_ports_of_a_network_are_the_identity(tmp_path: Path) -> None:
    import onnx_ir as ir

    model = ir.load(tiny.write_onnx(tmp_path))
    network = Network(name="tiny", model=model, digest="")
    assert ports_of(network) == tiny.NCHW_PORTS


def test_an_unloadable_file_is_a_plain_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(EdgecutError) as caught:
        open_runtime(path, "onnx", *tiny.NCHW_PORTS)
    assert caught.value.code == "runtime-failed"
    assert "broken.onnx" in caught.value.message and "exit code 1" in caught.value.message
    assert caught.value.hint and "Traceback" not in caught.value.message


def test_a_wrong_port_is_told_in_the_artifacts_words(tmp_path: Path) -> None:
    with pytest.raises(EdgecutError, match="no output 'q'"):
        open_runtime(tiny.write_onnx(tmp_path), "onnx", [tiny.port("x")], [tiny.port("q")])


def test_wrong_inputs_leave_it_usable(tmp_path: Path) -> None:
    with open_runtime(tiny.write_onnx(tmp_path), "onnx", *tiny.NCHW_PORTS) as running:
        with pytest.raises(EdgecutError, match="takes the inputs x"):
            running.run({"w": tiny.sample()})
        check(running)


@pytest.mark.parametrize(
    ("format", "path", "code"),
    [("onnx", "none.onnx", "artifact-not-found"), ("gguf", "x.gguf", "unknown-format")],
)
def test_what_is_not_there(tmp_path: Path, format: str, path: str, code: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        open_runtime(tmp_path / path, format, *tiny.NCHW_PORTS)
    assert caught.value.code == code


def test_a_missing_runtime_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage) as caught:
        open_runtime(tmp_path / "a.tflite", "tflite", *tiny.NCHW_PORTS)
    assert "edgecut[tflite]" in str(caught.value.hint)


HELLO = 'import sys, os, time; print(\'{"runtime": "r", "version": "v"}\', flush=True)\n'


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> RunningArtifact:
    """A running artifact whose child runs this program instead of ``device.py``."""
    monkeypatch.setattr(
        runtimes, "device_command", lambda *arguments: [sys.executable, "-c", program]
    )
    return open_runtime(tiny.write_onnx(tmp_path), "onnx", *tiny.NCHW_PORTS, timeout_s=3)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("sys.stdin.buffer.read(9); os.write(2, b'out of luck'); os._exit(3)", "out of luck"),
        ("sys.stdin.buffer.read(9); sys.exit(3)", "exit code 3"),
        ("sys.stdin.buffer.read(9); os.abort()", "signal 6"),
        ("print('garbage' * 99, flush=True); time.sleep(60)", "did not answer as agreed"),
    ],
)
def test_a_child_that_dies_or_prints_garbage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, told: str
) -> None:
    with stand_in(monkeypatch, tmp_path, HELLO + program) as running:
        process = running._process
        assert process is not None
        with pytest.raises(EdgecutError, match=told) as caught:
            running.run({"x": tiny.sample()})
        assert caught.value.code == "runtime-failed"
        assert process.returncode is not None, "a zombie was left"
        with pytest.raises(EdgecutError, match="closed"):
            running.run({"x": tiny.sample()})


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtimes, "OPEN_TIMEOUT_S", 0.0)
    with stand_in(monkeypatch, tmp_path, HELLO + "time.sleep(60)") as running:
        process = running._process
        running._timeout_s = 0.3
        with pytest.raises(EdgecutError, match=r"did not answer within 0\.3 s"):
            running.run({"x": tiny.sample()})
        assert process is not None and process.returncode is not None


@pytest.mark.parametrize("greeting", ["hello", "[]", "{}"])
def test_a_strange_greeting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, greeting: str) -> None:
    with pytest.raises(EdgecutError, match=r"runtime of tiny\.onnx"):
        stand_in(monkeypatch, tmp_path, f"print({greeting!r})")


def test_interruption_ends_the_child(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        open_runtime(tiny.write_onnx(tmp_path), "onnx", *tiny.NCHW_PORTS) as running,
    ):
        process = running._process
        raise KeyboardInterrupt
    assert process is not None and process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
