"""Reshapes, transposes and block rearrangements."""

from __future__ import annotations

import numpy as np
import pytest

from tests.emitters.cases import Case, case, check

CASES = [
    case(
        "head",
        "c = Conv(x, w) r = Reshape(c, s) y = Transpose<perm=[0,2,1]>(r)",
        w=(5, 4, 1, 1),
        s=[1, 5, -1],
        expected=("CONV_2D", "RESHAPE"),
    ),
    case(
        "head kept channels first",
        "c = Conv(x, w) y = Reshape(c, s)",
        w=(5, 4, 1, 1),
        s=[1, 5, -1],
        transposes=1,
    ),
    case(
        "flatten of one pixel",
        "g = GlobalAveragePool(x) f = Flatten(g) y = Gemm<transB=1>(f, w, b)",
        w=(3, 4),
        b=(3,),
        expected=("MEAN", "RESHAPE", "FULLY_CONNECTED"),
    ),
    case(
        "flatten of an image",
        "f = Flatten(x) y = Gemm<transB=1>(f, w, b)",
        w=(3, 252),
        b=(3,),
        expected=("RESHAPE", "FULLY_CONNECTED"),
    ),
    case(
        "flatten, also seen",
        "f = Flatten(x) y = Gemm<transB=1>(f, w, b)",
        w=(3, 252),
        b=(3,),
        outputs=("f", "y"),
        transposes=1,
    ),
    case(
        "anchors",
        "r = Reshape(x, s) y = Transpose<perm=[0,1,3,4,2]>(r)",
        (1, 12, 5, 6),
        s=[1, 3, 4, 5, 6],
        transposes=1,
    ),
    case(
        "channel shuffle",
        "r = Reshape(x, s) t = Transpose<perm=[0,2,1,3,4]>(r) y = Reshape(t, u)",
        (1, 6, 4, 5),
        s=[1, 2, 3, 4, 5],
        u=[1, 6, 4, 5],
        transposes=1,
    ),
    case(
        "shuffle and halve",
        "r = Reshape(x, s) t = Transpose<perm=[1,0,2]>(r) u = Reshape(t, v)"
        " a = Gather<axis=0>(u, i) b = Gather<axis=0>(u, j) y = Sub(a, b)",
        (1, 6, 4, 5),
        s=[3, 2, 20],
        v=[2, -1, 3, 4, 5],
        i=np.array(0, np.int64),
        j=np.array(1, np.int64),
        transposes=1,
    ),
    case(
        "no common factor",
        "r = Reshape(x, s) y = Relu(r)",
        (1, 4, 6, 1),
        s=[1, 6, 4, 1],
        transposes=1,
    ),
    case(
        "squeeze and unsqueeze",
        "m = ReduceMean<axes=[2,3]>(x) s = Squeeze(m, a) u = Unsqueeze(s, a) y = Mul(x, u)",
        a=[2, 3],
    ),
    case(
        "squeeze of opset 11", "m = ReduceMean<axes=[2,3]>(x) y = Squeeze<axes=[2,3]>(m)", opset=11
    ),
    case(
        "transpose and back",
        "t = Transpose<perm=[0,2,3,1]>(x) r = Relu(t) y = Transpose<perm=[0,3,1,2]>(r)",
        expected=("RELU",),
    ),
    case(
        "channels-last output", "c = Relu(x) y = Transpose<perm=[0,2,3,1]>(c)", expected=("RELU",)
    ),
    case(
        "mixed orders meet",
        "t = Transpose<perm=[0,1,3,2]>(x) y = Add(x, t)",
        (1, 4, 7, 7),
        transposes=1,
    ),
    case("identity", "i = Identity(x) d = Dropout(i) y = Relu(d)"),
    case("identity alone", "y = Identity(x)"),
    case("cast to whole numbers", "c = Cast<to=7>(x) y = Cast<to=1>(c)", expected=("CAST",) * 2),
    case("cast to the same", "c = Cast<to=1>(x) y = Relu(c)", expected=("RELU",)),
    case("constant node", "k = Constant<value = float[1] {2.5}>() y = Mul(x, k)"),
    case(
        "one value twice",
        "r = Relu(x) t = Transpose<perm=[0,2,3,1]>(r) u = Identity(r)",
        outputs=("t", "u"),
    ),
    case(
        "depth to space",
        "y = DepthToSpace<blocksize=2>(x)",
        (1, 8, 3, 5),
        expected=("DEPTH_TO_SPACE",),
    ),
    case(
        "depth to space crd",
        'y = DepthToSpace<blocksize=2, mode="CRD">(x)',
        (1, 8, 3, 5),
        transposes=1,
    ),
    case(
        "space to depth",
        "y = SpaceToDepth<blocksize=2>(x)",
        (1, 3, 4, 6),
        expected=("SPACE_TO_DEPTH",),
    ),
    case(
        "focus",
        "a = Slice(x, s, e, c, d) b = Slice(x, t, e, c, d) y = Concat<axis=1>(a, b)",
        (1, 3, 4, 6),
        s=[0, 0],
        t=[1, 1],
        e=[4, 6],
        c=[2, 3],
        d=[2, 2],
    ),
]


@pytest.mark.parametrize("given", CASES)
def test_reshaping(given: Case) -> None:
    check(given)
