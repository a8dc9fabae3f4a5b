"""Runs artifacts where they will run: one file, the standard library, numpy and one runtime.

    python device.py serve SPEC.json    answers arrays with arrays, to verify an artifact
    python device.py bench SPEC.json    times artifacts in turn and prints a JSON report
    python device.py profile SPEC.json  times the operators of one artifact, prints a JSON report

It takes Python 3.9 to 3.13 and nothing of edgecut, so that it can be copied to a device.

An *entry* is ``{"path", "format", "threads", "device", "inputs", "outputs"}``: ``format`` is
``tflite``, ``openvino`` or ``onnx``, the ports are what ``edgecut.artifact.Port.to_json`` gives
(null: as the file says), and a relative path is taken from the folder of the spec.

``serve``: the spec is one entry. One JSON line tells the runtime and its version. After that,
every request is one ``.npy`` per declared input, in the network's layout, on stdin; its answer is
one ``.npy`` per declared output, in the network's layout, on stdout. End of input ends it.

``bench``: the spec is ``{"artifacts": [entry with "name" and "files", ...], "duration_s",
"warm_up_s", "burst_s", "pause_s", "precision", "pin", "sustain_s"}``. Every artifact has a process
of its own; they run short bursts in turn (A B A B ...), so that what disturbs the machine disturbs
all of them alike. ``starts`` (absent: 1) is how often all of that begins anew, with fresh
processes: where memory happens to lie differs between them, and stays the same in each. A start
ends after its share of ``duration_s``, or as soon as every median, and every ratio of medians to
the first artifact, is known in it to the share ``precision`` (null: it does not end early). ``pin``
lists the cores that may be used (null: all). ``sustain_s`` runs the last artifact
alone for that long afterwards. ``single_stream_s``, ``offline_s`` and ``energy_s`` (null: not) are
seconds of a scenario for each artifact after that; ``meter`` is a command that prints the joules
counted so far (null: what the system has). ``bandwidth_threads`` (absent: none) copy and read
memory after the bursts; ``cached_compile`` (absent: true) also times compiling from the runtime's
cache. ``files`` are all files of the artifact: they are
digested before they are loaded and after the last run.

``profile``: the spec is one entry, with "files" as above, and ``"runs"``. The runtime's own
profiler times every operator, in this process; the report lists them in running order.

Nothing is judged here: the report holds what was seen, and the host says what may be concluded.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import glob
import hashlib
import io
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import IO, Any

import numpy as np

MINIMUM_ROUNDS = 5
MINIMUM_SAMPLES = 30  # of each artifact, before what looks precise may end a run
MAXIMUM_RUNS = 1000  # of one burst, so that reports on very fast artifacts stay small
WATCH_S = 1.0  # between two looks at the clock and the temperature

# Each runtime reads the file when it is made. compile() prepares it to run, and gives it inputs and
# outputs, the facts of every tensor by name. Further: library() -> (module, package, version);
# feed(name, array), invoke(), fetch(name) -> array; CACHES, whether it can keep what it compiled.


class _Tflite:
    """A TFLite file on LiteRT, or on the older tflite-runtime. Tensors are found by name."""

    CACHES = False

    def __init__(self, path: str, threads: int, device: str) -> None:
        module, self.runtime, self.version = self.library()
        self._interpreter = module.Interpreter(model_path=path, num_threads=threads)

    def compile(self) -> None:
        self._interpreter.allocate_tensors()
        self.inputs = self._named("input")
        self.outputs = self._named("output")

    @staticmethod
    def library() -> tuple[Any, str, str]:
        try:
            from ai_edge_litert import interpreter

            name = "ai-edge-litert"
        except ImportError:
            from tflite_runtime import interpreter

            name = "tflite-runtime"
        return interpreter, name, _version(name)

    def _named(self, side: str) -> dict[str, dict[str, Any]]:
        details = getattr(self._interpreter, f"get_{side}_details")()
        named = {d["name"]: _tflite_facts(d) for d in details}
        by_index = {d["index"]: _tflite_facts(d) for d in details}
        # A signature gives tensors the names that the model's author chose; those come first.
        for key in self._interpreter.get_signature_list():
            runner = self._interpreter.get_signature_runner(key)
            for name, d in getattr(runner, f"get_{side}_details")().items():
                if d["index"] in by_index:
                    named[name] = by_index[d["index"]]
        return named

    def feed(self, name: str, array: Any) -> None:
        self._interpreter.set_tensor(self.inputs[name]["handle"], array)

    def invoke(self) -> None:
        self._interpreter.invoke()

    def fetch(self, name: str) -> Any:
        return self._interpreter.get_tensor(self.outputs[name]["handle"])


class _OpenVino:
    """An OpenVINO IR on one of OpenVINO's devices. Tensors are found by name."""

    CACHES = True

    def __init__(self, path: str, threads: int, device: str) -> None:
        openvino, self.runtime, self.version = self.library()
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "CPU":
            # Some CPUs would otherwise run a float32 artifact in bfloat16 or float16 unasked.
            self._options.update(INFERENCE_NUM_THREADS=threads, INFERENCE_PRECISION_HINT="f32")
        self._tensor, self._core, self._device = openvino.Tensor, openvino.Core(), device
        self._model = self._core.read_model(path)

    def cache_in(self, folder: str) -> None:
        self._core.set_property({"CACHE_DIR": folder})

    def compile(self) -> None:
        compiled = self._core.compile_model(self._model, self._device, self._options)
        self._request = compiled.create_infer_request()
        self.inputs = _openvino_facts(compiled.inputs)
        self.outputs = _openvino_facts(compiled.outputs)
        self._fed: dict[str, Any] = {}

    @staticmethod
    def library() -> tuple[Any, str, str]:
        os.environ.setdefault("CI", "true")  # OpenVINO's telemetry stays silent under CI
        import openvino

        return openvino, "openvino", _version("openvino")

    def feed(self, name: str, array: Any) -> None:
        # The tensor shares the array's memory, which must therefore outlive the run.
        self._fed[name] = np.ascontiguousarray(array)
        tensor = self._tensor(self._fed[name], shared_memory=True)
        self._request.set_tensor(self.inputs[name]["handle"], tensor)

    def invoke(self) -> None:
        # In this thread: start_async + wait hands the run to another one, and 5 to 10 % of a
        # millisecond passes until both have woken up.
        self._request.infer(share_outputs=True, decode_strings=False)

    def fetch(self, name: str) -> Any:
        return np.array(self._request.get_tensor(self.outputs[name]["handle"]).data)


class _OnnxRuntime:
    """An ONNX file on ONNX Runtime's CPU provider, which reads and prepares in one go."""

    CACHES = False

    def __init__(self, path: str, threads: int, device: str) -> None:
        self._module, self.runtime, self.version = self.library()
        self._path, self._options = path, self._module.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 3
        if os.path.exists(path + ".data"):
            # Large weights stay where they lie: repacking would copy them all.
            self._options.add_session_config_entry("session.disable_prepacking", "1")

    def compile(self) -> None:
        self._session = self._module.InferenceSession(
            self._path, self._options, providers=["CPUExecutionProvider"]
        )
        self.inputs = {v.name: _onnx_facts(v) for v in self._session.get_inputs()}
        self.outputs = {v.name: _onnx_facts(v) for v in self._session.get_outputs()}
        self._names = list(self.outputs)
        self._feeds: dict[str, Any] = {}
        self._results: list[Any] = []

    @staticmethod
    def library() -> tuple[Any, str, str]:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        return onnxruntime, "onnxruntime", str(onnxruntime.__version__)

    def feed(self, name: str, array: Any) -> None:
        self._feeds[name] = np.ascontiguousarray(array)

    def invoke(self) -> None:
        self._results = self._session.run(self._names, self._feeds)

    def fetch(self, name: str) -> Any:
        return self._results[self._names.index(name)]


