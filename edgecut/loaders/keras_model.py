"""Keras 3 models: ``.keras`` files, read by Keras on PyTorch, without TensorFlow."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.loaders import keras_file, keras_program
from edgecut.loaders.exactness import first_difference
from edgecut.loaders.onnx_file import from_proto
from edgecut.loaders.torch_export import EXPORT_TOLERANCE
from edgecut.loaders.transposes import without_transposes
from edgecut.network import Network, digest_of
from edgecut.onnx_run import run

TIMEOUT_S = 1800.0
# Of memory: Python, Keras and PyTorch themselves, activations, and copies of the weights.
_BASE_BYTES, _COPIES = 4 * 2**30, 24
_PACKAGES = ("keras", "h5py", "torch", "onnxscript")


def load_keras(
    path: Path, *, input_shape: Sequence[int] | None = None, trust: bool = False
) -> Network:
    """The network of a Keras model; its image input is (1, C, H, W), whatever Keras takes.

    Args:
        path: the ``.keras`` file.
        input_shape: (1, C, H, W) of the image input, where the file leaves a size open. An open
            batch becomes 1.
        trust: read a file that holds code, as a ``Lambda`` layer does, and run that.

    Raises:
        EdgecutError: what ``keras_file.check`` and ``onnx_file.from_proto`` raise,
            ``missing-package``, ``export-failed``, ``export-not-exact``, ``bad-input-shape``,
            ``dynamic-shape``.
    """
    keras_file.check(path, trust=trust)
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingPackage(package, extra="keras", why="reading Keras models")
    with tempfile.TemporaryDirectory(prefix="edgecut-keras-") as name:
        folder = Path(name)
        _export(path, folder, input_shape, trust=trust)
        proto = _proto(folder / keras_program.MODEL)
        network = without_transposes(
            from_proto(proto, name=path.stem, where=str(path), digest=digest_of(path.read_bytes()))
        )
        with np.load(folder / keras_program.NUMBERS, allow_pickle=False) as numbers:
            _check_export(network, dict(numbers), path)
    return network


def _export(path: Path, folder: Path, shape: Sequence[int] | None, *, trust: bool) -> None:
    job = {
        "model": str(path),
        "folder": str(folder),
        "input_shape": None if shape is None else list(shape),
        "trust": trust,
        "memory_bytes": _BASE_BYTES + _COPIES * path.stat().st_size,
    }
    code = "from edgecut.loaders.keras_program import serve; serve()"
    log = folder / "log"
    with log.open("wb") as written:
        try:
            subprocess.run(
                [sys.executable, "-P", "-c", code, json.dumps(job)],
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise EdgecutError(
                f"Keras does not come to an end with {path}, after {TIMEOUT_S:.0f} s",
                code="export-failed",
            ) from None
    answer = folder / keras_program.ANSWER
    if not answer.exists():
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise EdgecutError(
            f"Keras died of {path}: {(last or ['without a word'])[0][:300]}", code="export-failed"
        )
    fault = json.loads(answer.read_text(encoding="utf-8"))
    if fault:
        raise EdgecutError(fault["message"], code=fault["code"], hint=fault["hint"])


def _environment(home: Path) -> dict[str, str]:
    """PyTorch on the CPU for Keras, and no settings or files of the user's own."""
    return os.environ | {
        "KERAS_BACKEND": "torch",
        "KERAS_HOME": str(home),
        "KERAS_TORCH_DEVICE": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place),
    }


def _proto(path: Path) -> Any:
    import onnx

    return onnx.ModelProto.FromString(path.read_bytes())


def _check_export(network: Network, numbers: dict[str, np.ndarray], path: Path) -> None:
    """Refuse a network that gives other numbers than Keras did.

    Raises:
        EdgecutError: ``export-not-exact``.
    """
    model = network.to_bytes()
    for draw in range(len({key.split(".")[1] for key in numbers})):
        given, expected = (
            [numbers[f"{side}.{draw}.{i}"] for i in range(count)]
            for side, count in (("in", len(network.inputs)), ("out", len(network.outputs)))
        )
        feeds = {spec.name: array for spec, array in zip(network.inputs, given, strict=True)}
        wrong = first_difference(run(model, feeds), expected, share=EXPORT_TOLERANCE)
        if wrong is not None:
            raise EdgecutError(
                f"{path} is not what was exported: {wrong} in ONNX Runtime than in Keras",
                code="export-not-exact",
                hint="an operation that is exported wrongly: export it to ONNX by other means",
            )
