"""Convolutions of every kind that the emitter knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.emitters.cases import EVEN, ODD, ZERO, Case, case, check


def conv(name: str, attributes: str, w: tuple[int, ...], x: tuple[int, ...], **rest: Any) -> Any:
    return case(f"conv {name}", f"y = Conv<{attributes}>(x, w, b)", x, w=w, b=(w[0],), **rest)


CASES = [
    conv("1x1", "strides=[1,1]", (5, 4, 1, 1), ODD),
    conv("3x3 same odd", "pads=[1,1,1,1]", (5, 4, 3, 3), ODD, expected=("CONV_2D",)),
    conv("3x3 stride 2 odd", "pads=[1,1,1,1], strides=[2,2]", (5, 4, 3, 3), ODD),
    conv("3x3 stride 2 even", "pads=[1,1,1,1], strides=[2,2]", (5, 4, 3, 3), EVEN),
    conv("5x5 stride 2 even", "pads=[2,2,2,2], strides=[2,2]", (5, 4, 5, 5), EVEN),
    conv(
        "6x6 stride 2", "pads=[2,2,2,2], strides=[2,2]", (5, 4, 6, 6), EVEN, expected=("CONV_2D",)
    ),
    conv("valid", "pads=[0,0,0,0]", (5, 4, 3, 3), ODD, expected=("CONV_2D",)),
    conv("valid with leftover", "strides=[2,2]", (5, 4, 3, 3), EVEN, expected=("CONV_2D",)),
    conv("asymmetric pads", "pads=[0,2,1,0]", (5, 4, 3, 3), ODD),
    conv("asymmetric strides", "pads=[1,1,1,1], strides=[2,1]", (5, 4, 3, 3), EVEN),
    conv("1x7", "pads=[0,3,0,3]", (5, 4, 1, 7), ODD, expected=("CONV_2D",)),
    conv("dilated", "pads=[2,2,2,2], dilations=[2,2]", (5, 4, 3, 3), ODD),
    conv("same upper", 'auto_pad="SAME_UPPER", strides=[2,2]', (5, 4, 3, 3), EVEN),
    conv("same lower", 'auto_pad="SAME_LOWER", strides=[2,2]', (5, 4, 3, 3), EVEN),
    conv("auto valid", 'auto_pad="VALID"', (5, 4, 3, 3), EVEN),
    conv(
        "depthwise", "group=4, pads=[1,1,1,1]", (4, 1, 3, 3), ODD, expected=("DEPTHWISE_CONV_2D",)
    ),
    conv("depthwise stride 2 even", "group=4, pads=[1,1,1,1], strides=[2,2]", (4, 1, 3, 3), EVEN),
    conv("depthwise dilated", "group=4, pads=[2,2,2,2], dilations=[2,2]", (4, 1, 3, 3), ODD),
    conv("depth multiplier 3", "group=4, pads=[1,1,1,1]", (12, 1, 3, 3), ODD),
    conv("grouped", "group=2, pads=[1,1,1,1]", (6, 2, 3, 3), ODD, expected=("CONV_2D",)),
    conv("grouped wide", "group=4, strides=[2,2]", (8, 4, 3, 3), (1, 16, 9, 8)),
    conv("one channel", "pads=[1,1,1,1]", (3, 1, 3, 3), (1, 1, 6, 6), expected=("CONV_2D",)),
    case("conv without bias", "y = Conv<pads=[1,1,1,1]>(x, w)", w=(5, 4, 3, 3)),
    case("conv relu", "c = Conv(x, w) y = Relu(c)", w=(5, 4, 3, 3), expected=("CONV_2D",)),
    case(
        "conv relu6",
        "c = Conv(x, w) y = Clip(c, lo, hi)",
        w=(5, 4, 3, 3),
        lo=ZERO,
        hi=np.float32(6),
        expected=("CONV_2D",),
    ),
    case(
        "conv clip -1 1",
        "c = Conv(x, w) y = Clip(c, lo, hi)",
        w=(5, 4, 3, 3),
        lo=np.float32(-1),
        hi=np.float32(1),
        expected=("CONV_2D",),
    ),
    case("conv relu, both used", "c = Conv(x, w) r = Relu(c) y = Add(c, r)", w=(5, 4, 3, 3)),
    case(
        "conv relu, both outputs",
        "c = Conv(x, w) r = Relu(c)",
        w=(5, 4, 3, 3),
        outputs=("c", "r"),
    ),
    case(
        "pad taken over by conv",
        "p = Pad(x, pads) y = Conv(p, w)",
        pads=[0, 0, 1, 1, 0, 0, 1, 1],
        w=(5, 4, 3, 3),
        expected=("CONV_2D",),
    ),
    case(
        "pad kept before conv and another",
        "p = Pad(x, pads) c = Conv(p, w) y = Concat<axis=1>(p, c)",
        pads=[0, 0, 1, 1, 0, 0, 1, 1],
        w=(5, 4, 1, 1),
    ),
    case("conv transpose 2x2", "y = ConvTranspose<strides=[2,2]>(x, w, b)", w=(4, 3, 2, 2), b=(3,)),
    case(
        "conv transpose 4x4 same",
        "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, w, b)",
        w=(4, 3, 4, 4),
        b=(3,),
        expected=("TRANSPOSE_CONV",),
    ),
    case(
        "conv transpose cropped, output padding",
        "c = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>(x, w, b)"
        " y = Relu(c)",
        w=(4, 3, 3, 3),
        b=(3,),
    ),
    case("conv transpose 3x3 stride 1", "y = ConvTranspose<pads=[1,1,1,1]>(x, w)", w=(4, 3, 3, 3)),
]


@pytest.mark.parametrize("given", CASES)
def test_convolution(given: Case) -> None:
    check(given)
