"""Storage orders: what moves data, and what only looks at it differently."""

from __future__ import annotations

import numpy as np
import pytest

from edgecut.emitters import layout
from edgecut.emitters.layout import NHWC


def test_stored_shape() -> None:
    assert layout.stored_shape((1, 3, 4, 5), NHWC) == (1, 4, 5, 3)


def test_axes_of_length_1_move_nothing() -> None:
    assert not layout.moves_data((1, 8, 1, 1), NHWC, layout.logical(4))
    assert not layout.moves_data((1, 1, 4, 5), NHWC, layout.logical(4))
    assert layout.moves_data((1, 8, 1, 2), NHWC, layout.logical(4))


@pytest.mark.parametrize("axes", [(0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_a_transpose_leaves_the_stored_data_alone(axes: tuple[int, ...]) -> None:
    x = np.arange(120).reshape(2, 3, 4, 5)
    after = layout.after_transpose(NHWC, axes)
    np.testing.assert_array_equal(x.transpose(axes).transpose(after), x.transpose(NHWC))


@pytest.mark.parametrize(
    ("before", "after", "sizes"),
    [
        ((1, 12, 5, 7), (1, 12, 35), [12, 5, 7]),
        ((1, 12, 35), (1, 3, 4, 5, 7), [3, 4, 5, 7]),
        ((6, 4), (2, 12), [2, 3, 4]),
        ((1, 1), (1,), []),
    ],
)
def test_factors(before: tuple[int, ...], after: tuple[int, ...], sizes: list[int]) -> None:
    parts = layout.factors(before, after)
    assert parts is not None
    assert [part.size for part in parts] == sizes


def test_shapes_without_common_factors() -> None:
    assert layout.factors((4, 6), (6, 4)) is None


@pytest.mark.parametrize(
    ("before", "permutation", "after", "expected"),
    [
        ((1, 12, 5, 7), NHWC, (1, 12, 35), (0, 2, 1)),
        ((1, 12, 1, 1), NHWC, (1, 12), (0, 1)),
        ((1, 12), (0, 1), (1, 12, 1, 1), NHWC),
        ((1, 12, 5, 7), NHWC, (1, 3, 4, 5, 7), (0, 3, 4, 1, 2)),
        ((1, 12, 5, 7), NHWC, (1, 60, 7), None),
        ((1, 12, 5, 7), NHWC, (1, 420), None),
        ((1, 35, 12), (0, 2, 1), (1, 420), None),
    ],
)
def test_through_reshape(
    before: tuple[int, ...],
    permutation: tuple[int, ...],
    after: tuple[int, ...],
    expected: tuple[int, ...] | None,
) -> None:
    parts = layout.factors(before, after)
    assert parts is not None
    result = layout.through_reshape(parts, permutation, after)
    assert result == expected
    if result is not None:
        x = np.arange(np.prod(before)).reshape(before)
        stored = x.transpose(permutation).ravel()
        np.testing.assert_array_equal(x.reshape(after).transpose(result).ravel(), stored)


def test_removed_and_leading_axes() -> None:
    assert layout.without(NHWC, [2, 3]) == (0, 1)
    assert layout.without((0, 2, 3, 1), [2]) == (0, 2, 1)
    assert layout.with_leading((1, 0), 4) == (0, 1, 3, 2)
