"""The device runner: what crosses its boundary, and what it refuses."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut import device
from tests import tiny_artifacts as tiny


def entry(path: Path, format: str, ports: Any) -> dict[str, Any]:
    inputs, outputs = ports
    return {
        "path": str(path),
        "format": format,
        "threads": 1,
        "device": "CPU",
        "inputs": [p.to_json() for p in inputs],
        "outputs": [p.to_json() for p in outputs],
    }


@pytest.mark.parametrize(
    ("value", "quantised"),
    [(0.25, 0), (0.75, 2), (1.25, 2), (-0.25, 0), (0.26, 1), (1e6, 127), (-1e6, -128)],
)
def test_quantisation_rounds_half_to_even_and_clips(value: float, quantised: int) -> None:
    port = tiny.port("x", shape=(1,), dtype="int8", permutation=(0,), scale=0.5, zero_point=0)
    result = device.to_artifact(np.array([value], np.float32), port.to_json())
    assert result.dtype == np.int8
    assert result.tolist() == [quantised]


def test_quantisation_adds_the_zero_point_and_comes_back() -> None:
    port = tiny.port("x", shape=(3,), dtype="int8", permutation=(0,), scale=0.5, zero_point=-3)
    values = np.array([0.0, 1.0, -2.5], np.float32)
    result = device.to_artifact(values, port.to_json())
    assert result.tolist() == [-3, -1, -8]
    assert device.to_network(result, port.to_json()).tolist() == values.tolist()


def test_nan_cannot_be_quantised() -> None:
    port = tiny.port("x", shape=(1,), dtype="int8", permutation=(0,), scale=0.5, zero_point=0)
    with pytest.raises(ValueError, match="NaN"):
        device.to_artifact(np.array([np.nan], np.float32), port.to_json())


def test_permutation_and_its_inverse() -> None:
    # A cycle of three axes: the permutation is not its own inverse.
    port = tiny.port("x", shape=tiny.NHWC_SHAPE, permutation=tiny.TO_NHWC).to_json()
    x = tiny.sample()
    there = device.to_artifact(x, port)
    assert there.shape == tiny.NHWC_SHAPE
    assert there[0, 2, 5, 1] == x[0, 1, 2, 5]
    np.testing.assert_array_equal(device.to_network(there, port), x)


def test_an_input_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="takes the shape"):
        device.to_artifact(np.zeros((1, 3, 6, 4), np.float32), tiny.port("x").to_json())


def test_integer_outputs_without_a_scale_stay_integers() -> None:
    port = tiny.port("x", shape=(2,), dtype="int64", permutation=(0,)).to_json()
    assert device.to_network(np.array([1, 2**40]), port).tolist() == [1, 2**40]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"artifact_name": "q"}, "no input 'q', only: x_nhwc"),
        ({"shape": (1, 3, 4, 6), "permutation": tiny.IDENTITY}, "in the artifact"),
        ({"dtype": "int8", "scale": 0.5, "zero_point": 0}, "in the artifact"),
        ({"scale": 0.5, "zero_point": 1}, "in the artifact"),
    ],
)
def test_a_port_that_the_artifact_contradicts_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    pytest.importorskip("ai_edge_litert")
    _, outputs = tiny.nhwc_ports()
    told: dict[str, Any] = {
        "artifact_name": "x_nhwc",
        "shape": tiny.NHWC_SHAPE,
        "permutation": tiny.TO_NHWC,
    }
    wrong = tiny.port("x", **{**told, **change})
    with pytest.raises(ValueError, match=message):
        device.Loaded(entry(tiny.write_tflite(tmp_path), "tflite", ((wrong,), outputs)))


def test_a_wrong_scale_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tiny.write_int8_tflite(tmp_path, scale=0.5, zero_point=-3)
    y = tiny.port("y", "y_nhwc", shape=tiny.NHWC_SHAPE, permutation=tiny.TO_NHWC)
    for scale, zero_point, right in ((0.5, -3, True), (0.25, -3, False), (0.5, 3, False)):
        x = tiny.port(
            "x",
            "x_int8",
            shape=tiny.NHWC_SHAPE,
            dtype="int8",
            permutation=tiny.TO_NHWC,
            scale=scale,
            zero_point=zero_point,
        )
        if right:
            device.Loaded(entry(path, "tflite", ((x,), (y,))))
        else:
            with pytest.raises(ValueError, match="in the artifact"):
                device.Loaded(entry(path, "tflite", ((x,), (y,))))


def test_arrays_survive_a_real_pipe(tmp_path: Path) -> None:
    arrays: list[Any] = [tiny.sample(), np.arange(3)]
    buffer = io.BytesIO()
    device.write_arrays(buffer, arrays)
    program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    echo = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert echo.stdin is not None and echo.stdout is not None
    with echo, echo.stdout:
        echo.stdin.write(buffer.getvalue())
        echo.stdin.close()
        back = device.read_arrays(echo.stdout, 2)
    for sent, received in zip(arrays, back, strict=True):
        np.testing.assert_array_equal(sent, received)
        assert sent.dtype == received.dtype


def test_objects_are_not_unpickled() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([{}], dtype=object), allow_pickle=True)
    buffer.seek(0)
    with pytest.raises(ValueError, match="allow_pickle"):
        device.read_arrays(buffer, 1)


def test_what_a_runtime_prints_does_not_reach_the_protocol() -> None:
    program = (
        f"import sys, os; sys.path.insert(0, {str(Path(device.__file__).parents[1])!r})\n"
        "from edgecut import device\n"
        "channel = device.take_stdout()\n"
        "os.write(1, b'native noise'); print('python noise')\n"
        "device.send(channel, {'a': 1})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(done.stdout) == {"a": 1}
    assert b"native noise" in done.stderr and b"python noise" in done.stderr


def test_wrong_arguments_and_faults_have_exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert device.main([]) == 2
    assert device.main(["serve"]) == 2
    done = subprocess.run(
        [sys.executable, device.__file__, "serve", str(tmp_path / "none.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr and "Traceback" not in done.stderr


def test_a_path_is_taken_from_the_folder_of_the_spec(tmp_path: Path) -> None:
    ports = tiny.NCHW_PORTS
    tiny.write_onnx(tmp_path)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(entry(Path("tiny.onnx"), "onnx", ports)))
    request = io.BytesIO()
    device.write_arrays(request, [tiny.sample()])
    done = subprocess.run(
        [sys.executable, device.__file__, "serve", str(spec)],
        input=request.getvalue() * 2,
        capture_output=True,
        cwd="/",
        check=True,
    )
    answer = io.BytesIO(done.stdout)
    assert json.loads(answer.readline())["runtime"] == "onnxruntime"
    for _ in range(2):
        y, z = device.read_arrays(answer, 2)
        np.testing.assert_allclose(y, tiny.expected(tiny.sample())["y"])
        np.testing.assert_allclose(z, tiny.expected(tiny.sample())["z"], rtol=1e-5)
    assert not answer.read()


def test_it_imports_nothing_but_the_standard_library_numpy_and_runtimes() -> None:
    tree = ast.parse(Path(device.__file__).read_text(encoding="utf-8"))
    found = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)]
        )
    }
    runtimes = {"ai_edge_litert", "tflite_runtime", "openvino", "onnxruntime"}
    assert found - set(sys.stdlib_module_names) == {"numpy"} | runtimes


def test_it_is_python_3_9() -> None:
    source = Path(device.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 9))
    assert "from __future__ import annotations" in source


def test_the_delegate_is_told_where_the_interpreter_tells(tmp_path: Path) -> None:
    loaded = device.Loaded(entry(tiny.write_tflite(tmp_path), "tflite", tiny.nhwc_ports()))
    assert device.delegate_of(loaded.runtime) == "XNNPACK"
    loaded.runtime._interpreter = type("Old", (), {"_get_ops_details": lambda self: []})()
    assert device.delegate_of(loaded.runtime) == "none"
    del loaded.runtime._interpreter
    assert device.delegate_of(loaded.runtime) is None
