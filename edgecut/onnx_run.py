"""Networks on ONNX Runtime, in this process and without its optimisations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut.aside import large

if TYPE_CHECKING:
    from edgecut.network import Network

Arrays = list[NDArray[Any]]


def random_feeds(network: Network) -> dict[str, NDArray[Any]]:
    """One random input, the same every time: normal, or 0 and 1 for integers."""
    random = np.random.default_rng(0)
    return {
        spec.name: random.standard_normal(spec.shape).astype(spec.dtype)
        if "float" in spec.dtype
        else random.integers(0, 2, spec.shape).astype(spec.dtype)
        for spec in network.inputs
    }


def outputs_of(network: Network, feeds: dict[str, NDArray[Any]]) -> Arrays:
    """All outputs of a network, from ONNX Runtime."""
    proto, weights = network.outlined(large(network.model))
    return run(proto.SerializeToString(deterministic=True), {**feeds, **weights})


def run(model: bytes, feeds: dict[str, NDArray[Any]]) -> Arrays:
    """All outputs of a serialised model, from ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Optimised differently, equal networks differ in the last bits, and sorting magnifies those.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs: Arrays = session.run(None, feeds)
    return outputs
