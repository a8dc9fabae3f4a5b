"""Reductions and softmax."""

from __future__ import annotations

import pytest

from tests.emitters.cases import Case, case, check

CASES = [
    case("mean over space", "y = ReduceMean<axes=[2,3]>(x)"),
    case("mean without axes kept", "y = ReduceMean<axes=[2,3], keepdims=0>(x)", expected=("MEAN",)),
    case("mean over channels", "y = ReduceMean<axes=[1]>(x)"),
    case("max over channels", "y = ReduceMax<axes=[1]>(x)"),
    case("max of all", "y = ReduceMax<keepdims=0>(x)"),
    case("sum of opset 13", "y = ReduceSum<keepdims=0>(x, axes)", axes=[-1], transposes=1),
    case("mean of opset 18", "y = ReduceMean(x, axes)", axes=[2, 3], opset=18),
    case("softmax over channels", "y = Softmax<axis=1>(x)", expected=("SOFTMAX",)),
    case("softmax of rows", "y = Softmax<axis=-1>(x)", (1, 10), expected=("SOFTMAX",)),
    case("softmax over width", "y = Softmax<axis=3>(x)", transposes=2),
    case("softmax of opset 11", "y = Softmax<axis=1>(x)", transposes=1, opset=11),
    case(
        "softmax between transposes",
        "t = Transpose<perm=[0,3,2,1]>(x) s = Softmax<axis=3>(t) y = Transpose<perm=[0,3,2,1]>(s)",
        expected=("SOFTMAX",),
    ),
    case("log softmax", "y = LogSoftmax<axis=1>(x)", (1, 10)),
]


@pytest.mark.parametrize("given", CASES)
def test_reducing(given: Case) -> None:
    check(given)
