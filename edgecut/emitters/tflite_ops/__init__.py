"""One rule per ONNX operation, one file per family."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgecut.emitters.tflite_lowering import Lowering
from edgecut.emitters.tflite_ops import (
    activation,
    choosing,
    convolution,
    elementwise,
    joining,
    linear,
    padding,
    pooling,
    rearranging,
    reducing,
    reshaping,
    resizing,
)

if TYPE_CHECKING:
    import onnx_ir as ir

Rule = Callable[[Lowering, "ir.Node"], None]

RULES: dict[str, Rule] = {
    **activation.RULES,
    **choosing.RULES,
    **convolution.RULES,
    **elementwise.RULES,
    **joining.RULES,
    **linear.RULES,
    **padding.RULES,
    **pooling.RULES,
    **rearranging.RULES,
    **reducing.RULES,
    **reshaping.RULES,
    **resizing.RULES,
}
