"""Weights that are zero."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgecut.ops.rule import Unsupported
from edgecut.ops.zeros import reached


def weights(array: np.ndarray) -> ir.Value:
    return ir.val("w", const_value=ir.tensor(array))


def test_what_reaches_the_kept() -> None:
    blocks = weights(np.kron(np.eye(3), np.ones((2, 2))))
    assert reached(blocks, 1, kept_axis=0, kept=(0, 5)) == (0, 1, 4, 5)
    assert reached(blocks, 1, kept_axis=0, kept=None) is None
    assert reached(weights(np.zeros((2, 3))), 0, kept_axis=1, kept=(1,)) == (0,)
    assert reached(weights(np.ones((2, 3))), 0, kept_axis=1, kept=(1,)) is None
    assert reached(ir.val("computed"), 0, kept_axis=1, kept=(1,)) is None


def test_weights_without_such_axes_are_not_understood() -> None:
    with pytest.raises(Unsupported, match="1 axes"):
        reached(weights(np.ones(4)), 0, kept_axis=1, kept=None)
