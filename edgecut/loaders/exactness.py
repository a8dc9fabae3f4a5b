"""Whether a network computes what the file that it was read from does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut.aside import large
from edgecut.errors import EdgecutError

if TYPE_CHECKING:
    from edgecut.aside import Weights
    from edgecut.network import Network

TOLERANCE = 1e-4  # of a tensor's largest magnitude
Arrays = list[NDArray[Any]]


def check_exact(original: bytes, apart: Weights, network: Network, where: str) -> None:
    """Run the file's own model and the network on one random input, and compare.

    The weights that are ``apart`` are inputs of ``original``. Where ONNX Runtime cannot run the
    file's own model, or that draws random numbers, there is nothing to compare with.

    Raises:
        EdgecutError: ``load-not-exact``.
    """
    feeds = random_feeds(network)
    try:
        expected = run(original, {**feeds, **apart})
    except Exception:  # ONNX Runtime raises many kinds
        return
    try:
        wrong = first_difference(outputs_of(network, feeds), expected)
    except Exception as error:
        wrong = f"ONNX Runtime no longer runs it ({str(error).splitlines()[0][:200]})"
    again = None if wrong is None else run(original, {**feeds, **apart})
    if again is not None and first_difference(again, expected) is None:
        raise EdgecutError(
            f"{where} does not survive loading: {wrong}",
            code="load-not-exact",
            hint="export the model again with opset 13 or newer and static shapes",
        )


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


def first_difference(got: Arrays, expected: Arrays, *, share: float = TOLERANCE) -> str | None:
    """What is other than expected, by more than a share of an output's largest magnitude."""
    if len(got) != len(expected):
        return f"there are {len(got)} outputs instead of {len(expected)}"
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        if np.shape(a) != np.shape(b):
            return f"output {i} has the shape {np.shape(a)} instead of {np.shape(b)}"
        if not _is_close(np.asarray(a), np.asarray(b), share):
            return f"output {i} has other values"
    return None


def _is_close(a: NDArray[Any], b: NDArray[Any], share: float = TOLERANCE) -> bool:
    if b.dtype.kind != "f":
        return np.array_equal(a, b)
    share = max(share, 4 * float(np.finfo(b.dtype).eps))
    largest = np.max(np.abs(b), where=np.isfinite(b), initial=0)
    return np.allclose(a, b, rtol=0, atol=share * float(largest), equal_nan=True)
