"""Pooling."""

from __future__ import annotations

import pytest

from tests.emitters.cases import EVEN, Case, case, check

CASES = [
    case(
        "max 2x2",
        "y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)",
        EVEN,
        expected=("MAX_POOL_2D",),
    ),
    case(
        "max 5x5 same",
        "y = MaxPool<kernel_shape=[5,5], pads=[2,2,2,2]>(x)",
        expected=("MAX_POOL_2D",),
    ),
    case(
        "max 3x3 stride 2 even",
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)",
        EVEN,
        expected=("SLICE", "CONCATENATION", "SLICE", "CONCATENATION", "MAX_POOL_2D"),
    ),
    case(
        "max after relu",
        "r = Relu(x) y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(r)",
        EVEN,
        expected=("RELU", "PAD", "MAX_POOL_2D"),
    ),
    case(
        "max with uneven pads", "y = MaxPool<kernel_shape=[5,5], strides=[3,3], pads=[2,1,0,2]>(x)"
    ),
    case("max 2x2 with pads", "y = MaxPool<kernel_shape=[2,2], pads=[1,1,0,0]>(x)"),
    case(
        "max with one row",
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)",
        (1, 2, 1, 4),
    ),
    case("max ceil", "y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x)", EVEN),
    case(
        "average 2x2",
        "y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x)",
        EVEN,
        expected=("AVERAGE_POOL_2D",),
    ),
    case(
        "average same",
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x)",
        expected=("AVERAGE_POOL_2D",),
    ),
    case(
        "average counting pads",
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)",
        expected=("PAD", "AVERAGE_POOL_2D"),
    ),
    case(
        "average stride 2 even",
        "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)",
        EVEN,
    ),
    case(
        "average stride 2 even counting",
        "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1],"
        " count_include_pad=1>(x)",
        EVEN,
    ),
    case(
        "average ceil",
        "y = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x)",
        EVEN,
        opset=19,
    ),
    case("global average", "y = GlobalAveragePool(x)", expected=("MEAN",)),
    case("global max", "y = GlobalMaxPool(x)", expected=("MAX_POOL_2D",)),
]


@pytest.mark.parametrize("given", CASES)
def test_pooling(given: Case) -> None:
    check(given)
