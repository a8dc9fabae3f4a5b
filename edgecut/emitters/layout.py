"""Layout as a view: a tensor of the network, and the order in which its axes are stored.

A permutation says where stored axes come from: stored axis ``i`` is logical axis
``permutation[i]``. NHWC storage of an NCHW tensor is ``(0, 2, 3, 1)``. Axes of length 1 do not
move data, so two permutations that order the longer axes alike differ only by a reshape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Permutation = tuple[int, ...]
Shape = tuple[int, ...]

NHWC: Permutation = (0, 2, 3, 1)


def logical(rank: int) -> Permutation:
    """The permutation that stores axes in the network's own order."""
    return tuple(range(rank))


def stored_shape(shape: Shape, permutation: Permutation) -> Shape:
    """The shape as stored."""
    return tuple(shape[axis] for axis in permutation)


def moves_data(shape: Shape, before: Permutation, after: Permutation) -> bool:
    """Whether going from one storage order to the other needs more than a reshape."""
    return _long_axes(shape, before) != _long_axes(shape, after)


def after_transpose(permutation: Permutation, axes: Sequence[int]) -> Permutation:
    """Storage order of a transposed tensor whose data did not move.

    Axis ``j`` of the transposed tensor is axis ``axes[j]`` of the original (ONNX ``perm``).
    """
    position = {axis: new for new, axis in enumerate(axes)}
    return tuple(position[axis] for axis in permutation)


def with_leading(permutation: Permutation, rank: int) -> Permutation:
    """Storage order after axes of length 1 were put in front, up to that rank."""
    added = rank - len(permutation)
    return (*range(added), *(axis + added for axis in permutation))


def without(permutation: Permutation, axes: Sequence[int]) -> Permutation:
    """Storage order after these logical axes were removed."""
    kept = [axis for axis in permutation if axis not in axes]
    return tuple(sum(other < axis for other in kept) for axis in kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A length that is part of one axis before a reshape and of one axis after it."""

    size: int
    before: int
    after: int


def factors(before: Shape, after: Shape) -> tuple[Factor, ...] | None:
    """The common factors of two shapes, in row-major order, without those of length 1.

    None where the shapes have no common refinement, as (4, 6) and (6, 4).
    """
    steps = sorted(_boundaries(before) | _boundaries(after), reverse=True)
    if any(large % small for large, small in pairwise(steps)):
        return None
    return tuple(
        Factor(size=large // small, before=_owner(before, small), after=_owner(after, small))
        for large, small in pairwise(steps)
    )


def through_reshape(
    parts: Sequence[Factor], permutation: Permutation, after: Shape
) -> Permutation | None:
    """Storage order of a reshaped tensor whose data did not move; None where data must move."""
    stored = sorted(parts, key=lambda part: permutation.index(part.before))
    runs = [part.after for part in stored]
    order = [axis for i, axis in enumerate(runs) if i == 0 or runs[i - 1] != axis]
    ascending = all(
        parts.index(left) < parts.index(right)
        for left, right in pairwise(stored)
        if left.after == right.after
    )
    if len(set(order)) != len(order) or not ascending:
        return None
    return with_short_axes(order, after)


def with_short_axes(order: Sequence[int], shape: Shape) -> Permutation:
    """A full permutation with these axes in this order, and those of length 1 put in.

    Storing costs the same wherever they go; NHWC is preferred, then the network's own order.
    """
    for candidate in (NHWC, logical(len(shape))):
        if len(candidate) == len(shape) and _long_axes(shape, candidate) == list(order):
            return candidate
    return (*(axis for axis, length in enumerate(shape) if length == 1), *order)


def _long_axes(shape: Shape, permutation: Permutation) -> list[int]:
    return [axis for axis in permutation if shape[axis] != 1]


def _boundaries(shape: Shape) -> set[int]:
    return {math.prod(shape[axis:]) for axis in range(len(shape) + 1)}


def _owner(shape: Shape, inner: int) -> int:
    """The axis that holds the factor just outside the innermost ``inner`` elements."""
    for axis in reversed(range(len(shape))):
        if math.prod(shape[axis:]) > inner:
            return axis
    raise ValueError(f"{inner} elements leave nothing outside of them in {shape}")
