"""Weights that are zero: what they would have multiplied is not needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Indices

if TYPE_CHECKING:
    import onnx_ir as ir


def reached(
    weights: ir.Value | None, axis: int, *, kept_axis: int, kept: Indices | None
) -> Indices | None:
    """The indices on one axis of constant weights that reach any of what is kept on another.

    None where all of them do, or where the weights are computed. One at least is left, since
    nothing computes a tensor without elements. What is multiplied is taken to be finite.
    """
    if weights is None or weights.const_value is None:
        return None
    array = np.asarray(weights.const_value.numpy())
    if kept is not None:
        array = np.take(array, kept, axis=kept_axis)
    others = tuple(i for i in range(array.ndim) if i != axis % array.ndim)
    found = np.flatnonzero(np.any(array, axis=others))
    if len(found) == array.shape[axis]:
        return None
    return tuple(found.tolist()) or (0,)
