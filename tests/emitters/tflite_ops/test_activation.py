"""Activations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.emitters.cases import ZERO, Case, case, check, f32

CASES = [
    case(op, f"y = {op}(x)")
    for op in (
        "Relu",
        "Sigmoid",
        "Tanh",
        "Neg",
        "Abs",
        "Exp",
        "Floor",
        "Ceil",
        "Elu",
        "HardSwish",
        "HardSigmoid",
    )
] + [
    case("Log", "y = Log(x)", positive=True),
    case("Sqrt", "y = Sqrt(x)", positive=True),
    case("Reciprocal", "y = Reciprocal(x)", positive=True),
    case("Gelu", "y = Gelu(x)", opset=20),
    case("Gelu tanh", 'y = Gelu<approximate="tanh">(x)', opset=20),
    case("LeakyRelu", "y = LeakyRelu<alpha=0.1>(x)"),
    case("HardSigmoid of torch", "y = HardSigmoid<alpha=0.16666667>(x)"),
    case("PRelu", "y = PRelu(x, s)", s=(4, 1, 1)),
    case("PRelu scalar", "y = PRelu(x, s)", s=f32(0.2)),
    case("Clip 0 6", "y = Clip(x, lo, hi)", lo=ZERO, hi=np.float32(6), expected=("RELU6",)),
    case("Clip 0 2", "y = Clip(x, lo, hi)", lo=ZERO, hi=np.float32(2)),
    case("Clip -2 1.5", "y = Clip(x, lo, hi)", lo=np.float32(-2), hi=np.float32(1.5)),
    case("Clip above", "y = Clip(x, , hi)", hi=np.float32(1.5)),
    case("Clip without bounds", "y = Clip(x)"),
    case("Clip of opset 9", "y = Clip<min=0.0, max=6.0>(x)", opset=9, expected=("RELU6",)),
    case("silu", "s = Sigmoid(x) y = Mul(x, s)"),
]


@pytest.mark.parametrize("given", CASES)
def test_activation(given: Case) -> None:
    check(given)
