"""Runs artifacts where they will run: one file, the standard library, numpy and one runtime.

    python device.py serve SPEC.json    answers arrays with arrays, to verify an artifact
    python device.py bench SPEC.json    times artifacts in turn and prints a JSON report
    python device.py bandwidth THREADS  copies and reads memory and prints a JSON report

It takes Python 3.9 to 3.13 and nothing of edgecut, so that it can be copied to a device.

An *entry* is ``{"path", "format", "threads", "device", "inputs", "outputs"}``: ``format`` is
``tflite``, ``openvino`` or ``onnx``, the ports are what ``edgecut.artifact.Port.to_json`` gives,
and a relative path is taken from the folder of the spec.

``serve``: the spec is one entry. One JSON line tells the runtime and its version. After that,
every request is one ``.npy`` per declared input, in the network's layout, on stdin; its answer is
one ``.npy`` per declared output, in the network's layout, on stdout. End of input ends it.

``bench``: the spec is ``{"artifacts": [entry with "name", ...], "duration_s", "warm_up_s",
"burst_s", "pause_s"}``. Every artifact has a process of its own; they run short bursts in turn
(A B A B ...), so that what disturbs the machine disturbs all of them alike.
"""

from __future__ import annotations

import gc
import glob
import io
import json
import math
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np

MINIMUM_ROUNDS = 5
MAXIMUM_RUNS = 1000  # of one burst, so that reports on very fast artifacts stay small

# Each runtime has: library() -> (module, package, version); inputs and outputs, the facts of every
# tensor by name; feed(name, array), invoke(), fetch(name) -> array.


class _Tflite:
    """A TFLite file on LiteRT, or on the older tflite-runtime. Tensors are found by name."""

    def __init__(self, path: str, threads: int, device: str) -> None:
        module, self.runtime, self.version = self.library()
        self._interpreter = module.Interpreter(model_path=path, num_threads=threads)
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

    def __init__(self, path: str, threads: int, device: str) -> None:
        openvino, self.runtime, self.version = self.library()
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "CPU":
            # Some CPUs would otherwise run a float32 artifact in bfloat16 or float16 unasked.
            options.update(INFERENCE_NUM_THREADS=threads, INFERENCE_PRECISION_HINT="f32")
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(path), device, options)
        self._tensor = openvino.Tensor
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
        # start_async + wait runs on what was set; infer() would build a result dictionary.
        self._request.start_async()
        self._request.wait()

    def fetch(self, name: str) -> Any:
        return np.array(self._request.get_tensor(self.outputs[name]["handle"]).data)


class _OnnxRuntime:
    """An ONNX file on ONNX Runtime's CPU provider."""

    def __init__(self, path: str, threads: int, device: str) -> None:
        onnxruntime, self.runtime, self.version = self.library()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
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


