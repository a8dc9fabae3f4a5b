"""TFLite files in int8 and float16, by ai-edge-quantizer on the float32 file.

What ai-edge-quantizer 0.10 does with a minimum and a maximum per tensor: one scale per tensor, and
one per output channel for weights. RESHAPE, TRANSPOSE, slices, PAD, pooling and resizing keep the
scale of their input. CONCATENATION and PADV2 force the scale of their output on their inputs, by a
QUANTIZE where an input already has another. LOGISTIC, TANH and SOFTMAX have a fixed output scale.
A constant operand of MUL or ADD has one scale as well, however far apart its values are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.artifact import Emitted, Port
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.quantise.gained import Step, stays_float
from edgecut.quantise.ranges import VALUES
from edgecut.quiet import quiet
from edgecut.target import Int8
from edgecut.tflite_file import name_of, packed, results_of, tensors_of, type_of

Array = NDArray[Any]
Sample = Array | Mapping[str, Array]
Ranges = Mapping[str, tuple[float, float]]
Progress = Callable[[int, int], None]
Rule = dict[str, Any]

# Padding with minus infinity shows as a range like this; an int8 step of it holds nothing.
_UNBOUNDED = 1e30
_SUFFIX = ".tflite"

_FLOAT = {"algorithm_key": "no_quantize"}
_FLOAT16 = {
    "algorithm_key": "float_casting",
    "op_config": {
        "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
        "compute_precision": "FLOAT",
        "explicit_dequantize": True,
    },
}


def quantise(
    emitted: Emitted,
    samples: Iterable[Sample],
    scheme: str,
    int8: Int8,
    *,
    float_tail: Sequence[str] = (),
    ranges: Ranges | None = None,
    progress: Progress | None = None,
) -> Emitted:
    """The artifact in int8 (weights per channel, activations per tensor) or float16 (weights only).

    Names, order and layout of inputs and outputs stay. ``notes`` names the operations that stayed
    float though they were not asked to.

    Args:
        emitted: a float32 TFLite artifact.
        samples: what ``calibrate`` takes; not read for float16, nor where ``ranges`` are given.
        scheme: ``int8`` or ``float16``.
        int8: what crosses the boundary of an int8 file.
        float_tail: names of tensors; the operations that give them stay in float, and inputs cross
            the boundary as float32.
        ranges: what ``calibrate`` gave, perhaps changed; saves measuring it again.
        progress: told (samples done, samples in all, or 0 where unknown) after each sample.

    Raises:
        EdgecutError: ``scheme-not-allowed``, ``unknown-tensor``, ``not-float32``, ``no-samples``,
            ``bad-sample``, ``unbounded-range``, ``weights-overflow`` or ``quantisation-failed``.
        MissingPackage: where ai-edge-quantizer is not installed.
    """
    before = _read(emitted)
    _require_known(float_tail, before)
    if scheme == "float16":
        model = _quantised(emitted, _float16_rules(float_tail), None)
        _require_finite(model)
        notes: tuple[str, ...] = ()
    elif scheme == "int8":
        _require_per_tensor(int8)
        measured = ranges if ranges is not None else calibrate(emitted, samples, progress=progress)
        _require_bounded(measured, float_tail)
        model = _quantised(emitted, _int8_rules(int8, float_tail), measured)
        notes = _left_float(model, float_tail)
    else:
        raise EdgecutError(f"a TFLite file has no scheme '{scheme}'", code="scheme-not-allowed")
    _keep_float_inputs(before, model, float_tail)
    _restore_names(before, model)
    tensors = tensors_of(model, "inputs") | tensors_of(model, "outputs")
    return replace(
        emitted,
        scheme=scheme,
        files={_SUFFIX: packed(model)},
        inputs=tuple(_port(port, tensors[port.artifact_name]) for port in emitted.inputs),
        outputs=tuple(_port(port, tensors[port.artifact_name]) for port in emitted.outputs),
        notes=(*emitted.notes, *notes),
    )


def around_gains(emitted: Emitted, gains: str) -> tuple[str, ...]:
    """What stays float in int8 where a network takes gains: they themselves, and ``stays_float``.

    Args:
        emitted: a float32 TFLite artifact.
        gains: the network's name of the input.

    Raises:
        EdgecutError: ``not-float32``.
        MissingPackage: where ai-edge-quantizer is not installed.
    """
    (name,) = (port.artifact_name for port in emitted.inputs if port.network_name == gains)
    outputs = [port.artifact_name for port in emitted.outputs]
    return (name, *stays_float(_steps(_read(emitted)), gains=name, outputs=outputs))


def around_scores(emitted: Emitted) -> tuple[str, ...]:
    """What stays float in int8 where no sample shows how far scores reach: see ``stays_float``.

    Raises:
        EdgecutError: ``not-float32``.
        MissingPackage: where ai-edge-quantizer is not installed.
    """
    outputs = [port.artifact_name for port in emitted.outputs]
    return stays_float(_steps(_read(emitted)), outputs=outputs)


def calibrate(
    emitted: Emitted, samples: Iterable[Sample], *, progress: Progress | None = None
) -> dict[str, tuple[float, float]]:
    """The range (minimum, maximum) of every tensor of a float32 TFLite artifact, by tensor name.

    The range of an input holds all of its values; that of any other tensor is what the extremes of
    about 33,000 of its values come to on average: of one sample, or of several where they are
    small. No order of the samples changes it, and no outlier moves it far.

    Args:
        emitted: a float32 TFLite artifact.
        samples: network inputs in the network's layout, (1, C, H, W): one array, or one per input
            name. Read once, one at a time.
        progress: told (samples done, samples in all, or 0 where unknown) after each sample.

    Raises:
        EdgecutError: ``not-float32``, ``no-samples`` or ``bad-sample``.
        MissingPackage: where ai-edge-quantizer is not installed.
    """
    model = _read(emitted)
    exact = tensors_of(model, "inputs")
    values = {name_of(t): int(np.prod(t.shape)) for t in model.subgraphs[0].tensors}
    total = len(samples) if isinstance(samples, Sized) else 0
    observed: list[dict[str, Array]] = []
    for extremes in _observations(emitted, samples):
        observed.append(extremes)
        if progress is not None:
            progress(len(observed), total)
    if not observed:
        raise EdgecutError(
            "there is no sample to calibrate with",
            code="no-samples",
            hint="int8 needs samples of what the network will see; a hundred are plenty",
        )
    return {
        name: _range(
            np.stack([extremes[name] for extremes in observed]),
            together=len(observed) if name in exact else math.ceil(VALUES / values[name]),
        )
        for name in observed[0]
    }


def _range(extremes: Array, *, together: int) -> tuple[float, float]:
    """The mean extremes of so many samples, over all choices of them; shape (samples, 2)."""
    low, high = extremes.T
    return -_mean_maximum(-low, together), _mean_maximum(high, together)


def _mean_maximum(values: Array, together: int) -> float:
    """The mean over all subsets of this size of their largest value."""
    count = len(values)
    together = min(together, count)
    # The i-th smallest is the largest of as many subsets as the ones below it can fill.
    every = math.comb(count, together)
    shares = [math.comb(i, together - 1) / every for i in range(count)]
    # fsum rounds once, so that no order of samples changes a bit.
    return math.fsum(v * share for v, share in zip(np.sort(values).tolist(), shares, strict=True))


def _observations(emitted: Emitted, samples: Iterable[Sample]) -> Iterator[dict[str, Array]]:
    """For each sample, the (minimum, maximum) of every tensor."""
    from ai_edge_quantizer import calibrator, recipe_manager

    with quiet():
        # The runtime's profiler sees every tensor and keeps none. Keeping all of them gives the
        # same ranges, several times slower and with all activations in memory.
        observer = calibrator.Calibrator(
            emitted.files[_SUFFIX],
            num_threads=1,
            mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
        )
    (signature,) = observer.get_signature_list()
    for sample in samples:
        data = _arranged(sample, emitted.inputs)
        with quiet():
            observer.calibrate({signature: [data]}, recipe_manager.RecipeManager())
        yield {
            name: np.array([np.min(seen["min"]), np.max(seen["max"])], np.float64)
            for name, seen in observer.get_model_qsvs().items()
        }
        # Unless reset it keeps a moving average, in which the first of 24 samples weighs 31 %.
        observer.reset_model_qsvs()


def _arranged(sample: Sample, ports: Sequence[Port]) -> dict[str, Array]:
    """The sample as the artifact takes it, by the artifact's names."""
    arrays = {ports[0].network_name: sample} if isinstance(sample, np.ndarray) else dict(sample)
    wanted = [port.network_name for port in ports]
    if set(arrays) != set(wanted):
        told = f"a sample holds {', '.join(arrays)}; the network takes {', '.join(wanted)}"
        raise EdgecutError(told, code="bad-sample")
    return {port.artifact_name: _permuted(arrays[port.network_name], port) for port in ports}


