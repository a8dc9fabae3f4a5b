"""What stays in float where a network takes gains: what they scale, and the scores.

A gain moves the range of all that it scales. In int8 either enhanced features would be cut off, or
the steps be so large that neutral ones lose their digits, and the scores, last and widest, most of
all. In float it costs nothing that could be measured (docs/adr/0010).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# As TFLite and OpenVINO call them.
_PRODUCTS = frozenset(
    (
        *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"),
        *("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"),
    )
)
# What only averages, joins or reshapes.
_PASSING = frozenset(
    (
        *("MEAN", "AVERAGE_POOL_2D", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION"),
        *("ReduceMean", "AvgPool", "Reshape", "Squeeze", "Unsqueeze", "Concat"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operation of an artifact: its kind, and the names of what it reads and makes.

    Constants are left out of what it reads.
    """

    kind: str
    reads: frozenset[str]
    makes: tuple[str, ...]


def stays_float(
    steps: Sequence[Step], *, outputs: Iterable[str], gains: str | None = None
) -> tuple[str, ...]:
    """What the steps that stay in float make, in order.

    They are those from the gains to the first one that joins them with features, and those from
    the features to the outputs: back over the last product of each way and over what merely passes
    features on to it.
    """
    scaling = () if gains is None else _scaling(steps, gains)
    kept = {*scaling, *_scoring(steps, outputs)}
    return tuple(name for step in steps for name in step.makes if name in kept)


def _scaling(steps: Sequence[Step], gains: str) -> Iterable[str]:
    derived = {gains}
    for step in steps:
        if not derived.isdisjoint(step.reads):
            yield from step.makes
            if derived.issuperset(step.reads):
                derived.update(step.makes)


def _scoring(steps: Sequence[Step], outputs: Iterable[str]) -> Iterable[str]:
    scores, features = set(outputs), set[str]()
    for step in reversed(steps):
        is_product = step.kind in _PRODUCTS
        if not scores.isdisjoint(step.makes):
            yield from step.makes
            (features if is_product else scores).update(step.reads)
        elif step.kind in _PASSING and not features.isdisjoint(step.makes):
            yield from step.makes
            features.update(step.reads)