class Loaded:
    """An artifact on its runtime, spoken to in the network's layout and in real values."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.inputs, self.outputs = entry["inputs"], entry["outputs"]
        runtime = RUNTIMES[entry["format"]]
        self.runtime = runtime(entry["path"], entry.get("threads", 1), entry.get("device") or "CPU")
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
    environment = describe_machine()
    before = describe_moment()
    children: list[Child] = []
    try:
        for entry in spec["artifacts"]:
            # One after the other: a load must not be disturbed by another's.
            children.append(Child({**located(entry, spec_path), "warm_up_s": spec["warm_up_s"]}))
        bursts = interleave(children, spec)
    finally:
        for child in children:
            child.close()
    artifacts = [
        {**child.facts, "name": child.name, "bursts_ns": bursts[i]}
        for i, child in enumerate(children)
    ]
    environment.update(before=before, after=describe_moment())
    send(channel, {"artifacts": artifacts, "environment": environment})


def interleave(children: list[Child], spec: dict[str, Any]) -> list[list[list[int]]]:
    """Bursts of all children in turn; for each child, for each round, nanoseconds."""
    slowest_s = max(child.facts["warm_ns"] for child in children) / 1e9
    # A burst spends one run on settling, so it is never shorter than two runs.
    burst_s = max(spec["burst_s"], 2 * slowest_s)
    rounds = max(MINIMUM_ROUNDS, math.ceil(spec["duration_s"] / burst_s))
    bursts: list[list[list[int]]] = [[] for _ in children]
    for _ in range(rounds):
        for i, child in enumerate(children):
            runs = round(burst_s * 1e9 / child.facts["warm_ns"])
            bursts[i].append(child.burst(min(max(1, runs), MAXIMUM_RUNS)))
            time.sleep(spec["pause_s"])  # idle thread pools spin for a while before they sleep
    return bursts


class Child:
    """A fresh process that holds one artifact, and runs it when told."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name = entry["name"]
        safe_path = ["-P"] if getattr(sys.flags, "safe_path", False) else []
        command = [sys.executable, *safe_path, os.path.abspath(__file__), "burst"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.facts = self._ask(entry)

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            self.close()
            code = self._process.returncode
            raise RuntimeError(f"the process of '{self.name}' ended with exit code {code}")
        return json.loads(answer)

    def burst(self, runs: int) -> list[int]:
        """Nanoseconds of that many runs."""
        answer = self._ask(runs)
        self.facts["peak_memory_bytes"] = answer["peak_memory_bytes"]
        return list(answer["ns"])

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
    """The child of ``bench``: load, warm up, then run as often as each line of input says."""
    channel = take_stdout()
    entry = json.loads(sys.stdin.readline())
    started = time.perf_counter_ns()
    RUNTIMES[entry["format"]].library()
    imported = time.perf_counter_ns()
    memory = memory_bytes("VmRSS")
    loading = time.perf_counter_ns()
    loaded = Loaded(entry)
    load_ms = (time.perf_counter_ns() - loading) / 1e6
    loaded.feed(noise(loaded.inputs))
    gc.disable()
    first_ns = timed(loaded.runtime, 1)[0]
    facts = {
        "runtime": loaded.runtime.runtime,
        "version": loaded.runtime.version,
        "import_ms": (imported - started) / 1e6,
        "load_ms": load_ms,
        "first_ms": first_ns / 1e6,
        "memory_before_load_bytes": memory,
        "warm_ns": warm_up(loaded.runtime, entry["warm_up_s"]),
    }
    send(channel, facts)
    for line in sys.stdin:
        loaded.runtime.invoke()  # not counted: caches are cold after another's burst
        ns = timed(loaded.runtime, int(line))
        send(channel, {"ns": ns, "peak_memory_bytes": memory_bytes("VmHWM")})


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


def describe_machine() -> dict[str, Any]:
    """What stays the same during a run. No host name: a report may be published."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
    }


def describe_moment() -> dict[str, Any]:
    """What changes: the time, the load average, the first core's clock and temperature."""
    frequency = _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    temperature = _text("/sys/class/thermal/thermal_zone0/temp")
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "frequency_mhz": int(frequency) / 1e3 if frequency else None,
        "temperature_c": int(temperature) / 1e3 if temperature else None,
    }


def cpu_model() -> str:
    """The CPU's or the board's name."""
    board = _text("/proc/device-tree/model").strip("\0")
    for line in _text("/proc/cpuinfo").splitlines():
        if not board and line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return board or platform.processor() or platform.machine()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


# Memory bandwidth: `bandwidth`. The arrays are so large that the caches cannot hold them.

CACHE_MULTIPLE = 4  # STREAM's rule: every array at least four times the last-level cache
LEAST_ARRAY_BYTES = 64 * 2**20
MEMORY_SHARE = 0.2  # of the free memory, for each of the two arrays
BANDWIDTH_ROUNDS = 10
BANDWIDTH_S = 1.0


def bandwidth(threads: int) -> None:
    """Time copies and reads of large arrays, and print the report.

    ``copy_ns`` and ``read_ns`` hold every pass over ``array_bytes`` bytes. A copy reads and writes
    each of them, and so moves twice as many, counted as STREAM does (J. McCalpin): the lines that
    a cache fetches only to overwrite them are not.
    """
    channel = take_stdout()
    environment = describe_machine()
    before = describe_moment()
    cache = cache_bytes()
    size = array_bytes(cache)
    source, sink = np.ones(size // 8), np.zeros(size // 8)  # written: pages exist from here on
    report = {
        "threads": threads,
        "cache_bytes": cache,
        "array_bytes": source.nbytes,
        "copy_ns": passes(lambda a, b: np.copyto(b, a), source, sink, threads),
        "read_ns": passes(lambda a, b: a.max(), source, sink, threads),
    }
    environment.update(before=before, after=describe_moment())
    send(channel, {**report, "environment": environment})


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
    free = kilobytes(_text("/proc/meminfo"), "MemAvailable")
    return size if free is None else min(size, int(free * MEMORY_SHARE))


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


def _is_count(text: str) -> bool:
    return text.isdigit() and int(text) > 0


def read_spec(path: str) -> dict[str, Any]:
    """The parsed spec."""
    with open(path, encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    return spec


def located(entry: dict[str, Any], spec_path: str) -> dict[str, Any]:
    """The entry with its path taken from the folder of the spec."""
    folder = os.path.dirname(os.path.abspath(spec_path))
    return {**entry, "path": os.path.join(folder, entry["path"])}


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
        elif arguments[:1] == ["bandwidth"] and len(arguments) == 2 and _is_count(arguments[1]):
            bandwidth(int(arguments[1]))
        else:
            sys.stderr.write("usage: python device.py serve|bench SPEC.json | bandwidth THREADS\n")
            return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