RUNTIMES: dict[str, Any] = {"tflite": _Tflite, "openvino": _OpenVino, "onnx": _OnnxRuntime}


def _version(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _tflite_facts(detail: dict[str, Any]) -> dict[str, Any]:
    quantised = detail["quantization_parameters"]
    scales, zero_points = quantised["scales"], quantised["zero_points"]
    return {
        "handle": detail["index"],
        "shape": [int(d) for d in detail["shape"]],
        "dtype": np.dtype(detail["dtype"]).name,
        "scale": float(scales[0]) if len(scales) else None,
        "zero_point": int(zero_points[0]) if len(zero_points) else None,
    }


def _openvino_facts(ports: Any) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "handle": port,
            "shape": list(port.get_shape()),
            "dtype": np.dtype(port.get_element_type().to_dtype()).name,
        }
        for port in ports
        for name in port.get_names()
    }


def _onnx_facts(value: Any) -> dict[str, Any]:
    kind = value.type[len("tensor(") : -1]
    dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
    return {"shape": list(value.shape), "dtype": dtype}


def read(entry: dict[str, Any]) -> Any:
    """The entry's runtime with its file read, and not compiled yet."""
    runtime = RUNTIMES[entry["format"]]
    return runtime(entry["path"], entry.get("threads", 1), entry.get("device") or "CPU")


class Loaded:
    """An artifact on its runtime, spoken to in the network's layout and in real values."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.inputs, self.outputs = entry["inputs"], entry["outputs"]
        started = time.perf_counter_ns()
        self.runtime = read(entry)
        loaded = time.perf_counter_ns()
        self.runtime.compile()
        self.load_ms = (loaded - started) / 1e6
        self.compile_ms = (time.perf_counter_ns() - loaded) / 1e6
        if self.inputs is None:
            self.inputs = as_described(self.runtime.inputs)
        if self.outputs is None:
            self.outputs = as_described(self.runtime.outputs)
        for port in self.inputs:
            check_port(port, self.runtime.inputs, "input")
        for port in self.outputs:
            check_port(port, self.runtime.outputs, "output")

    def feed(self, arrays: list[Any]) -> None:
        """Set every input, in declared order."""
        for i, port in enumerate(self.inputs):
            self.runtime.feed(port["artifact_name"], to_artifact(arrays[i], port))

    def run(self, arrays: list[Any]) -> list[Any]:
        """The outputs, in declared order, for the inputs in declared order."""
        self.feed(arrays)
        self.runtime.invoke()
        return [to_network(self.runtime.fetch(p["artifact_name"]), p) for p in self.outputs]


def as_described(tensors: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Ports that take and give tensors just as the file describes them."""
    ports = []
    for name, facts in tensors.items():
        if not all(isinstance(d, int) and d > 0 for d in facts["shape"]):
            raise ValueError(f"the shape of '{name}' is not fixed: {facts['shape']}")
        port = {"network_name": name, "artifact_name": name, "scale": None, "zero_point": None}
        port.update(
            (key, facts[key]) for key in ("shape", "dtype", "scale", "zero_point") if key in facts
        )
        ports.append({**port, "permutation": list(range(len(facts["shape"])))})
    return ports


def check_port(port: dict[str, Any], tensors: dict[str, dict[str, Any]], side: str) -> None:
    """Refuse a port that is not what the artifact says of itself."""
    name = port["artifact_name"]
    if name not in tensors:
        raise ValueError(f"the artifact has no {side} '{name}', only: {', '.join(tensors)}")
    facts = tensors[name]
    fixed = [d if isinstance(d, int) else None for d in facts["shape"]]
    same_shape = len(fixed) == len(port["shape"]) and all(
        d is None or d == port["shape"][i] for i, d in enumerate(fixed)
    )
    same_scale = "scale" not in facts or (
        math.isclose(facts["scale"] or 0.0, port["scale"] or 0.0, rel_tol=1e-6)
        and (facts["zero_point"] or 0) == (port["zero_point"] or 0)
    )
    if not same_shape or facts["dtype"] != port["dtype"] or not same_scale:
        real = {
            key: facts[key] for key in ("shape", "dtype", "scale", "zero_point") if key in facts
        }
        raise ValueError(f"{side} '{name}' is {real} in the artifact, and {port} in the spec")


def to_artifact(array: Any, port: dict[str, Any]) -> Any:
    """An array of the network as the artifact takes it: permuted, and quantised where it must be.

    q = clip(round_half_even(x / scale) + zero_point), in float32 as a device would do it.
    """
    moved = np.transpose(array, port["permutation"])
    if list(moved.shape) != list(port["shape"]):
        raise ValueError(
            f"input '{port['network_name']}' takes the shape {port['shape']} "
            f"(permuted), and was given {list(moved.shape)}"
        )
    dtype = np.dtype(port["dtype"])
    if port["scale"] is None or not np.issubdtype(dtype, np.integer):
        return np.ascontiguousarray(moved, dtype=dtype)
    if not np.isfinite(moved).all():
        raise ValueError(f"input '{port['network_name']}' holds NaN or infinity")
    limits = np.iinfo(dtype)
    steps = np.rint(moved / np.float32(port["scale"])) + (port["zero_point"] or 0)
    return np.ascontiguousarray(np.clip(steps, limits.min, limits.max), dtype=dtype)


def to_network(array: Any, port: dict[str, Any]) -> Any:
    """The inverse of ``to_artifact``; integers without a scale stay integers."""
    if port["scale"] is not None and np.issubdtype(array.dtype, np.integer):
        centred = array.astype(np.int64) - (port["zero_point"] or 0)
        array = centred.astype(np.float32) * np.float32(port["scale"])
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    return np.ascontiguousarray(np.transpose(array, np.argsort(port["permutation"])))


class Reader:
    """Only ``read``: given a real pipe, numpy would seek in it."""

    def __init__(self, source: IO[bytes]) -> None:
        self.read = source.read


def read_arrays(source: IO[bytes], count: int) -> list[Any]:
    """That many ``.npy`` arrays from a pipe."""
    reader: Any = Reader(source)
    return [np.lib.format.read_array(reader, allow_pickle=False) for _ in range(count)]


def write_arrays(sink: IO[bytes], arrays: list[Any]) -> None:
    """Arrays as ``.npy``, one behind the other."""
    buffer = io.BytesIO()
    for array in arrays:
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    sink.write(buffer.getvalue())
    sink.flush()


def serve(spec_path: str) -> None:
    """Answer requests until the input ends."""
    channel = take_stdout()
    loaded = Loaded(located(read_spec(spec_path), spec_path))
    send(channel, {"runtime": loaded.runtime.runtime, "version": loaded.runtime.version})
    source: Any = sys.stdin.buffer
    while source.peek(1):
        write_arrays(channel, loaded.run(read_arrays(source, len(loaded.inputs))))


def bench(spec_path: str) -> None:
    """Time the artifacts of the spec in turn, and print the report."""
    channel = take_stdout()
    spec = read_spec(spec_path)
    entries = [located(entry, spec_path) for entry in spec["artifacts"]]
    pin(spec.get("pin"))
    meter = find_meter(spec.get("meter")) if spec.get("energy_s") else None
    environment = describe_machine()
    cached_ms = [
        cached_compile_ms(entry) if spec.get("cached_compile", True) else None for entry in entries
    ]
    starts: list[list[dict[str, Any]]] = [[] for _ in entries]
    children: list[Child] = []
    watch, before = Watch(), None
    try:
        for _ in range(spec.get("starts", 1)):
            begin_anew(children, entries, spec)
            ids = [child.process_id for child in children]
            before = before or describe_moment(ids)
            for i, bursts in enumerate(interleave(children, spec, watch)):
                starts[i].append({**children[i].facts, "bursts": bursts})
        moved = moved_memory(spec["bandwidth_threads"]) if spec.get("bandwidth_threads") else None
        after = describe_moment(ids)
        last = children[-1]
        sustained = (
            witnessed(ids, lambda: {"curve": last.sustain(spec["sustain_s"])})
            if spec.get("sustain_s")
            else None
        )
        scenarios = [
            scenarios_of(child, entries[i], spec, meter, ids) for i, child in enumerate(children)
        ]
    finally:
        for child in children:
            child.close()
    artifacts = [
        {
            "name": child.name,
            "cached_compile_ms": cached_ms[i],
            "sha256_after": digest(entries[i]["files"]),
            "starts": starts[i],
            **scenarios[i],
        }
        for i, child in enumerate(children)
    ]
    environment.update(before=before, during=watch.seen, after=after)
    found = {"artifacts": artifacts, "environment": environment, "sustained": sustained}
    send(channel, {**found, "bandwidth": moved})


