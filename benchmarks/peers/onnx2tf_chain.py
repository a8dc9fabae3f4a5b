"""Runs the usual chain beside edgecut: onnx2tf, then ai-edge-quantizer's static int8.

    python benchmarks/peers/onnx2tf_chain.py MODEL.onnx --out DIR \
        [--samples FOLDER_OR_COCO_JSON --recipe yolox --split train2017 --count 24]

It writes DIR/NAME.float32.tflite and, where samples are given, DIR/NAME.int8.tflite, both as a
user of these two packages gets them from their documented defaults. onnx2tf needs a Python of its
own, see README.md in this folder; everything else runs in edgecut's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PYTHON_VARIABLE = "EDGECUT_PEER_PYTHON"
ONNX2TF_VERSION = "2.6.9"

Array = NDArray[np.float32]


def main() -> None:
    """Parse the command line, run the chain, print what was written."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    float32 = arguments.out / f"{arguments.model.stem}.float32.tflite"
    int8 = arguments.out / f"{arguments.model.stem}.int8.tflite"
    convert(arguments.model, float32, python=arguments.python)
    print(float32)
    if arguments.samples is not None:
        quantise(float32, int8, _samples(arguments))
        print(int8)


def convert(model: Path, out: Path, *, python: str) -> None:
    """Convert an ONNX file to float32 TFLite by onnx2tf's default, writing flatbuffers directly."""
    if _onnx2tf_version(python) != ONNX2TF_VERSION:
        sys.exit(f"{python} has no onnx2tf {ONNX2TF_VERSION}; benchmarks/peers/README.md tells how")
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "onnx2tf", "-i", str(model.resolve()), "-o", folder]
        # It writes into its working folder, and runs the `onnxsim` that it finds first.
        path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            [*command, "--non_verbose"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        found = sorted(Path(folder).glob("*_float32.tflite"))
        if done.returncode or len(found) != 1:
            sys.exit(f"onnx2tf failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        shutil.copyfile(found[0], out)


def quantise(float32: Path, out: Path, samples: Iterable[Array]) -> None:
    """Quantise by ai-edge-quantizer's own recipe ``static_wi8_ai8`` and default calibration.

    Args:
        float32: a TFLite file with one input, NHWC where it has rank 4.
        out: where the int8 file goes.
        samples: arrays (1, C, H, W).
    """
    from ai_edge_quantizer import quantizer, recipe

    peer = quantizer.Quantizer(str(float32), recipe.static_wi8_ai8())
    signature, name = _entry(float32)
    data = [{name: np.ascontiguousarray(sample.transpose(0, 2, 3, 1))} for sample in samples]
    ranges = peer.calibrate({signature: data}, num_threads=1)
    out.write_bytes(bytes(peer.quantize(ranges).quantized_model))


def _entry(model: Path) -> tuple[str, str]:
    """Names of the file's one signature and of its one input."""
    from ai_edge_litert.interpreter import Interpreter

    ((signature, sides),) = Interpreter(model_path=str(model)).get_signature_list().items()
    (name,) = sides["inputs"]
    return signature, name


def _onnx2tf_version(python: str) -> str:
    ask = "from importlib.metadata import version; print(version('onnx2tf'))"
    try:
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _samples(arguments: argparse.Namespace) -> Iterator[Array]:
    """The same samples, preprocessed alike, that edgecut calibrates with."""
    if arguments.samples.suffix == ".npy":
        stacked = np.load(arguments.samples)
        yield from (stacked[i : i + 1] for i in range(min(len(stacked), arguments.count)))
        return
    from edgecut.loaders.onnx_file import load_onnx
    from edgecut.recipe import read_recipe
    from edgecut.samples import open_samples

    opened: Any = open_samples(
        arguments.samples,
        read_recipe(arguments.recipe),
        load_onnx(arguments.model).image,
        limit=arguments.count,
        split=arguments.split,
    )
    yield from (sample.tensor for sample in opened)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="onnx2tf, then ai-edge-quantizer's static int8")
    parser.add_argument("model", type=Path, help="an ONNX file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--samples", type=Path, help="folder, COCO json, or .npy of (N, C, H, W)")
    parser.add_argument("--recipe", default="plain", help="preprocessing, by edgecut's name")
    parser.add_argument("--split", help="the part of the samples to take")
    parser.add_argument("--count", type=int, default=24, help="how many samples")
    parser.add_argument(
        "--python",
        default=os.environ.get(PYTHON_VARIABLE),
        help=f"the interpreter that has onnx2tf; default: ${PYTHON_VARIABLE}",
    )
    arguments = parser.parse_args()
    if not arguments.python:
        parser.error(f"say with --python or {PYTHON_VARIABLE} which interpreter has onnx2tf")
    return arguments


if __name__ == "__main__":
    main()
