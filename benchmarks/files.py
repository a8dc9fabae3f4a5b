"""The artifacts that the latency and accuracy benchmarks compare: edgecut's and the peer's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.models import ROOT, Subject
from benchmarks.peers.onnx2tf_chain import PYTHON_VARIABLE
from edgecut.artifact import Emitted, Port
from edgecut.measure.contender import Contender
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.target import read_target

PEER_SAMPLES = 24
TARGET = "raspberry-pi-4"


def ours(network: Network, subject: Subject, scheme: str, target: str = TARGET) -> Emitted:
    """Our artifact of a whole or cut network."""
    samples = Tensors(subject.calibration.open(network)) if scheme == "int8" else None
    return produce(tidy(network), read_target(target), scheme, samples)


def peer_files(subject: Subject, out: Path) -> dict[str, Path]:
    """The peer chain's float32 and int8 files of the whole network; empty without the peer."""
    if not os.environ.get(PYTHON_VARIABLE):
        return {}
    driver = ROOT / "peers" / "onnx2tf_chain.py"
    where = subject.calibration
    command = [sys.executable, str(driver), subject.source.model, "--out", str(out)]
    command += ["--samples", where.path, "--recipe", where.recipe, "--split", str(where.split)]
    subprocess.run([*command, "--count", str(PEER_SAMPLES)], check=True, stdout=subprocess.DEVNULL)
    stem = Path(subject.source.model).stem
    return {scheme: out / f"{stem}.{scheme}.tflite" for scheme in ("float32", "int8")}


def contender(name: str, path: Path, emitted: Emitted | None = None) -> Contender:
    """A TFLite file that takes part in a latency measurement; a peer's ports are read from it."""
    if emitted is not None:
        path.write_bytes(emitted.files[".tflite"])
        inputs, outputs = emitted.inputs, emitted.outputs
    else:
        inputs, outputs = peer_ports(path)
    return Contender(name=name, path=path, format="tflite", inputs=inputs, outputs=outputs)


def peer_ports(path: Path) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Ports of a TFLite file that edgecut did not write; an image input is NHWC."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_path=str(path))
    inputs = tuple(_port(detail, image=True) for detail in runtime.get_input_details())
    outputs = tuple(_port(detail, image=False) for detail in runtime.get_output_details())
    return inputs, outputs


def _port(detail: dict[str, object], *, image: bool) -> Port:
    shape = tuple(int(size) for size in detail["shape"])  # type: ignore[attr-defined]
    dtype = detail["dtype"].__name__  # type: ignore[attr-defined]
    scale, zero_point = detail["quantization"]  # type: ignore[misc]
    rank = len(shape)
    return Port(
        network_name=str(detail["name"]),
        artifact_name=str(detail["name"]),
        shape=shape,
        dtype=dtype,
        permutation=(0, 2, 3, 1) if image and rank == 4 else tuple(range(rank)),
        scale=float(scale) if dtype == "int8" else None,
        zero_point=int(zero_point) if dtype == "int8" else None,
    )


def operators(path: Path) -> dict[str, int]:
    """How many operators of each type a TFLite file has."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    found = Counter(names[codes[op.opcodeIndex]] for op in model.subgraphs[0].operators)
    return dict(found.most_common())
