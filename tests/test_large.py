"""The benchmark of large models: what it makes, and that it sees memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import large
from edgecut.loaders.onnx_file import load_onnx
from tests.graphs import random_inputs, run


def test_the_same_model_with_its_weights_inside_and_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "WIDTH", 32)
    found = {}
    for inside in (False, True):
        folder = tmp_path / str(inside)
        folder.mkdir()
        weight_bytes = large.write_model(folder, 2, inside=inside)
        assert (folder / "large.onnx.data").exists() != inside
        network = load_onnx(folder / "large.onnx")
        assert network.weight_bytes == weight_bytes
        found[inside] = run(network, random_inputs(network))
    for name, array in found[True].items():
        np.testing.assert_array_equal(array, found[False][name])


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks Linux")
def test_memory_of_a_process_and_its_children_is_seen() -> None:
    child = "import time; held = b'1' * 60_000_000; time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    peak, anonymous = large.watched(subprocess.Popen([sys.executable, "-c", code]))
    assert peak >= anonymous > 60_000_000
