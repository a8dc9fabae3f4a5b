"""Artifacts on their own runtimes, each in a child process that may die without harm."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from edgecut import device as device_script
from edgecut.artifact import Port
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.network import Network

Arrays = dict[str, NDArray[Any]]

OPEN_TIMEOUT_S = 180.0  # an NPU may compile for more than a minute
RUN_TIMEOUT_S = 120.0


# What pip calls the runtime of a format that is not among the core dependencies.
_PACKAGES = {
    "tflite": ("ai-edge-litert", ("ai_edge_litert", "tflite_runtime")),
    "openvino": ("openvino", ("openvino",)),
}


def require_runtime(format: str) -> None:
    """Raise ``missing-package`` unless the runtime of that artifact format is installed."""
    if format not in device_script.RUNTIMES:
        raise EdgecutError(
            f"no runtime runs the format '{format}'",
            code="unknown-format",
            hint=f"known formats: {', '.join(device_script.RUNTIMES)}",
        )
    package, modules = _PACKAGES.get(format, ("", ()))
    if modules and not any(importlib.util.find_spec(module) for module in modules):
        raise MissingPackage(
            package, extra=format, why=f"running an artifact of the format {format}"
        )


def find_accelerator(name: str) -> str:
    """OpenVINO's own name of one of its devices on this machine.

    Raises:
        EdgecutError: ``missing-package``, ``no-such-accelerator`` with those that are there.
    """
    require_runtime("openvino")
    there = _accelerators()
    wanted = name.upper()
    # Where there are several GPUs, GPU is the first one.
    if wanted not in there and f"{wanted}.0" not in there:
        known = ", ".join(f"{device} ({title})" for device, title in there.items())
        raise EdgecutError(
            f"OpenVINO finds no device '{name}' on this machine, only: {known or 'none'}",
            code="no-such-accelerator",
            hint="a GPU or NPU needs its driver; in a container, it must be passed through",
        )
    return wanted


def _accelerators() -> dict[str, str]:
    """OpenVINO's devices on this machine, by name, with their makers' names for them."""
    code = (
        "import json, openvino; core = openvino.Core(); print(json.dumps({name: "
        "core.get_property(name, 'FULL_DEVICE_NAME') for name in core.available_devices}))"
    )
    command = [sys.executable, "-P", "-c", code]
    try:
        told = subprocess.run(
            command, env=device_environment(), capture_output=True, timeout=OPEN_TIMEOUT_S
        )
        return {str(k): str(v) for k, v in json.loads(told.stdout.splitlines()[-1]).items()}
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise EdgecutError(
            "OpenVINO does not say which devices this machine has", code="runtime-failed"
        ) from error


def ports_of(network: Network) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The input and output ports of a network's own ``.onnx`` file: nothing is moved or scaled."""
    return tuple(map(Port.same, network.inputs)), tuple(map(Port.same, network.outputs))


def open_runtime(
    path: Path,
    format: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    *,
    threads: int = 1,
    device: str = "CPU",
    timeout_s: float = RUN_TIMEOUT_S,
) -> RunningArtifact:
    """An artifact, loaded on its own runtime in a child process; use it in a ``with`` statement.

    Args:
        path: the ``.tflite``, ``.xml`` or ``.onnx`` file.
        format: ``tflite``, ``openvino`` or ``onnx``.
        inputs: ports of all inputs.
        outputs: ports of the outputs that are wanted.
        threads: CPU threads of the runtime.
        device: OpenVINO's device name.
        timeout_s: seconds that one run may take.

    Raises:
        EdgecutError: ``artifact-not-found``, ``unknown-format``, ``missing-package``, or
            ``runtime-failed`` with the last lines that the runtime wrote.
    """
    require_runtime(format)
    if not path.is_file():
        raise EdgecutError(f"{path} is not a file", code="artifact-not-found")
    entry = entry_of(path, format, inputs, outputs, threads=threads, device=device)
    return RunningArtifact(path, entry, inputs=inputs, outputs=outputs, timeout_s=timeout_s)


def entry_of(
    path: Path,
    format: str,
    inputs: Sequence[Port] | None,
    outputs: Sequence[Port] | None,
    *,
    threads: int,
    device: str,
) -> dict[str, Any]:
    """The artifact as ``device.py`` wants it described; without ports, as its file says."""
    return {
        "path": str(path.resolve()),
        "format": format,
        "threads": threads,
        "device": device,
        "inputs": None if inputs is None else [port.to_json() for port in inputs],
        "outputs": None if outputs is None else [port.to_json() for port in outputs],
    }


def device_command(*arguments: str) -> list[str]:
    """The command that runs ``device.py`` in this interpreter."""
    # -P: the script's folder is edgecut's own, whose modules must not pass for top-level ones.
    return [sys.executable, "-P", str(device_script.__file__), *arguments]


