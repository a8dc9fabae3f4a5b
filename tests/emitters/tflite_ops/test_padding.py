"""Padding by itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.emitters.cases import Case, case, check

CASES = [
    case("pad", "y = Pad(x, p)", p=[0, 1, 2, 0, 0, 0, 1, 3], expected=("PAD",)),
    case(
        "pad with a value",
        "y = Pad(x, p, v)",
        p=[0, 0, 2, 0, 0, 0, 1, 3],
        v=np.float32(1.5),
        expected=("PADV2",),
    ),
    case(
        "pad by reflection",
        'y = Pad<mode="reflect">(x, p)',
        p=[0, 0, 2, 1, 0, 0, 2, 1],
        expected=("MIRROR_PAD",),
    ),
    case("pad by the edge", 'y = Pad<mode="edge">(x, p)', p=[0, 0, 2, 1, 0, 0, 0, 3]),
    case("pad of opset 9", "y = Pad<pads=[0,0,1,1,0,0,2,2], value=0.5>(x)", opset=9),
    case("pad some axes", "y = Pad(x, p, , a)", p=[1, 2], a=[3], opset=18),
]


@pytest.mark.parametrize("given", CASES)
def test_padding(given: Case) -> None:
    check(given)
