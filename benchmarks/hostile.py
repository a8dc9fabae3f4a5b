"""Files that were damaged or made up to do harm: a clean error or a right answer, and nothing else.

Real files are changed at random, in their bytes and in their graphs, and each one is loaded and cut
in a process with little memory and little time. What may come of it is an ``EdgecutError``, or a
cut network that gives the full one's kept slots: no traceback, crash, hang, or wrong number.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgecut import cutout, discovery
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.source import Source, load
from edgecut.verification import selected

MEMORY_BYTES = 4 * 2**30
EACH_S = 60
BATCH = 50
EXACT = 1e-4
SUBJECTS = ("yolo_v5", "ssd", "nanodet", "crnn", "unet", "everyday")
RIGHT = ("right", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a file: ``right``, ``error``, ``wrong``, ``traceback``, ``crash``, ``hang``."""

    kind: str
    detail: str


def run(*, mutants: int, seed: int) -> dict[str, Any]:
    """Rows ``{file, level, kind, detail, count}``, and the mutants that went wrong.

    Args:
        mutants: how many files are made, in equal parts of bytes and of graphs.
        seed: of all that is random.
    """
    counted: Counter[tuple[str, str, str, str]] = Counter()
    failed = []
    for name, level, number, outcome in _outcomes(mutants, seed):
        counted[name, level, outcome.kind, outcome.detail] += 1
        if outcome.kind not in RIGHT:
            failed.append({"file": name, "level": level, "number": number, **_told(outcome)})
            print(f"  {outcome.kind}: {name}, {level} {number}: {outcome.detail}", file=sys.stderr)
    rows = [
        {"file": name, "level": level, "kind": kind, "detail": detail, "count": count}
        for (name, level, kind, detail), count in sorted(counted.items())
    ]
    return {"schema": "edgecut.hostile/1", "seed": seed, "rows": rows, "failed": failed}


def _told(outcome: Outcome) -> dict[str, str]:
    return {"kind": outcome.kind, "detail": outcome.detail}