def _permuted(array: Array, port: Port) -> Array:
    if array.ndim == len(port.shape):
        moved = np.ascontiguousarray(array.transpose(port.permutation), dtype=port.dtype)
        if moved.shape == port.shape and np.isfinite(moved).all():
            return moved
    raise EdgecutError(
        f"a sample for '{port.network_name}' has shape {array.shape}, or values that are not "
        f"finite; permuted by {port.permutation} it must have shape {port.shape}",
        code="bad-sample",
        where=port.network_name,
    )


def _int8_rules(int8: Int8, float_tail: Sequence[str]) -> list[Rule]:
    """Static int8 for all but the tail and, where the target says so, the boundary.

    Of the rules that match an operation the last one holds. A regex is searched for in the names of
    an operation's outputs, each with a semicolon behind it.
    """
    from ai_edge_quantizer import recipe

    (static,) = recipe.static_wi8_ai8()
    sides = {"INPUT": int8.input, "OUTPUT": int8.output}
    boundary = [
        {**(static if dtype == "int8" else _FLOAT), "regex": "^", "operation": side}
        for side, dtype in sides.items()
    ]
    return [static, *_exempt(float_tail), *boundary]


def _float16_rules(float_tail: Sequence[str]) -> list[Rule]:
    """Weights of convolutions and matrix products in float16, widened as the file is loaded."""
    return [{**_FLOAT16, "regex": ".*", "operation": "*"}, *_exempt(float_tail)]