def device_environment() -> dict[str, str]:
    """The environment for ``device.py``: as it is, with telemetry off."""
    return {**os.environ, "CI": "true", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def stderr_tail(stderr: IO[bytes], *, lines: int = 8) -> str:
    """The last lines that a child wrote to its stderr."""
    end = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, end - 4000))
    text = stderr.read().decode("utf-8", errors="replace").strip()
    return "\n".join(text.splitlines()[-lines:])


class RunningArtifact:
    """A loaded artifact. It takes and gives real values in the network's layout, by name."""

    def __init__(
        self,
        path: Path,
        entry: dict[str, Any],
        *,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        timeout_s: float,
    ) -> None:
        self.path = path
        self._inputs = tuple(port.network_name for port in inputs)
        self._outputs = tuple(port.network_name for port in outputs)
        self._timeout_s = timeout_s
        self._folder = tempfile.TemporaryDirectory(prefix="edgecut-")
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = self._start(entry)
            hello = self._exchange(b"", self._hello, max(timeout_s, OPEN_TIMEOUT_S))
        except BaseException:
            self.close()
            raise
        self.runtime, self.version = str(hello["runtime"]), str(hello["version"])

    def _start(self, entry: dict[str, Any]) -> subprocess.Popen[bytes]:
        spec = Path(self._folder.name) / "spec.json"
        spec.write_text(json.dumps(entry), encoding="utf-8")
        return subprocess.Popen(
            device_command("serve", str(spec)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=device_environment(),
        )

    def __enter__(self) -> Self:
        """The artifact itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child process."""
        self.close()

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """The same as ``run``."""
        return self.run(inputs)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Outputs by name for inputs by name, float32, in the network's shapes and layout.

        Outputs that the artifact gives as unscaled integers (indices) stay integers.

        Raises:
            EdgecutError: ``wrong-inputs``, or ``runtime-failed`` where the child died, did not
                answer in time, or answered something else than arrays.
        """
        if set(inputs) != set(self._inputs):
            raise EdgecutError(
                f"{self.path.name} takes the inputs {', '.join(self._inputs)}; "
                f"given were {', '.join(inputs) or 'none'}",
                code="wrong-inputs",
            )
        request = io.BytesIO()
        for name in self._inputs:
            np.lib.format.write_array(request, np.asarray(inputs[name]), allow_pickle=False)
        arrays = self._exchange(request.getvalue(), self._answer, self._timeout_s)
        return dict(zip(self._outputs, arrays, strict=True))

    def close(self) -> None:
        """End the child process and reap it; may be called more than once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # it holds nothing that must be saved
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close_quietly(pipe)
        self._stderr.close()
        self._folder.cleanup()

    def _hello(self, stdout: IO[bytes]) -> dict[str, Any]:
        hello = json.loads(stdout.readline())
        if not isinstance(hello, dict) or not {"runtime", "version"} <= set(hello):
            raise ValueError(f"unexpected greeting {hello!r}")
        return hello

    def _answer(self, stdout: Any) -> list[NDArray[Any]]:
        return device_script.read_arrays(stdout, len(self._outputs))

    def _exchange(self, request: bytes, read: Any, timeout_s: float) -> Any:
        """Write the request and read the answer, with a watchdog that ends a hung child."""
        process = self._process
        if process is None:
            raise EdgecutError(f"{self.path.name} is closed", code="runtime-failed")
        assert process.stdin is not None and process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        watchdog = threading.Timer(timeout_s, end)
        watchdog.daemon = True
        watchdog.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            return read(process.stdout)
        except Exception as error:  # whatever the child wrote, it is not what was agreed
            raise self._failure(process, error, timeout_s if late.is_set() else None) from error
        finally:
            watchdog.cancel()

    def _failure(
        self, process: subprocess.Popen[bytes], error: Exception, late_s: float | None
    ) -> EdgecutError:
        """What went wrong, in plain text; the child is dead afterwards."""
        try:
            code = process.wait(timeout=1)
            what = f"ended with {_exit_text(code)}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            what = f"did not answer as agreed ({error})"
        if late_s is not None:
            what = f"did not answer within {late_s:g} s"
        tail = stderr_tail(self._stderr)
        self.close()
        return EdgecutError(
            f"the runtime of {self.path.name} {what}" + (f"; it said:\n{tail}" if tail else ""),
            code="runtime-failed",
            where=str(self.path),
            hint="check that the file is whole and made for this runtime's version; "
            "a killed process may have run out of memory",
        )


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _close_quietly(pipe: IO[bytes] | None) -> None:
    # What was buffered for a dead child cannot be flushed any more.
    try:
        if pipe is not None:
            pipe.close()
    except OSError:
        pass
