"""Concat, Split, Slice and Gather."""

from __future__ import annotations

import numpy as np
import pytest

from tests.emitters.cases import Case, case, check

CASES = [
    case(
        "concat channels",
        "y = Concat<axis=1>(x, z)",
        inputs={"z": (1, 2, 7, 9)},
        expected=("CONCATENATION",),
    ),
    case("concat width with a constant", "y = Concat<axis=-1>(x, k)", k=(1, 4, 7, 2)),
    case(
        "split in two",
        "a, b = Split<axis=1>(x, n) y = Sub(b, a)",
        n=[2, 2],
        expected=("SPLIT", "SUB"),
    ),
    case(
        "split unevenly",
        "a, b = Split<axis=1>(x, n) y = Concat<axis=1>(b, a)",
        n=[1, 3],
        transposes=1,
    ),
    case(
        "split, one part used",
        "a, b, c = Split<axis=3>(x, n) y = Relu(b)",
        n=[2, 3, 4],
        expected=("SLICE", "RELU"),
    ),
    case(
        "split of opset 11",
        "a, b = Split<axis=1, split=[1,3]>(x) y = Concat<axis=1>(b, a)",
        opset=11,
        transposes=1,
    ),
    case(
        "slice",
        "y = Slice(x, s, e, a)",
        s=[1, 2],
        e=[3, 9223372036854775807],
        a=[1, -1],
        expected=("SLICE",),
    ),
    case(
        "slice by steps",
        "y = Slice(x, s, e, a, d)",
        s=[0, 1],
        e=[7, 9],
        a=[2, 3],
        d=[2, 3],
        expected=("STRIDED_SLICE",),
    ),
    case(
        "slice by phases",
        "y = Slice(x, s, e, a, d)",
        (1, 4, 8, 9),
        s=[1, 0],
        e=[8, 9],
        a=[2, 3],
        d=[2, 3],
        expected=("RESHAPE", "SLICE", "RESHAPE", "SLICE", "RESHAPE"),
    ),
    case(
        "slice the channels by phases",
        "a = Slice(x, s, e, c, d) b = Slice(x, t, e, c, d) y = Sub(a, b)",
        s=[0],
        t=[1],
        e=[4],
        c=[1],
        d=[2],
        transposes=1,
    ),
    case(
        "slice one number of a row",
        "a = Slice(x, s, e, c) b = Slice(x, e, f, c) y = Sub(a, b)",
        (1, 2),
        s=[0],
        e=[1],
        f=[2],
        c=[1],
        expected=("SLICE", "SLICE", "SUB"),
    ),
    case(
        "slice backwards",
        "y = Slice(x, s, e, a, d)",
        s=[-1],
        e=[-9223372036854775808],
        a=[3],
        d=[-1],
        expected=("STRIDED_SLICE",),
    ),
    case("slice of opset 9", "y = Slice<axes=[1], starts=[1], ends=[-1]>(x)", opset=9),
    case("gather", "y = Gather<axis=1>(x, i)", i=[3, 0, -2], expected=("GATHER",)),
    case("gather a run", "y = Gather<axis=1>(x, i)", i=[1, 2, 3], expected=("SLICE",)),
    case("gather one", "y = Gather<axis=1>(x, i)", i=np.array(2, np.int64), transposes=1),
    case("gather a table", "y = Gather<axis=1>(x, i)", (1, 6, 5), i=[[0, 3], [5, 2]]),
]


@pytest.mark.parametrize("given", CASES)
def test_joining(given: Case) -> None:
    check(given)
