"""Weights that are zero: what they would have multiplied is not needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecut.ops.region import Indices
from edgecut.ops.rule import Unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

_KEY = "edgecut.zeros"


def reached(
    weights: ir.Value | None, axis: int, *, kept_axis: int, kept: Indices | None
) -> Indices | None:
    """The indices on one axis of constant weights that reach any of what is kept on another.

    None where all of them do, or where the weights are computed. One at least is left, since
    nothing computes a tensor without elements. What is multiplied is taken to be finite.

    Raises:
        Unsupported: the weights have no such axes, which not every checker notices.
    """
    if weights is None or weights.const_value is None:
        return None
    joined = _joined(weights.const_value, axis, kept_axis)
    if joined is None:
        return None
    found = np.flatnonzero((joined if kept is None else joined[list(kept)]).any(axis=0))
    if len(found) == joined.shape[1]:
        return None
    return tuple(found.tolist()) or (0,)


def _joined(tensor: ir.TensorProtocol, axis: int, kept_axis: int) -> NDArray[np.bool_] | None:
    """Which index of ``kept_axis`` any weight joins to which of ``axis``; None where all are.

    It is found once for each weight and kept with it, for demand is asked often.
    """
    place = (axis, kept_axis)
    known = tensor.meta.setdefault(_KEY, {})
    if place not in known:
        if max(place) >= len(tensor.shape):
            raise Unsupported(f"its weights have {len(tensor.shape)} axes")
        array = np.moveaxis(np.asarray(tensor.numpy()), (kept_axis, axis), (0, 1))
        joined = np.any(array, axis=tuple(range(2, array.ndim)))
        known[place] = None if joined.all() else joined
    found: NDArray[np.bool_] | None = known[place]
    return found