def begin_anew(children: list[Child], entries: list[dict[str, Any]], spec: dict[str, Any]) -> None:
    """Put a fresh process for each artifact in the place of those there are."""
    while children:
        children.pop().close()
    for entry in entries:
        # One after the other: a load must not be disturbed by another's.
        children.append(Child({**entry, "warm_up_s": spec["warm_up_s"]}))


def witnessed(ids: list[int], work: Any) -> dict[str, Any]:
    """What ``work`` finds, with the moments ``before`` and ``after`` it."""
    before = describe_moment(ids)
    found: dict[str, Any] = work()
    return {**found, "before": before, "after": describe_moment(ids)}


def interleave(
    children: list[Child], spec: dict[str, Any], watch: Watch
) -> list[list[dict[str, Any]]]:
    """Bursts of one start, in turn: for each child, for each round, what ``Child.burst`` says."""
    slowest_s = max(child.facts["warm_ns"] for child in children) / 1e9
    # A burst spends one run on settling, so it is never shorter than two runs.
    burst_s = max(spec["burst_s"], 2 * slowest_s)
    starts = spec.get("starts", 1)
    rounds = math.ceil(max(MINIMUM_ROUNDS, spec["duration_s"] / burst_s) / starts)
    bursts: list[list[dict[str, Any]]] = [[] for _ in children]
    for _ in range(rounds):
        for i, child in enumerate(children):
            runs = min(max(1, round(burst_s * 1e9 / child.facts["warm_ns"])), MAXIMUM_RUNS)
            told = child.burst(runs, look=watch.due())
            watch.note(told.pop("clocks", None))
            bursts[i].append(told)
            time.sleep(spec["pause_s"])  # idle thread pools spin for a while before they sleep
        fewest = min(sum(len(burst["ns"]) for burst in own) for own in bursts)
        enough = fewest * starts >= MINIMUM_SAMPLES
        if spec.get("precision") and enough and precise(bursts, spec["precision"]):
            break
    return bursts


def precise(bursts: list[list[dict[str, Any]]], precision: float) -> bool:
    """Whether every median, and every ratio to the first artifact, is known to that share."""
    medians = np.array([[np.median(burst["ns"]) for burst in own] for own in bursts])
    known = [*medians, *(medians[1:] / medians[0])]
    return all(half_width(values) <= precision * float(np.median(values)) for values in known)


def half_width(values: Any) -> float:
    """Half the 95 % interval of a median, by order statistics; infinite for too few values.

    The median lies between the k-th smallest and the k-th largest value with probability
    1 - 2 P(B < k), B binomial(n, 1/2); k by the normal approximation (Conover 1999, 3.2).
    """
    count = len(values)
    rank = round((count - 1.96 * math.sqrt(count)) / 2)
    if rank < 1:
        return math.inf
    ordered = np.sort(values)
    return float(ordered[count - rank] - ordered[rank - 1]) / 2


def cached_compile_ms(entry: dict[str, Any]) -> float | None:
    """Milliseconds to compile what the runtime has compiled before; None where it keeps nothing."""
    if not RUNTIMES[entry["format"]].CACHES:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):  # the first one fills the cache
            child = Child({**entry, "cache": folder})
            child.close()
    return float(child.facts["compile_ms"])


def digest(files: list[str]) -> str:
    """SHA-256 of the files, one behind the other, in hexadecimal."""
    found = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def pin(cores: list[int] | None) -> None:
    """Let this process and its children run on these cores only."""
    if cores is not None:
        if not hasattr(os, "sched_setaffinity"):
            raise ValueError("this system cannot pin a process to cores")
        there = os.sched_getaffinity(0)
        # The system itself takes a list as long as one of its cores is there.
        if not cores or not there.issuperset(cores):
            raise ValueError(
                f"cannot pin to the cores {', '.join(map(str, cores)) or 'none'}: "
                f"there are {', '.join(map(str, sorted(there)))}"
            )
        os.sched_setaffinity(0, cores)


class Child:
    """A fresh process that holds one artifact, and runs it when told."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name = entry["name"]
        safe_path = ["-P"] if getattr(sys.flags, "safe_path", False) else []
        command = [sys.executable, *safe_path, os.path.abspath(__file__), "burst"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.process_id = self._process.pid
        self.facts = self._ask(entry)

    def _ask(self, question: Any) -> Any:
        self.tell(question)
        return self.hear()

    def tell(self, question: Any) -> None:
        """Ask, without waiting for the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it ended, and there will be no answer

    def hear(self) -> Any:
        """The answer to what was told."""
        assert self._process.stdout is not None
        try:
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            self.close()
            code = self._process.returncode
            raise RuntimeError(f"the process of '{self.name}' ended with exit code {code}")
        return json.loads(answer)

    def burst(self, runs: int, look: bool) -> dict[str, Any]:
        """That many runs: ``ns`` of each, and how the process fared meanwhile.

        With ``look`` also the ``clocks`` while the processor is still at work.
        """
        answer: dict[str, Any] = self._ask({"runs": runs, "look": look})
        self.facts["peak_memory_bytes"] = answer.pop("peak_memory_bytes")
        return answer

    def sustain(self, seconds: float) -> list[dict[str, Any]]:
        """Runs without a pause: for each second of it the median, and the machine's state."""
        return list(self._ask({"sustain_s": seconds}))

    def stream(self, seconds: float, least: int) -> dict[str, Any]:
        """What ``streamed`` says."""
        answer: dict[str, Any] = self._ask({"stream_s": seconds, "least": least})
        return answer

    def close(self) -> None:
        """End the process, by force where it does not end at once, and reap it."""
        pipes = (self._process.stdin, self._process.stdout)
        try:
            assert pipes[0] is not None
            pipes[0].close()  # its end of input
            self._process.wait(timeout=2)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            assert pipes[1] is not None
            pipes[1].close()


def burst() -> None:
    """The child of ``bench``: load, warm up, then run as each line of input says."""
    channel = take_stdout()
    entry = json.loads(sys.stdin.readline())
    started = time.perf_counter_ns()
    RUNTIMES[entry["format"]].library()
    import_ms = (time.perf_counter_ns() - started) / 1e6
    if "cache" in entry:
        send(channel, {"compile_ms": compile_in(entry["cache"], entry)})
        return
    sha256 = digest(entry["files"])
    memory = memory_bytes("VmRSS")
    loaded = Loaded(entry)
    loaded.feed(noise(loaded.inputs))
    gc.disable()
    first_ns = timed(loaded.runtime, 1)[0]
    facts = {
        "runtime": loaded.runtime.runtime,
        "version": loaded.runtime.version,
        "threads": entry.get("threads", 1),
        "sha256": sha256,
        "import_ms": import_ms,
        "load_ms": loaded.load_ms,
        "compile_ms": loaded.compile_ms,
        "first_ms": first_ns / 1e6,
        "memory_before_load_bytes": memory,
        "warm_ns": warm_up(loaded.runtime, entry["warm_up_s"]),
        "delegate": delegate_of(loaded.runtime),
    }
    send(channel, facts)
    for line in sys.stdin:
        asked = json.loads(line)
        if "sustain_s" in asked:
            send(channel, sustained(loaded.runtime, asked["sustain_s"]))
        elif "stream_s" in asked:
            send(channel, streamed(loaded.runtime, asked["stream_s"], asked["least"]))
        else:
            send(channel, watched(loaded.runtime, asked["runs"], asked["look"]))


