"""How much memory a cut of a large model takes: its weights should be there once, not more.

The model is a stack of residual matrix products with a head of 1,000 categories, random, with its
weights in a file beside it, or inside where they fit a protobuf. ``edgecut cut`` runs on it, checks
and all, and the memory of it and its children is looked at while it runs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.machine import taken_on

WIDTH, CATEGORIES, SIDE = 4096, 1000, 16
KEEP = "category 3,category 500"
EVERY_S = 0.02


def run(*, gib: Sequence[float]) -> dict[str, Any]:
    """Rows ``{weights, weight_bytes, peak_bytes, anonymous_bytes}``.

    ``peak_bytes`` are those of all processes, with pages that they share counted once;
    ``anonymous_bytes`` leave out what is mapped from files, which the system may drop any time.

    Args:
        gib: sizes of the weights.
    """
    rows = []
    for size in gib:
        for inside in (False, True):
            if inside and size >= 2:
                continue
            with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
                rows.append(_measured(Path(name), size, inside))
    return {"schema": "edgecut.large/1", **taken_on(), "rows": rows}


def _measured(folder: Path, gib: float, inside: bool) -> dict[str, Any]:
    weight_bytes = write_model(folder, round(gib * 2**30 / (4 * WIDTH * WIDTH)), inside=inside)
    labels = folder / "labels.txt"
    labels.write_text("".join(f"category {i}\n" for i in range(CATEGORIES)))
    command = [sys.executable, "-m", "edgecut", "cut", "--keep", KEEP, "--labels", str(labels)]
    command += [str(folder / "large.onnx"), "--out", str(folder / "cut.onnx")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, anonymous = watched(process)
    if process.returncode:
        raise RuntimeError(f"the cut ended with exit code {process.returncode}")
    return {
        "weights": "inside" if inside else "beside",
        "weight_bytes": weight_bytes,
        "peak_bytes": peak,
        "anonymous_bytes": anonymous,
    }


def write_model(folder: Path, layers: int, *, inside: bool) -> int:
    """Write ``large.onnx`` and, unless they are inside, its weights; how many bytes they take."""
    random = np.random.default_rng(0)
    pixels = 3 * SIDE * SIDE
    shapes = [(pixels, WIDTH), *[(WIDTH, WIDTH)] * layers, (WIDTH, CATEGORIES)]
    nodes = [helper.make_node("Flatten", ["image"], ["pixels"], name="flatten")]
    tensors, last, offset = [], "pixels", 0
    with (folder / "large.onnx.data").open("wb") as stream:
        for i, shape in enumerate(shapes):
            array = random.standard_normal(shape, np.float32) / np.float32(4 * WIDTH**0.5)
            tensor = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=shape)
            if inside:
                tensor.raw_data = array.tobytes()
            else:
                array.tofile(stream)
                tensor.data_location = TensorProto.EXTERNAL
                told = {"location": stream.name.rpartition("/")[2], "offset": offset}
                for key, value in {**told, "length": array.nbytes}.items():
                    tensor.external_data.add(key=key, value=str(value))
            offset += array.nbytes
            tensors.append(tensor)
            nodes.append(helper.make_node("MatMul", [last, f"w{i}"], [f"p{i}"], name=f"product{i}"))
            if 0 < i < len(shapes) - 1:
                nodes.append(helper.make_node("Relu", [f"p{i}"], [f"r{i}"], name=f"relu{i}"))
                nodes.append(helper.make_node("Add", [f"r{i}", last], [f"s{i}"], name=f"sum{i}"))
            last = nodes[-1].output[0]
    if inside:
        (folder / "large.onnx.data").unlink()
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, (1, CATEGORIES))],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "large.onnx")
    return offset


def watched(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The largest memory of a process and its children at one time: all, and what is no file's."""
    peak = anonymous = 0
    while process.poll() is None:
        found = [_memory(pid) for pid in _tree(process.pid)]
        peak = max(peak, sum(all_ for all_, _ in found))
        anonymous = max(anonymous, sum(own for _, own in found))
        time.sleep(EVERY_S)
    return peak, anonymous


def _tree(pid: int) -> list[int]:
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in told for one in _tree(int(child)))]


def _memory(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0, 0
    told = {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (x.partition(":") for x in lines)
    }
    return told["Pss"], told["Pss_Anon"]
