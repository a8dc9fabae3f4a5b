"""Matrix products."""

from __future__ import annotations

import pytest

from tests.emitters.cases import Case, case, check

CASES = [
    case(
        "gemm",
        "g = Gemm(x, w, b) y = Relu(g)",
        (2, 6),
        w=(6, 5),
        b=(5,),
        expected=("FULLY_CONNECTED",),
    ),
    case(
        "gemm scaled",
        "y = Gemm<alpha=0.5, beta=2.0, transB=1>(x, w, b)",
        (1, 6),
        w=(5, 6),
        b=(1, 5),
    ),
    case("gemm without bias", "y = Gemm(x, w)", (1, 6), w=(6, 5)),
    case("matmul", "y = MatMul(x, w)", (1, 7, 6), w=(6, 5), expected=("FULLY_CONNECTED",)),
    case(
        "matmul with bias",
        "m = MatMul(x, w) y = Add(b, m)",
        (1, 7, 6),
        w=(6, 5),
        b=(5,),
        expected=("FULLY_CONNECTED",),
    ),
    case("matmul of an image's rows", "y = MatMul(x, w)", w=(9, 5), transposes=2),
    case(
        "matmul of pixels",
        "r = Reshape(x, s) t = Transpose<perm=[0,2,1]>(r) y = MatMul(t, w)",
        s=[1, 4, 63],
        w=(4, 5),
        expected=("RESHAPE", "FULLY_CONNECTED"),
    ),
    case(
        "attention",
        "t = Transpose<perm=[0,2,1]>(z) m = MatMul(x, t) s = Softmax<axis=-1>(m) y = MatMul(s, z)",
        (1, 7, 6),
        inputs={"z": (1, 5, 6)},
        expected=("BATCH_MATMUL", "SOFTMAX", "BATCH_MATMUL"),
    ),
    case(
        "heads",
        "r = Reshape(x, s) q = Transpose<perm=[0,2,1,3]>(r) k = Transpose<perm=[0,2,3,1]>(r)"
        " m = MatMul(q, k) y = Softmax<axis=-1>(m)",
        (1, 7, 6),
        s=[1, 7, 2, 3],
        transposes=2,
    ),
]


@pytest.mark.parametrize("given", CASES)
def test_linear(given: Case) -> None:
    check(given)