def delegate_of(runtime: Any) -> str | None:
    """``XNNPACK`` where LiteRT gave operators to its own delegate, ``none`` where it did not.

    None for other runtimes, and where the interpreter does not tell.
    """
    details = getattr(getattr(runtime, "_interpreter", None), "_get_ops_details", None)
    if details is None:
        return None
    return "XNNPACK" if any(one["op_name"] == "DELEGATE" for one in details()) else "none"


def compile_in(folder: str, entry: dict[str, Any]) -> float:
    """Milliseconds to compile with a cache in that folder."""
    runtime = read(entry)
    runtime.cache_in(folder)
    started = time.perf_counter_ns()
    runtime.compile()
    return (time.perf_counter_ns() - started) / 1e6


def watched(runtime: Any, runs: int, look: bool) -> dict[str, Any]:
    """Runs, and how the process fared."""
    runtime.invoke()  # not counted: caches are cold after another's burst
    ns, how = fared(lambda: timed(runtime, runs))
    if look:
        how["clocks"] = clocks()
    return {"ns": ns, **how, "peak_memory_bytes": memory_bytes("VmHWM")}


def fared(work: Any) -> tuple[Any, dict[str, Any]]:
    """What ``work`` gives, and nanoseconds: how long it took, and what its threads did.

    ``on_cores_ns`` is of all threads together, ``waited_ns`` what they were ready to run and had no
    core (None where the system does not tell), and ``busiest_ns`` the most that one thread was
    either. Where that is less than ``wall_ns``, nothing ran for a while, and nothing waited to.
    """
    here = f"/proc/self/task/{threading.get_native_id()}/schedstat"
    before, on_cores, own = threads_ns(), time.process_time_ns(), time.thread_time_ns()
    started = time.perf_counter_ns()
    result = work()
    wall = time.perf_counter_ns() - started
    own, on_cores = time.thread_time_ns() - own, time.process_time_ns() - on_cores
    spent = {}
    for thread, (ran, waited) in threads_ns().items():
        first = before.get(thread, (0.0, 0.0))
        spent[thread] = (ran - first[0], waited - first[1])
    # Of a thread that runs, the scheduler's count is as old as its last tick.
    spent[here] = (own, spent.get(here, (0.0, 0.0))[1])
    return result, {
        "wall_ns": wall,
        "on_cores_ns": on_cores,
        "waited_ns": sum(waited for _, waited in spent.values()) if before else None,
        "busiest_ns": max(ran + waited for ran, waited in spent.values()),
    }


def sustained(runtime: Any, seconds: float) -> list[dict[str, Any]]:
    """Runs for that long; for each second the median and count of runs, clock and temperature."""
    started = time.perf_counter()
    curve = []
    while (now := time.perf_counter()) < started + seconds:
        ns: list[int] = []
        while time.perf_counter() < now + WATCH_S:
            ns += timed(runtime, 1)
        curve.append(
            {"s": now - started, "median_ns": float(np.median(ns)), "runs": len(ns), **clocks()}
        )
    return curve


# Scenarios after the bursts: what a benchmark asks that runs one artifact alone.

SINGLE_STREAM_RUNS = 1024  # at least, as MLPerf Inference has it
POWER_S = 0.02  # between two looks at a meter that tells power
COUNTER_S = 1.0  # and at one that begins anew after some minutes
IDLE_S = 3.0
SENSORS = ("ina219", "ina220", "ina226", "ina230", "ina231", "ina238")


def scenarios_of(
    child: Child, entry: dict[str, Any], spec: dict[str, Any], meter: Meter | None, ids: list[int]
) -> dict[str, Any]:
    """What was asked for of one artifact; None for what was not, or could not be."""
    found: dict[str, Any] = {"single_stream": None, "offline": None, "energy": None}
    if spec.get("single_stream_s"):
        seconds = spec["single_stream_s"]
        found["single_stream"] = witnessed(ids, lambda: child.stream(seconds, SINGLE_STREAM_RUNS))
    if spec.get("offline_s"):
        found["offline"] = witnessed(ids, lambda: offline(entry, spec["offline_s"]))
    if meter is not None:
        found["energy"] = witnessed(ids, lambda: energy(child, meter, spec["energy_s"]))
    return found


def streamed(runtime: Any, seconds: float, least: int) -> dict[str, Any]:
    """One run after the other, for at least that long and that many."""
    started = time.perf_counter()
    ns: list[int] = []
    while len(ns) < least or time.perf_counter() < started + seconds:
        ns += timed(runtime, 1)
    seconds = time.perf_counter() - started
    p50, p90, p99 = (float(np.percentile(ns, share)) for share in (50, 90, 99))
    return {"runs": len(ns), "seconds": seconds, "p50_ns": p50, "p90_ns": p90, "p99_ns": p99}