def _exempt(names: Sequence[str]) -> list[Rule]:
    scope = f"(^|;)({'|'.join(map(re.escape, names))});"
    return [{**_FLOAT, "regex": scope, "operation": "*"}] if names else []


def _quantised(emitted: Emitted, rules: list[Rule], ranges: Ranges | None) -> Any:
    """The quantised model, as an object."""
    from ai_edge_litert.tools import flatbuffer_utils
    from ai_edge_quantizer import Quantizer

    statistics = None
    if ranges is not None:
        statistics = {
            n: {"min": np.array([a]), "max": np.array([b])} for n, (a, b) in ranges.items()
        }
    try:
        with quiet():
            quantizer = Quantizer(emitted.files[_SUFFIX], rules)
            result = quantizer.quantize(statistics, enable_progress_report=False)
    except (ValueError, RuntimeError, KeyError) as error:
        raise EdgecutError(
            f"ai-edge-quantizer refuses the file: {error}",
            code="quantisation-failed",
            hint="leave the operation that it names in float, or build float32",
        ) from error
    return flatbuffer_utils.read_model_from_bytearray(bytearray(result.quantized_model))


def _read(emitted: Emitted) -> Any:
    """The float32 model, as an object."""
    try:
        import ai_edge_quantizer  # noqa: F401
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError as error:
        why = "quantising a TFLite file"
        raise MissingPackage("ai-edge-quantizer", extra="tflite", why=why) from error
    if emitted.format != "tflite" or emitted.scheme != "float32":
        raise EdgecutError(
            f"only a float32 TFLite file can be quantised, not {emitted.scheme} {emitted.format}",
            code="not-float32",
        )
    return flatbuffer_utils.read_model_from_bytearray(bytearray(emitted.files[_SUFFIX]))


