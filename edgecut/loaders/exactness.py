"""Whether a network computes what the file that it was read from does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut.errors import EdgecutError
from edgecut.onnx_run import Arrays, outputs_of, random_feeds, run

if TYPE_CHECKING:
    from edgecut.aside import Weights
    from edgecut.network import Network

TOLERANCE = 1e-4  # of a tensor's largest magnitude


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