def offline(entry: dict[str, Any], seconds: float) -> dict[str, Any]:
    """As many processes as the cores take, each running back to back."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    children: list[Child] = []
    try:
        for _ in range(max(1, cores // entry.get("threads", 1))):
            children.append(Child({**entry, "warm_up_s": 0.1}))
        for child in children:
            child.tell({"stream_s": seconds, "least": 1})
        told = [child.hear() for child in children]
    finally:
        for child in children:
            child.close()
    return {
        "streams": len(children),
        "runs": sum(one["runs"] for one in told),
        "seconds": max(one["seconds"] for one in told),
    }


def energy(child: Child, meter: Meter, seconds: float) -> dict[str, Any]:
    """What the whole machine takes while the artifact runs, and while nothing does.

    ``metered_s`` lie between the readings around the runs. After a fault of the meter there is
    nothing but its ``fault``.
    """
    try:
        idle_j, idle_s, _ = meter.during(lambda: time.sleep(min(seconds, IDLE_S)))
        joules, metered_s, told = meter.during(lambda: child.stream(seconds, 1))
    except MeterFault as fault:
        return {"fault": str(fault)}
    return {
        "meter": meter.name,
        "joules": joules,
        "metered_s": metered_s,
        "runs": told["runs"],
        "seconds": told["seconds"],
        "idle_w": idle_j / idle_s,
    }


class MeterFault(Exception):
    """A meter that cannot be read, or says what cannot be."""


class Meter:
    """Something that counts joules: ``read`` gives those so far, which never become fewer.

    ``every_s`` is how often it must be read meanwhile; None where it counts by itself.
    """

    def __init__(self, name: str, read: Any, every_s: float | None) -> None:
        self.name, self._read, self._every_s = name, read, every_s
        self._read()  # a meter that does not work is known before anything is measured

    def during(self, work: Any) -> tuple[float, float, Any]:
        """The joules and the seconds between two readings around ``work``, and what it gives."""
        before, started = self._read(), time.perf_counter()
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            while not wait([working], self._every_s).done:
                self._read()
            result = working.result()
        return self._read() - before, time.perf_counter() - started, result


class _Command:
    """Runs a program, which prints the joules so far."""

    def __init__(self, command: list[str]) -> None:
        self._command, self._last = command, -math.inf

    def __call__(self) -> float:
        name = self._command[0]
        try:
            done = subprocess.run(self._command, stdout=subprocess.PIPE, check=True, timeout=10)
            joules = float((done.stdout.split() or [b""])[0])
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise MeterFault(f"the meter '{name}' cannot be read: {error}") from error
        if not math.isfinite(joules) or joules < self._last:
            raise MeterFault(f"the meter '{name}' printed {joules:g} after {self._last:g} joules")
        self._last = joules
        return joules


class _Counters:
    """Counters in microjoules that begin anew at the end of their range."""

    def __init__(self, places: list[str]) -> None:
        self._places, self._joules = places, 0.0
        ranges = (_text(place.replace("energy_uj", "max_energy_range_uj")) for place in places)
        self._ranges = [next(iter(_numbers([text])), math.inf) for text in ranges]
        self._last = _microunits(places)

    def __call__(self) -> float:
        now = _microunits(self._places)
        for i, value in enumerate(now):
            grown = (value - self._last[i]) % self._ranges[i]
            if grown == math.inf:
                raise MeterFault(f"{self._places[i]} began anew, and does not say after how much")
            self._joules += grown / 1e6
        self._last = now
        return self._joules


class _Power:
    """Sensors of power in microwatts, summed up over the time between two looks."""

    def __init__(self, places: list[str]) -> None:
        self._places, self._joules, self._last = places, 0.0, time.perf_counter()

    def __call__(self) -> float:
        watts, now = sum(_microunits(self._places)) / 1e6, time.perf_counter()
        self._joules, self._last = self._joules + watts * (now - self._last), now
        return self._joules


def find_meter(command: list[str] | None) -> Meter | None:
    """The given command's, the processor's own counters, or a sensor on the supply; or None."""
    if command:
        return Meter(command[0], _Command(command), None)
    # A package's counter holds its parts'; that of the whole platform (psys) holds the package's.
    packages = [
        place
        for place in sorted(glob.glob("/sys/class/powercap/intel-rapl:[0-9]*/energy_uj"))
        if _text(os.path.dirname(place) + "/name").startswith("package")
    ]
    if packages and all(_text(place).isdigit() for place in packages):
        return Meter("RAPL", _Counters(packages), COUNTER_S)
    sensors = [
        place
        for place in sorted(glob.glob("/sys/class/hwmon/hwmon*/power1_input"))
        if _text(os.path.dirname(place) + "/name") in SENSORS and _text(place).isdigit()
    ]
    if sensors:
        name = _text(os.path.dirname(sensors[0]) + "/name")
        return Meter(name, _Power(sensors), POWER_S)
    return None


def _microunits(places: list[str]) -> list[int]:
    """Whole numbers in files."""
    found = []
    for place in places:
        text = _text(place)
        if not text.isdigit():
            raise MeterFault(f"{place} cannot be read any more")
        found.append(int(text))
    return found


def timed(runtime: Any, runs: int) -> list[int]:
    """Nanoseconds of each run: the invocation alone, inputs set and outputs left where they are."""
    clock, invoke = time.perf_counter_ns, runtime.invoke
    durations = []
    for _ in range(runs):
        start = clock()
        invoke()
        durations.append(clock() - start)
    return durations


def warm_up(runtime: Any, seconds: float) -> int:
    """Run for that long, three times at least; the median in nanoseconds, 1 at least."""
    end = time.perf_counter() + seconds
    durations = timed(runtime, 3)
    while time.perf_counter() < end:
        durations += timed(runtime, 1)
    return max(1, int(np.median(durations)))


def noise(ports: list[dict[str, Any]]) -> list[Any]:
    """Uniform values in [0, 1) in the network's layout, the same on every machine."""
    values = np.random.default_rng(0)
    arrays = []
    for port in ports:
        back = np.argsort(port["permutation"])
        shape = [port["shape"][axis] for axis in back]
        arrays.append(values.random(shape, dtype=np.float32))
    return arrays


# Profile: what each operator of one artifact takes. The runtime's own profiler tells; it slows the
# runtime down a little, so the artifact runs without it in turn, and both times are reported.

PROFILE_BLOCKS = 5  # profiled and plain runs change places that often
OPENVINO_SETTLING = 3  # runs of a fresh compilation that are left out
RESOLUTION_NS = 1000  # both profilers count whole microseconds

# A profiler is made of an entry. take(arrays by tensor name); graph, what the runtime made of the
# file, where it tells; block(runs) -> samples, each (operators in running order, nanoseconds of
# each of them or None where it did not show, nanoseconds of each whole run that the sample is of).


def profile(spec_path: str) -> None:
    """Profile the one artifact of the spec, and print the report."""
    channel = take_stdout()
    spec = read_spec(spec_path)
    entry = located(spec, spec_path)
    if entry["format"] not in PROFILERS:
        raise NotImplementedError(f"there is no profiler for the format {entry['format']}")
    environment, sha256 = describe_machine(), digest(entry["files"])
    profiler = PROFILERS[entry["format"]](entry)
    plain = Loaded(entry)
    arrays = noise(plain.inputs)
    plain.feed(arrays)
    profiler.take(
        {p["artifact_name"]: to_artifact(arrays[i], p) for i, p in enumerate(plain.inputs)}
    )
    gc.disable()
    watch, before = Watch(), describe_moment([])
    told = profile_in_turn(plain.runtime, profiler, spec["runs"], watch)
    environment.update(before=before, during=watch.seen, after=describe_moment([]))
    report = {
        "runtime": plain.runtime.runtime,
        "version": plain.runtime.version,
        "threads": entry.get("threads", 1),
        "sha256": sha256,
        "sha256_after": digest(entry["files"]),
        "resolution_ns": RESOLUTION_NS,
        "environment": environment,
    }
    send(channel, {**report, **told})


def profile_in_turn(runtime: Any, profiler: Any, runs: int, watch: Watch) -> dict[str, Any]:
    """Blocks of plain and of profiled runs; every operator with its samples, in running order."""
    block = max(1, math.ceil(runs / PROFILE_BLOCKS))
    bursts_ns: list[list[int]] = []
    samples: list[Any] = []
    for _ in range(PROFILE_BLOCKS):
        timed(runtime, 2)  # not counted: caches are cold after the other's block
        bursts_ns.append(timed(runtime, block))
        samples += profiler.block(block)
        watch.look()
    operators = samples[0][0]
    # OpenVINO makes names up anew for each compilation; what runs must be the same.
    if any([o["type"] for o in found] != [o["type"] for o in operators] for found, _, _ in samples):
        raise RuntimeError("the runtime ran other operators than the time before")
    ran = [i for i in range(len(operators)) if any(ns[i] is not None for _, ns, _ in samples)]
    if not ran:
        raise RuntimeError("the profiler told of no operator")
    return {
        "bursts_ns": bursts_ns,
        "profiled_ns": [runs_ns for _, _, runs_ns in samples],
        "graph": profiler.graph,
        "operators": [
            {**operators[i], "samples_ns": [ns[i] or 0.0 for _, ns, _ in samples]} for i in ran
        ],
    }


