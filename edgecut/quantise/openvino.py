"""OpenVINO IR in int8, by NNCF's post-training quantisation of the network."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut.artifact import Emitted
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.openvino_ir import emitted, openvino_package, read
from edgecut.quantise.gained import Step, stays_float
from edgecut.quantise.ranges import VALUES

if TYPE_CHECKING:
    from edgecut.network import Network, Sample

Feeds = dict[str, NDArray[Any]]
Progress = Callable[[int, int], None]


def quantise(
    network: Network, samples: Iterable[Sample], *, progress: Progress | None = None
) -> Emitted:
    """The network as int8 OpenVINO IR, float32 in and out; the same input gives the same bytes.

    Weights are per channel, and so are the inputs of most depthwise convolutions; other
    activations are per tensor. Their ranges are NNCF's means of the samples' extremes, or, where
    all tensors are small, the extremes of all samples. Where the network takes gains, what they
    scale and what leads from there to the outputs stays in float.

    Args:
        network: static shapes.
        samples: images (1, C, H, W), or an array for each input by name; all are used, and held in
            memory together.
        progress: told (samples done, samples in all) after each sample.

    Raises:
        EdgecutError: ``no-samples``, ``quantisation-failed``, or what ``Network.feeds`` raises.
        MissingPackage: where openvino or nncf is not installed.
    """
    held = [network.feeds(sample) for sample in samples]
    if not held:
        raise EdgecutError(
            "there is no sample to calibrate with",
            code="no-samples",
            hint="int8 needs samples of what the network will see; a hundred are plenty",
        )
    return emitted(_quantised(network, held, progress), network, "int8")


def _quantised(network: Network, held: Sequence[Feeds], progress: Progress | None) -> Any:
    """The quantised ``ov.Model``."""
    nncf = _nncf()

    def nth(place: int) -> Feeds:
        if progress is not None:
            progress(place + 1, len(held))
        return held[place]

    # NNCF sees only what is there: unfused, a SiLU gets three scales where it needs one, and an
    # unfolded depthwise weight none.
    model = read(network)
    kept = _kept_float(model, network)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # NNCF's progress bars
            quantised = nncf.quantize(
                model,
                nncf.Dataset(range(len(held)), nth),
                # Activations are not symmetric around zero, those of SiLU least of all.
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(held),
                ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    # Correcting biases for the mean error of weights made errors larger: on a
                    # network of 32x32 images by 8 dB, and on YOLOX-nano AP no better.
                    disable_bias_correction=True,
                    activations_range_estimator_params=_estimator(nncf, model),
                ),
            )
    except Exception as error:  # NNCF's errors have no base of their own
        raise EdgecutError(
            f"NNCF does not quantise {network.name}: {str(error).strip()}",
            code="quantisation-failed",
            hint="build float32 or float16",
        ) from error
    if kept:
        # NNCF notes them in the file, under names that OpenVINO numbers anew each time.
        told = ["nncf", "quantization", "ignored_scope", "names"]
        quantised.set_rt_info("around the gains", told)
    return quantised


def _estimator(nncf: Any, model: Any) -> Any:
    """How ranges come from samples: a mean of extremes cuts off the peaks of small tensors."""
    from nncf.quantization import range_estimator

    largest = max(
        int(np.prod(output.get_shape()))
        for node in model.get_ops()
        if node.get_type_name() != "Constant"
        for output in node.outputs()
    )
    if largest < VALUES:
        return range_estimator.RangeEstimatorParametersSet.MINMAX
    return range_estimator.RangeEstimatorParameters()


def _kept_float(model: Any, network: Network) -> list[str]:
    """The names of the operations that stay in float, where the network takes gains."""
    if network.attention is None:
        return []
    outputs = [_maker(port) for result in model.get_results() for port in result.inputs()]
    return list(stays_float(_steps(model), gains=network.attention.input, outputs=outputs))


def _steps(model: Any) -> list[Step]:
    """The operations of the model, in order; what one makes goes by its name."""
    steps: list[Step] = []
    variable = {node.get_friendly_name() for node in model.get_parameters()}
    for node in model.get_ordered_ops():
        reads = variable.intersection(_maker(port) for port in node.inputs())
        if reads and node.get_type_name() != "Result":
            name = node.get_friendly_name()
            steps.append(Step(kind=node.get_type_name(), reads=frozenset(reads), makes=(name,)))
            variable.add(name)
    return steps


def _maker(port: Any) -> str:
    """The name of the operation that makes what this input of another one reads."""
    return str(port.get_source_output().get_node().get_friendly_name())


def _nncf() -> Any:
    """NNCF, without OpenVINO's telemetry and its own log."""
    openvino_package()
    try:
        import nncf
    except ImportError as error:
        raise MissingPackage("nncf", extra="openvino", why="int8 for OpenVINO") from error
    nncf.set_log_level(logging.ERROR)
    return nncf
