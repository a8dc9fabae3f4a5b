"""Arithmetic with broadcasting."""

from __future__ import annotations

import pytest

from tests.emitters.cases import ODD, Case, case, check, f32

CASES = [
    case(f"{op} of two", f"y = {op}(x, z)", inputs={"z": ODD}, positive=True)
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")
] + [
    case("add relu fused", "a = Add(x, z) y = Relu(a)", inputs={"z": ODD}, expected=("ADD",)),
    case("add a channel constant", "y = Add(x, k)", k=(4, 1, 1)),
    case("add a full constant", "y = Add(x, k)", k=(1, 4, 7, 9)),
    case("add a row constant", "y = Add(x, k)", k=(9,)),
    case("constant first", "y = Sub(k, x)", k=(1, 4, 1, 1)),
    case("divide by a scalar", "y = Div(x, k)", k=f32(3.0), expected=("MUL",)),
    case("divide by a constant", "y = Div(x, k)", k=f32(2, 3, 4, 5).reshape(4, 1, 1)),
    case("divide a constant", "y = Div(k, x)", k=f32(2), positive=True),
    case("broadcast a gate", "y = Mul(x, z)", inputs={"z": (1, 4, 1, 1)}),
    case("broadcast lower rank", "y = Mul(x, z)", inputs={"z": (9,)}),
    case("broadcast of rank 3", "y = Mul(x, z)", inputs={"z": (4, 7, 9)}, transposes=1),
    case("max of three", "y = Max(x, z, k)", inputs={"z": ODD}, k=(4, 1, 1)),
    case("sum of one", "y = Sum(x)"),
    case(
        "squeeze and excite",
        "m = GlobalAveragePool(x) c = Conv(m, w) s = Sigmoid(c) y = Mul(x, s)",
        w=(4, 4, 1, 1),
    ),
    case("pow 2", "y = Pow(x, k)", k=f32(2)),
    case("pow 0.5", "y = Pow(x, k)", k=f32(0.5), positive=True),
    case("pow 1.7", "y = Pow(x, k)", k=f32(1.7), positive=True),
    case(
        "batch normalization",
        "n = BatchNormalization(x, s, b, m, v) y = Relu(n)",
        s=(4,),
        b=(4,),
        m=(4,),
        v=f32(0.5, 1, 2, 0.1),
        expected=("MUL", "ADD"),
    ),
    case(
        "batch normalization of rows",
        "y = BatchNormalization(x, s, b, m, v)",
        (1, 4),
        s=(4,),
        b=(4,),
        m=(4,),
        v=f32(0.5, 1, 2, 0.1),
    ),
]


@pytest.mark.parametrize("given", CASES)
def test_elementwise(given: Case) -> None:
    check(given)