class _OpenVinoProfiler(_OpenVino):
    """OpenVINO's performance counters on its CPU.

    A counter is the mean over all runs since the model was compiled, the slow first ones too. So
    every block compiles anew, and what the first runs took is taken off: one sample for a block.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        device = entry.get("device") or "CPU"
        if device != "CPU":
            raise NotImplementedError(f"OpenVINO is profiled on its CPU only, not on {device}")
        super().__init__(entry["path"], entry.get("threads", 1), device)
        self._options["PERF_COUNT"] = True
        self.graph: list[dict[str, Any]] = []

    def take(self, arrays: dict[str, Any]) -> None:
        self._arrays = arrays

    def block(self, runs: int) -> list[Any]:
        self.compile()
        for name, array in self._arrays.items():
            self.feed(name, array)
        timed(self, OPENVINO_SETTLING)
        before = [_nanoseconds(counter) for counter in self._request.profiling_info]
        runs_ns = timed(self, runs)
        after = self._request.profiling_info
        self.graph = self.graph or _openvino_graph(self._request.get_compiled_model())
        operators, took_ns = [], []
        for i, counter in enumerate(after):
            all_ns = _nanoseconds(counter) * (OPENVINO_SETTLING + runs)
            took = max(0.0, (all_ns - before[i] * OPENVINO_SETTLING) / runs)
            # What takes less than a microsecond is said not to have run, as constants are.
            took_ns.append(took if str(counter.status).endswith("EXECUTED") else None)
            operators.append(_openvino_operator(i, counter))
        return [(operators, took_ns, runs_ns)]


def _openvino_graph(compiled: Any) -> list[dict[str, Any]]:
    """Every node of what OpenVINO made of the file: what it stands for there, and what it reads."""
    graph = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        told = node.get_rt_info()
        merged = str(told["originalLayersNames"].value) if "originalLayersNames" in told else ""
        sources = [node.input_value(i).get_node() for i in range(node.get_input_size())]
        graph.append(
            {
                "name": node.get_friendly_name(),
                "stands_for": [name for name in merged.split(",") if name],
                "reads": [source.get_friendly_name() for source in sources],
            }
        )
    return graph


def _openvino_operator(index: int, counter: Any) -> dict[str, Any]:
    return {
        "index": index,
        "name": counter.node_name,
        "type": counter.node_type,
        "kernel": counter.exec_type,
        "delegate": None,
    }


def _nanoseconds(counter: Any) -> int:
    return round(float(counter.real_time.total_seconds()) * 1e6) * 1000


class _LiteRtEvent(ctypes.Structure):
    """``ProfiledEventData`` of ``litert_profiler_event.h``."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("took_us", ctypes.c_uint64),
        ("memory_before", ctypes.c_uint64 * 3),
        ("memory_after", ctypes.c_uint64 * 3),
        ("index", ctypes.c_int64),
        ("graph", ctypes.c_int64),
        ("source", ctypes.c_int),
    )


class _LiteRtTensorType(ctypes.Structure):
    """``LiteRtRankedTensorType`` of ``litert_model_types.h``."""

    _fields_ = (
        ("element", ctypes.c_int),
        ("rank", ctypes.c_uint),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _LiteRtProfiler:
    """LiteRT's profiler, reached through the C interface of the library in ai-edge-litert.

    The Python interpreter does not let one in, so the artifact is loaded a second time, as a
    compiled model of the same runtime. Nothing is given back to the library: the process ends soon.
    """

    VERSIONS = ("2.3.",)  # a C interface does not tell its types: these versions were tried
    LIBRARIES = ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll")
    RUN, OPERATOR, DELEGATED = 1, 2, (4, 8)  # kinds of events
    CPU, TO_WRITE = 1, 1

    def __init__(self, entry: dict[str, Any]) -> None:
        self.graph: list[dict[str, Any]] = []  # the file tells of it
        _, runtime, version = _Tflite.library()
        self._library = self._open(runtime, version)
        self._kept: list[Any] = []  # what the library points to
        handle, size = self._handle, ctypes.c_size_t
        environment = handle("LiteRtCreateEnvironment", 0, None)
        path = os.fsencode(entry["path"])
        model = handle("LiteRtCreateModelFromFile", environment, ctypes.c_char_p(path))
        self._model = handle(
            "LiteRtCreateCompiledModel", environment, model, self._options(entry.get("threads", 1))
        )
        self._profiler = handle("LiteRtCompiledModelGetProfiler", self._model)
        self._signature = handle("LiteRtGetModelSignature", model, size(0))
        self._inputs = self._buffers(environment, "Input")
        self._outputs = self._buffers(environment, "Output")

    def _open(self, runtime: str, version: str) -> Any:
        """The library; refused where it is not known to be spoken to in this way."""
        if runtime != "ai-edge-litert":
            raise NotImplementedError(f"{runtime} has no profiler that Python reaches")
        if not version.startswith(self.VERSIONS):
            known = ", ".join(f"{v}x" for v in self.VERSIONS)
            raise NotImplementedError(
                f"the profiler of ai-edge-litert {version} is not known, {known} is"
            )
        import ai_edge_litert

        folder = os.path.dirname(ai_edge_litert.__file__)
        for name in self.LIBRARIES:
            if os.path.isfile(os.path.join(folder, name)):
                return ctypes.CDLL(os.path.join(folder, name))
        raise NotImplementedError(f"ai-edge-litert {version} comes without {self.LIBRARIES[0]}")

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name, None)
        if function is None:
            raise NotImplementedError(f"LiteRT's library has no {name}: it cannot be profiled")
        status = function(*arguments)
        if status:
            raise RuntimeError(f"LiteRT's {name} failed with status {status}")

    def _handle(self, name: str, *arguments: Any) -> Any:
        """What a function of the library gives through its last argument."""
        handle = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle

    def _number(self, name: str, *arguments: Any) -> int:
        number = ctypes.c_size_t()
        self._call(name, *arguments, ctypes.byref(number))
        return number.value

    def _options(self, threads: int) -> Any:
        options = self._handle("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, self.CPU)
        release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda text: None)  # Python owns it
        told = {"runtime_options_string": "enable_profiling = true\n"}
        told["xnnpack"] = f"num_threads = {int(threads)}\n"
        for name, text in told.items():
            key, value = ctypes.c_char_p(name.encode()), ctypes.c_char_p(text.encode())
            self._kept += [release, key, value]
            option = self._handle("LiteRtCreateOpaqueOptions", key, value, release)
            self._call("LiteRtAddOpaqueOptions", options, option)
        return options

    def _buffers(self, environment: Any, side: str) -> Any:
        """Memory for all tensors of one side, in the signature's order."""
        size, buffers = ctypes.c_size_t, []
        for i in range(self._number(f"LiteRtGetNumSignature{side}s", self._signature)):
            tensor = self._handle(
                f"LiteRtGetSignature{side}TensorByIndex", self._signature, size(i)
            )
            kind = _LiteRtTensorType()
            self._call("LiteRtGetRankedTensorType", tensor, ctypes.byref(kind))
            needs = f"LiteRtGetCompiledModel{side}BufferRequirements"
            wanted = self._handle(needs, self._model, size(0), size(i))
            create = "LiteRtCreateManagedTensorBufferFromRequirements"
            buffers.append(self._handle(create, environment, ctypes.byref(kind), wanted).value)
        return (ctypes.c_void_p * len(buffers))(*buffers)

    def take(self, arrays: dict[str, Any]) -> None:
        for i, buffer in enumerate(self._inputs):
            array = arrays[self._input_name(i, arrays)]
            handle = ctypes.c_void_p(buffer)
            if self._number("LiteRtGetTensorBufferSize", handle) < array.nbytes:
                raise ValueError(f"LiteRT's memory for input {i} is too small")
            memory = ctypes.c_void_p()
            self._call("LiteRtLockTensorBuffer", handle, ctypes.byref(memory), self.TO_WRITE)
            ctypes.memmove(memory, array.ctypes.data, array.nbytes)
            self._call("LiteRtUnlockTensorBuffer", handle)

    def _input_name(self, index: int, given: dict[str, Any]) -> str:
        """The port of an input, which goes by its tensor's name or by the signature's."""
        place = ctypes.c_size_t(index)
        tensor = self._handle("LiteRtGetSignatureInputTensorByIndex", self._signature, place)
        names = (
            self._text("LiteRtGetSignatureInputName", self._signature, place),
            self._text("LiteRtGetTensorName", tensor),
        )
        for name in names:
            if name in given:
                return name
        raise ValueError(f"the spec has no input '{names[0]}', only: {', '.join(given)}")

    def _text(self, name: str, *arguments: Any) -> str:
        text = ctypes.c_char_p()
        self._call(name, *arguments, ctypes.byref(text))
        return (text.value or b"").decode(errors="replace")

    def block(self, runs: int) -> list[Any]:
        return [self._sample() for _ in range(runs)]

    def _sample(self) -> Any:
        self._invoke()  # not counted: caches are cold after what lies between two runs
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        self._invoke()
        self._call("LiteRtStopProfiler", self._profiler)
        events = self._events()
        found = [e for e in events if e.kind == self.OPERATOR or e.kind in self.DELEGATED]
        took_ns = [event.took_us * 1e3 for event in found]
        runs_ns = [int(event.took_us) * 1000 for event in events if self._is_whole(event)]
        return [self._operator(event) for event in found], took_ns, runs_ns

    def _invoke(self) -> None:
        size = ctypes.c_size_t
        self._call(
            "LiteRtRunCompiledModel",
            self._model,
            size(0),
            size(len(self._inputs)),
            self._inputs,
            size(len(self._outputs)),
            self._outputs,
        )

    def _events(self) -> list[Any]:
        """What the profiler holds of the last run."""
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_LiteRtEvent * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        # Its memory is limited, and the first events go first.
        if sum(map(self._is_whole, events)) != 1:
            raise RuntimeError("LiteRT's profiler lost events: it holds too few for this artifact")
        return list(events)

    def _is_whole(self, event: Any) -> bool:
        return bool(event.kind == self.RUN and event.tag == b"Invoke")

    def _operator(self, event: Any) -> dict[str, Any]:
        return {
            "index": event.index,
            "name": "",
            "type": event.tag.decode(errors="replace"),
            "kernel": None,
            "delegate": "XNNPACK" if event.kind in self.DELEGATED else None,
        }