def _outcomes(mutants: int, seed: int) -> Iterator[tuple[str, str, int, Outcome]]:
    """Name, level, number and outcome of every mutant; batches run in a process each."""
    with tempfile.TemporaryDirectory(prefix="edgecut-") as folder:
        _write_files(Path(folder))
        for name in SUBJECTS:
            for level in LEVELS:
                waiting = list(range(-(-mutants // (len(SUBJECTS) * len(LEVELS)))))
                while waiting:
                    batch, waiting = waiting[:BATCH], waiting[BATCH:]
                    task = {"folder": folder, "file": name, "level": level, "seed": seed}
                    done = 0
                    asked = json.dumps({**task, "numbers": batch})
                    command = [sys.executable, "-m", "benchmarks.hostile", asked]
                    for outcome in batch_of(command, len(batch)):
                        yield name, level, batch[done], outcome
                        done += 1
                    # What follows a crash begins anew.
                    waiting = batch[done:] + waiting


def _write_files(folder: Path) -> None:
    """The files that are changed: small, and of every family of operations."""
    from benchmarks.zoo.subjects import subjects

    for subject in subjects():
        if subject.name in SUBJECTS:
            # With its categories in its metadata.
            discovery.embed(subject.network()).write(folder / f"{subject.name}.onnx")


def batch_of(command: Sequence[str], count: int) -> Iterator[Outcome]:
    """What a process tells of so many mutants, up to the first that ends it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = done.stdout.decode(errors="replace").splitlines()
    told = [line for line in lines if line.startswith("{")]
    yield from (Outcome(**json.loads(line)) for line in told)
    if len(told) < count:
        late = done.returncode == -signal.SIGALRM
        yield Outcome(
            kind="hang" if late else "crash",
            detail=f"over {EACH_S} s" if late else f"exit code {done.returncode}",
        )


def spoilt_bytes(data: bytes, chance: random.Random) -> bytes:
    """The file with some bytes changed, left out, doubled, or its end missing.

    Every second one has only bytes changed: what shifts, no parser takes for a model.
    """
    spoilt = bytearray(data)
    if chance.random() < 0.5:
        for _ in range(chance.randint(1, 4)):
            spoilt[chance.choice(_outside_of_weights(data))] = chance.randrange(256)
        return bytes(spoilt)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(spoilt))
        match chance.randrange(4):
            case 0:
                spoilt[place] = chance.randrange(256)
            case 1:
                del spoilt[place : place + chance.randint(1, 64)]
            case 2:
                spoilt[place:place] = spoilt[place : place + chance.randint(1, 64)]
            case _:
                del spoilt[max(1, len(spoilt) - chance.randint(1, len(spoilt) // 2)) :]
        if len(spoilt) < 2:
            break
    return bytes(spoilt)


@cache
def _outside_of_weights(data: bytes) -> Sequence[int]:
    """The places of bytes that are no weights: changed weights are another good model."""
    place, places = 0, []
    for tensor in onnx.ModelProto.FromString(data).graph.initializer:
        start = data.find(tensor.raw_data, place) if len(tensor.raw_data) > 64 else -1
        if start >= 0:
            places.append(range(place, start))
            place = start + len(tensor.raw_data)
    places.append(range(place, len(data)))
    return [i for some in places for i in some]


def spoilt_graph(data: bytes, chance: random.Random) -> bytes:
    """The model with another input, attribute, size, type, name or order somewhere."""
    model = onnx.ModelProto.FromString(data)
    for _ in range(chance.choice([1, 1, 2, 3])):
        with contextlib.suppress(Exception):  # what is broken already may not be broken again
            chance.choice(CHANGES)(model, chance)
    return model.SerializeToString()


def _rewire(model: onnx.ModelProto, chance: random.Random) -> None:
    node = chance.choice(model.graph.node)
    names = [o for n in model.graph.node for o in n.output] + [
        *(v.name for v in model.graph.input),
        *(t.name for t in model.graph.initializer),
        *("", "nobody"),
    ]
    if node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice(names)


def _reattribute(model: onnx.ModelProto, chance: random.Random) -> None:
    node = chance.choice(model.graph.node)
    if not node.attribute:
        return
    one = chance.choice(node.attribute)
    one.i = chance.choice([-1, 0, 1, 2, 7, 2**31, -(2**63), 2**63 - 1])
    if one.ints:
        one.ints[chance.randrange(len(one.ints))] = one.i


def _resize(model: onnx.ModelProto, chance: random.Random) -> None:
    if not model.graph.initializer:
        return
    tensor = chance.choice(model.graph.initializer)
    if tensor.dims:
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice([0, 1, 3, -1, 2**40])


def _revalue(model: onnx.ModelProto, chance: random.Random) -> None:
    whole = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT64]
    if whole:
        tensor = chance.choice(whole)
        array = numpy_helper.to_array(tensor).copy().ravel()
        if array.size:
            array[chance.randrange(array.size)] = chance.choice([-1, 0, 1, 5, 2**31, -(2**62)])
            shape = list(tensor.dims)
            new = numpy_helper.from_array(array.reshape(shape), tensor.name)
            tensor.CopyFrom(new)


def _retype(model: onnx.ModelProto, chance: random.Random) -> None:
    parts = [*model.graph.initializer]
    if parts:
        chance.choice(parts).data_type = chance.randrange(25)


def _rename(model: onnx.ModelProto, chance: random.Random) -> None:
    node = chance.choice(model.graph.node)
    node.op_type = chance.choice(["Conv", "Gather", "Nonsense", "If", "Loop", "Softmax", ""])


def _reorder(model: onnx.ModelProto, chance: random.Random) -> None:
    nodes = list(model.graph.node)
    chance.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _repeat(model: onnx.ModelProto, chance: random.Random) -> None:
    model.graph.node.append(chance.choice(model.graph.node))


def _reshape_input(model: onnx.ModelProto, chance: random.Random) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if dims:
        dims[chance.randrange(len(dims))].dim_value = chance.choice([0, 1, 9, -4, 2**33])


CHANGES: tuple[Callable[[onnx.ModelProto, random.Random], None], ...] = (
    *(_rewire, _reattribute, _resize, _revalue, _retype, _rename, _reorder, _repeat),
    _reshape_input,
)
LEVELS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes": spoilt_bytes,
    "graph": spoilt_graph,
}


def outcome_of(data: bytes, path: Path) -> Outcome:
    """Load, cut and tidy a file as a user would, and compare."""
    path.write_bytes(data)
    try:
        return Outcome(kind="right" if _is_right(path) else "wrong", detail="")
    except EdgecutError as error:
        return Outcome(kind="error", detail=error.code)
    except Exception as error:
        return Outcome(kind="traceback", detail=f"{type(error).__name__}: {error}"[:200])


def _is_right(path: Path) -> bool:
    network = load(Source(model=str(path)))
    names = cutout.categories_of(network).names
    small, done = cutout.cut(network, names[: max(1, len(names) // 3)])
    small = tidy(small)
    values = np.random.default_rng(0)
    feeds = {
        spec.name: values.standard_normal(spec.shape).astype(spec.dtype) for spec in network.inputs
    }
    try:
        full = _outputs(network, feeds)
    except Exception:  # a model that ONNX Runtime does not run has no numbers to be compared
        return True
    got = _outputs(small, feeds)
    return all(
        np.allclose(
            got[name], value, rtol=0, atol=EXACT * (np.abs(value).max() or 1), equal_nan=True
        )
        for name, value in selected(full, done.selection).items()
        if np.isfinite(value).all()
    )


def _outputs(network: Network, feeds: dict[str, Any]) -> dict[str, Any]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(network.to_bytes(), options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in network.outputs]
    return dict(zip(names, session.run(names, feeds), strict=True))


def main(asked: str) -> None:
    """The child: a line of JSON for each mutant."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    task = json.loads(asked)
    data = (Path(task["folder"]) / f"{task['file']}.onnx").read_bytes()
    with tempfile.TemporaryDirectory(prefix="edgecut-") as folder:
        for number in task["numbers"]:
            chance = random.Random(f"{task['seed']} {task['file']} {task['level']} {number}")
            spoilt = LEVELS[task["level"]](data, chance)
            signal.alarm(EACH_S)  # which ends the process, whatever C++ it is in
            outcome = outcome_of(spoilt, Path(folder) / "mutant.onnx")
            signal.alarm(0)
            print(json.dumps(_told(outcome)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