def _steps(model: Any) -> list[Step]:
    """The operations of the file, in order."""
    from ai_edge_litert.tools import flatbuffer_utils

    graph, steps = model.subgraphs[0], []
    variable = set(tensors_of(model, "inputs"))
    for operator in graph.operators:
        reads = {name_of(graph.tensors[i]) for i in operator.inputs if i >= 0}
        makes = tuple(name_of(graph.tensors[i]) for i in operator.outputs)
        kind = str(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex))
        steps.append(Step(kind=kind, reads=frozenset(reads & variable), makes=makes))
        variable.update(makes)
    return steps


def _restore_names(before: Any, model: Any) -> None:
    """Give the boundary its names back: the quantiser appends '_dequant' or '_quantized'."""
    graph = model.subgraphs[0]
    for side in ("inputs", "outputs"):
        for name, index in zip(tensors_of(before, side), getattr(graph, side), strict=True):
            for tensor in graph.tensors:
                if name_of(tensor) == name and tensor is not graph.tensors[index]:
                    tensor.name = f"{name}_inside"
            graph.tensors[index].name = name


def _keep_float_inputs(before: Any, model: Any, names: Sequence[str]) -> None:
    """Let these inputs cross the boundary as float32; the quantiser treats all inputs alike."""
    graph = model.subgraphs[0]
    for place, name in enumerate(tensors_of(before, "inputs")):
        index = graph.inputs[place]
        if name not in names or type_of(graph.tensors[index]) == "float32":
            continue
        (widening,) = (step for step in graph.operators if index in step.inputs)
        graph.operators.remove(widening)
        graph.inputs[place] = widening.outputs[0]
        for tensor in model.signatureDefs[0].inputs:
            if tensor.tensorIndex == index:
                tensor.tensorIndex = widening.outputs[0]


def _port(port: Port, tensor: Any) -> Port:
    """The port with the type and scale that the quantised file states."""
    dtype = type_of(tensor)
    if dtype != "int8":
        return replace(port, dtype=dtype)
    (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zeroPoint
    return replace(port, dtype=dtype, scale=float(scale), zero_point=int(zero_point))


def _left_float(model: Any, float_tail: Sequence[str]) -> tuple[str, ...]:
    """A note for each kind of operation that stayed float without being asked to."""
    left: dict[str, list[str]] = {}
    for operation, tensor in results_of(model):
        asked = operation == "DEQUANTIZE" or name_of(tensor) in float_tail
        if type_of(tensor) == "float32" and not asked:
            left.setdefault(operation, []).append(name_of(tensor))
    return tuple(
        f"{operation} stays float in int8 ({len(names)}): {', '.join(names[:3])}"
        for operation, names in sorted(left.items())
    )


def _require_known(float_tail: Sequence[str], model: Any) -> None:
    known = {name_of(tensor) for _, tensor in results_of(model)} | set(tensors_of(model, "inputs"))
    unknown = [name for name in float_tail if name not in known]
    if unknown:
        told = f"no operation of the file gives '{unknown[0]}'"
        raise EdgecutError(told, code="unknown-tensor", where=unknown[0])


def _require_per_tensor(int8: Int8) -> None:
    if int8.activations != "per-tensor":
        told = f"a TFLite file has no {int8.activations} scales for activations"
        raise EdgecutError(told, code="scheme-not-allowed", hint="it has per-tensor ones")


def _require_bounded(ranges: Ranges, float_tail: Sequence[str]) -> None:
    for name, pair in ranges.items():
        # Written so that NaN is refused as well.
        if name not in float_tail and not max(abs(pair[0]), abs(pair[1])) < _UNBOUNDED:
            raise EdgecutError(
                f"'{name}' reaches from {pair[0]} to {pair[1]}; int8 cannot hold that",
                code="unbounded-range",
                where=name,
                hint="where it comes from padding with minus infinity, pad with 0 after a ReLU",
            )


def _require_finite(model: Any) -> None:
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is None or type_of(tensor) != "float16":
            continue
        if not np.isfinite(np.frombuffer(bytes(data), np.float16)).all():
            raise EdgecutError(
                f"weights of '{name_of(tensor)}' are beyond 65504, the largest float16",
                code="weights-overflow",
                where=name_of(tensor),
                hint="build float32, or leave the operation that uses them in float",
            )