PROFILERS: dict[str, Any] = {"tflite": _LiteRtProfiler, "openvino": _OpenVinoProfiler}


def memory_bytes(field: str) -> int | None:
    """``VmRSS`` (now) or ``VmHWM`` (the peak) of this process.

    ``ru_maxrss`` would do only where there is no /proc: on Linux it survives exec, so a child
    reports its parent's peak.
    """
    for line in _text("/proc/self/status").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    if field == "VmRSS":
        return None
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Watch:
    """Looks at the machine's state now and then, not more often than it matters."""

    def __init__(self) -> None:
        self._started, self._last = time.monotonic(), -math.inf
        self.seen: list[dict[str, Any]] = []

    def due(self) -> bool:
        """Whether the last look is long enough ago."""
        return time.monotonic() - self._last >= WATCH_S

    def note(self, state: dict[str, Any] | None) -> None:
        """Keep what ``clocks`` told, if it was asked."""
        if state is not None:
            self._last = time.monotonic()
            self.seen.append({"s": self._last - self._started, **state})

    def look(self) -> None:
        """Ask here and now, if it is time."""
        self.note(clocks() if self.due() else None)


def describe_machine() -> dict[str, Any]:
    """What stays the same during a run. No host name: a report may be published."""
    affinity = getattr(os, "sched_getaffinity", None)
    governors = {_text(path) for path in glob.glob(CORES + "/cpufreq/scaling_governor")}
    return {
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "pinned": sorted(affinity(0)) if affinity else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "governor": ", ".join(sorted(governors)) or None,
        "power": power_source(),
        "emulator": emulator(),
        "virtual_machine": virtual_machine(),
        "container": container(),
        "quota_cores": quota_cores(),
    }


def describe_moment(children: list[int]) -> dict[str, Any]:
    """What changes: time, load, clock, temperature; and counters, whose differences tell.

    Those are seconds that all cores were busy, that a hypervisor took, and that this process and
    the children with these process ids used; and how often a quota or heat held the processor back.
    """
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "monotonic_s": time.monotonic(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        **clocks(),
        **busy_seconds(),
        "own_s": sum(process_seconds(process_id) for process_id in [os.getpid(), *children]),
        "quota_throttled": quota_throttled(),
        "heat_throttled": heat_throttled(),
        "firmware_throttled": firmware_throttled(),
    }


CORES = "/sys/devices/system/cpu/cpu[0-9]*"


def clocks() -> dict[str, float | None]:
    """The fastest core's clock and the hottest zone's temperature, None where nothing tells."""
    speeds = [khz / 1e3 for khz in _numbers(_texts(CORES + "/cpufreq/scaling_cur_freq"))]
    speeds = speeds or _numbers(_fields("/proc/cpuinfo", "cpu MHz"))
    heats = _numbers(_texts("/sys/class/thermal/thermal_zone*/temp"))
    return {
        "frequency_mhz": max(speeds, default=None),
        "temperature_c": max(heats) / 1e3 if heats else None,
    }


def busy_seconds() -> dict[str, Any]:
    """Since the start of the machine: ``busy_s`` and ``steal_s`` of all ``cores_of_machine``."""
    lines = _text("/proc/stat").splitlines()
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already
    fields = lines[0].split()[1:9] if lines and lines[0].startswith("cpu ") else []
    ticks = _numbers(fields)
    if len(ticks) < max(len(fields), IOWAIT + 1):
        return {"busy_s": None, "steal_s": None, "cores_of_machine": None}
    hertz = os.sysconf("SC_CLK_TCK")
    steal = ticks[7] if len(ticks) > STEAL else 0
    return {
        "busy_s": (sum(ticks) - ticks[IDLE] - ticks[IOWAIT] - steal) / hertz,
        "steal_s": steal / hertz,
        "cores_of_machine": sum(line.startswith("cpu") for line in lines) - 1,
    }


IDLE, IOWAIT, STEAL = 3, 4, 7


def process_seconds(process_id: int) -> float:
    """Seconds that a process and its ended children spent on cores; 0 where nothing tells."""
    # The name in the second field may hold spaces and parentheses.
    fields = _text(f"/proc/{process_id}/stat").rpartition(")")[2].split()
    return sum(_numbers(fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def threads_ns() -> dict[str, tuple[float, float]]:
    """Of each thread here, nanoseconds on a core, and ready for one; empty where nothing tells."""
    found = {}
    for path in glob.glob("/proc/self/task/*/schedstat"):
        numbers = _numbers(_text(path).split()[:2])
        if len(numbers) == 2:
            found[path] = (numbers[0], numbers[1])
    return found


def power_source() -> str | None:
    """``mains`` or ``battery``; None where nothing tells."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for path in glob.glob("/sys/class/power_supply/*"):
        kind = _text(path + "/type")
        kinds.setdefault(kind, []).append((_text(path + "/online"), _text(path + "/status")))
    if any(online == "1" for online, _ in kinds.get("Mains", []) + kinds.get("USB", [])):
        return "mains"
    if any(status == "Discharging" for _, status in kinds.get("Battery", [])):
        return "battery"
    return None


def emulator() -> str | None:
    """Which program plays the processor; None where none is known to."""
    # In user mode, QEMU answers for the program, but the kernel knows who really runs.
    # Started through binfmt_misc, it bears the program's name; and of the links to what runs, QEMU
    # fakes that of the process alone.
    names = _fields("/proc/self/status", "Name")
    with contextlib.suppress(OSError):
        names.append(os.path.basename(os.readlink("/proc/thread-self/exe")))
    for name in names:
        if name.startswith("qemu-"):
            return name
    if "QEMU TCG" in _text("/proc/cpuinfo") or "QEMU Virtual CPU" in _text("/proc/cpuinfo"):
        return "qemu-system"
    return None


def virtual_machine() -> str | None:
    """Whose virtual machine this is; None where it is none, or does not show."""
    vendor = _text("/sys/class/dmi/id/sys_vendor")
    flags = next(iter(_fields("/proc/cpuinfo", "flags")), "").split()
    board = _text("/proc/device-tree/compatible")
    if "hypervisor" in flags or "linux,dummy-virt" in board:
        return vendor or "unknown"
    return _text("/sys/hypervisor/type") or None


def container() -> str | None:
    """The kind of container that this runs in; None where none shows."""
    for path, kind in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if os.path.exists(path):
            return kind
    groups = _text("/proc/1/cgroup")
    for kind in ("docker", "kubepods", "lxc"):
        if kind in groups:
            return kind
    return os.environ.get("container") or None  # noqa: SIM112 - systemd spells it so


def quota_cores() -> float | None:
    """How many cores' time the control group may use; None where it is not limited."""
    quota, _, period = _group_text("cpu.max").partition(" ")
    if not period:
        quota, period = _group_text("cpu.cfs_quota_us"), _group_text("cpu.cfs_period_us")
    limited = quota.isdigit() and period.isdigit() and int(period) > 0
    return int(quota) / int(period) if limited else None


def quota_throttled() -> int | None:
    """How often the control group had used up its quota."""
    found = re.search(r"^nr_throttled (\d+)$", _group_text("cpu.stat"), re.MULTILINE)
    return int(found[1]) if found else None


def heat_throttled() -> int | None:
    """How often cores were slowed down because of heat."""
    counts = _numbers(_texts(CORES + "/thermal_throttle/*_throttle_count"))
    return int(sum(counts)) if counts else None


def firmware_throttled() -> int | None:
    """The bits of a Raspberry Pi's ``vcgencmd get_throttled``."""
    command = shutil.which("vcgencmd")
    if command is None:
        return None
    try:
        told = subprocess.run(
            [command, "get_throttled"], capture_output=True, text=True, timeout=5, check=True
        ).stdout
        return int(told.partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _group_text(name: str) -> str:
    """A file of this process' control group, of version 2 or 1."""
    own = _text("/proc/self/cgroup").rpartition("::")[2]
    version_1 = ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory")
    folders = (f"/sys/fs/cgroup{own}", "/sys/fs/cgroup", *version_1)
    return next(filter(None, (_text(f"{folder}/{name}") for folder in folders)), "")


def cpu_model() -> str:
    """The CPU's or the board's name."""
    board = _text("/proc/device-tree/model").strip("\0")
    for line in _text("/proc/cpuinfo").splitlines():
        if not board and line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return board or _arm_core() or platform.processor() or platform.machine()


def _arm_core() -> str:
    """What ARM calls the kinds of core, where nothing gives the processor a name."""
    told = ((what, _fields("/proc/cpuinfo", f"CPU {what}")) for what in ("implementer", "part"))
    kinds = [f"{what} {', '.join(sorted(set(values)))}" for what, values in told if values]
    return f"{platform.machine()} ({', '.join(kinds)})" if kinds else ""


def _fields(path: str, name: str) -> list[str]:
    """The values of all lines ``name: value`` of a file."""
    split = (line.partition(":") for line in _text(path).splitlines())
    return [value.strip() for key, _, value in split if key.strip() == name]


def _numbers(texts: list[str]) -> list[float]:
    """The numbers among texts: a driver may print anything, and that must not end a run."""
    found = []
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            found.append(number)
    return found


def _texts(pattern: str) -> list[str]:
    """The contents of all files that match, without those that cannot be read."""
    return [text for text in map(_text, sorted(glob.glob(pattern))) if text]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


# Memory bandwidth, in `bench`. The arrays are so large that the caches cannot hold them.

CACHE_MULTIPLE = 4  # STREAM's rule: every array at least four times the last-level cache
LEAST_ARRAY_BYTES = 64 * 2**20
MEMORY_SHARE = 0.2  # of the free memory, for each of the two arrays
BANDWIDTH_ROUNDS = 10
BANDWIDTH_S = 1.0


def moved_memory(threads: int) -> dict[str, Any]:
    """``copy_ns`` and ``read_ns`` of every pass over arrays of ``array_bytes`` bytes.

    A copy reads and writes each of them, and so moves twice as many, counted as STREAM does
    (J. McCalpin): the lines that a cache fetches only to overwrite them are not.
    """
    cache = cache_bytes()
    size = array_bytes(cache)
    source, sink = np.ones(size // 8), np.ones(size // 8)  # zeros would be pages that do not exist
    return {
        "threads": threads,
        "cache_bytes": cache,
        "array_bytes": source.nbytes,
        "copy_ns": passes(lambda a, b: np.copyto(b, a), source, sink, threads),
        "read_ns": passes(lambda a, b: a.max(), source, sink, threads),
    }


def passes(work: Any, source: Any, sink: Any, threads: int) -> list[int]:
    """Nanoseconds of each pass over the arrays, every thread on a part of its own.

    numpy lets go of the interpreter's lock while it copies or reads, so the threads overlap.
    """
    sources, sinks = np.array_split(source, threads), np.array_split(sink, threads)
    durations: list[int] = []
    end = time.perf_counter() + BANDWIDTH_S
    with ThreadPoolExecutor(threads) as pool:
        while len(durations) < BANDWIDTH_ROUNDS or time.perf_counter() < end:
            start = time.perf_counter_ns()
            list(pool.map(work, sources, sinks))
            durations.append(time.perf_counter_ns() - start)
    return durations


def array_bytes(cache: int | None) -> int:
    """How large each array is: by the rule of STREAM, as far as the free memory allows."""
    size = max(CACHE_MULTIPLE * (cache or 0), LEAST_ARRAY_BYTES)
    known = [free for free in (free_bytes(), free_bytes_of_group()) if free is not None]
    return min([size, *(int(free * MEMORY_SHARE) for free in known)])


def free_bytes() -> int | None:
    """The machine's memory that programs may still take; None where the system does not tell."""
    return kilobytes(_text("/proc/meminfo"), "MemAvailable")


def free_bytes_of_group() -> int | None:
    """What this control group may still take; None where it is not limited."""
    most = _group_text("memory.max") or _group_text("memory.limit_in_bytes")
    taken = _group_text("memory.current") or _group_text("memory.usage_in_bytes")
    limited = most.isdigit() and taken.isdigit()
    return max(0, int(most) - int(taken)) if limited else None


def cache_bytes() -> int | None:
    """The last-level caches of all CPUs together; None where the system does not tell."""
    found: dict[tuple[int, str], int] = {}
    for place in sorted(glob.glob("/sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*")):
        level, size = _text(place + "/level"), _text(place + "/size")
        if level.isdigit() and size.endswith("K") and _text(place + "/type") != "Instruction":
            # CPUs that share a cache name the same list of CPUs.
            found[int(level), _text(place + "/shared_cpu_list")] = int(size[:-1]) * 1024
    last = max((level for level, _ in found), default=None)
    return None if last is None else sum(s for (level, _), s in found.items() if level == last)


def kilobytes(text: str, field: str) -> int | None:
    """A field of one of /proc's tables in bytes; None where it is absent."""
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def read_spec(path: str) -> dict[str, Any]:
    """The parsed spec."""
    with open(path, encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    return spec


def located(entry: dict[str, Any], spec_path: str) -> dict[str, Any]:
    """The entry with its path taken from the folder of the spec."""
    folder = os.path.dirname(os.path.abspath(spec_path))
    path = os.path.join(folder, entry["path"])
    files = [os.path.join(folder, name) for name in entry.get("files", [path])]
    return {**entry, "path": path, "files": files}


def take_stdout() -> IO[bytes]:
    """Keep stdout for the protocol, and send to stderr what the runtimes print on it."""
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return channel


def send(channel: IO[bytes], value: Any) -> None:
    """One line of JSON."""
    channel.write(json.dumps(value).encode() + b"\n")
    channel.flush()


def main(arguments: list[str]) -> int:
    """0 when done, 1 after a fault, 2 for wrong arguments."""
    try:
        if arguments[:1] == ["burst"]:
            burst()
        elif arguments[:1] == ["serve"] and len(arguments) == 2:
            serve(arguments[1])
        elif arguments[:1] == ["bench"] and len(arguments) == 2:
            bench(arguments[1])
        elif arguments[:1] == ["profile"] and len(arguments) == 2:
            profile(arguments[1])
        else:
            sys.stderr.write("usage: python device.py serve|bench|profile SPEC.json\n")
            return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
