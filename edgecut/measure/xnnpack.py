"""Which operator of a TFLite file each operator of XNNPACK stands for.

XNNPACK gives its operators no names. But it takes the file's operators in order, and what it makes
of each kind is known: the table below, read off LiteRT 2.3 for every operation that edgecut writes
(``tests/measure/test_xnnpack.py`` reads it off again). So its operators are matched with the file's
in order, and only what every possible match agrees on is believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What the profiler calls 8-bit operations that look their results up in a table.
TABLE_LOOKUP = "Invalid Unary Op"
CLAMP = "Clamp"
RESHAPE = "Static Reshape"
BESIDE = (CLAMP, RESHAPE)
"""What stands beside another operator, for one operation of the file, and multiplies nothing."""

_UNARY = {
    "ABS": ("Abs",),
    "CEIL": ("Ceiling",),
    "ELU": ("ELU",),
    "EXP": ("Exp",),
    "FLOOR": ("Floor",),
    "GELU": ("GELU", "ApproxGELU"),
    "LEAKY_RELU": ("LeakyReLU",),
    "LOG": ("Log",),
    "LOGISTIC": ("Sigmoid", ""),
    "NEG": ("Negate",),
    "SQRT": ("Square Root",),
    "TANH": ("TanH",),
}
_OTHERS = {
    "ADD": ("Add",),
    "AVERAGE_POOL_2D": ("Average Pooling",),
    "BATCH_MATMUL": ("Batch Matrix Multiply",),
    "CONCATENATION": ("Copy",),
    "CONV_2D": ("Convolution", "Fully Connected"),
    "DEPTHWISE_CONV_2D": ("Convolution",),
    "DEPTH_TO_SPACE": ("Depth To Space",),
    "DEQUANTIZE": ("Convert", ""),  # nothing for weights
    "DIV": ("Divide",),
    "FULLY_CONNECTED": ("Fully Connected", "Static Reshape+Fully Connected"),
    "MAXIMUM": ("Maximum", "Clamp", ""),
    "MAX_POOL_2D": ("Max Pooling",),
    "MEAN": ("Mean",),
    "MINIMUM": ("Minimum", "Clamp", ""),
    "MUL": ("Multiply", "Square", TABLE_LOOKUP),  # x * sigmoid(x) of int8 is one lookup
    "PAD": ("Constant Pad", ""),  # nothing where the convolution behind it pads
    "PRELU": ("PReLU",),
    "QUANTIZE": ("Convert",),
    "REDUCE_MAX": ("Reduce Max",),
    "RELU": ("Clamp", ""),
    "RELU6": ("Clamp", ""),
    "RESHAPE": ("Static Reshape", ""),  # one for several in a row
    "RESIZE_BILINEAR": ("Resize Bilinear",),
    "SLICE": ("Slice",),
    "SOFTMAX": ("Softmax",),
    "SPACE_TO_DEPTH": ("Space To Depth",),
    "SPLIT": ("Copy",),
    "STRIDED_SLICE": ("Slice",),
    "SUB": ("Subtract",),
    "SUM": ("Sum",),
    "TRANSPOSE": ("Transpose",),
    "TRANSPOSE_CONV": ("Deconvolution",),
}
# Operation -> what it may become: kinds joined by "+", nothing where another takes it over.
BECOMES: Mapping[str, tuple[str, ...]] = {
    **_OTHERS,
    **{operation: (*kinds, TABLE_LOOKUP) for operation, kinds in _UNARY.items()},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOperator:
    """An operator of a TFLite file: its operation, and names of the tensors it reads and gives.

    Constants are not among ``reads``. ``activated`` says that an activation is built into it.
    """

    operation: str
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    activated: bool = False


def kind_of(name: str) -> str:
    """What the profiler calls an operator, without its data type and kernel."""
    return name.split(" (", 1)[0]


def matched(kinds: Sequence[str], operations: Sequence[FileOperator]) -> list[tuple[int, ...]]:
    """For each of XNNPACK's operators, in order, the positions of those that it can stand for.

    Over all ways to match the two sequences as the table allows; empty if there is none.
    """
    gating = _gating(operations)
    ways = [_ways(operation, gated=i in gating) for i, operation in enumerate(operations)]
    # ahead[i]: how many kinds may be used up before operation i; behind[i]: from it on, so that
    # the rest fits the rest.
    ahead = [{0}]
    for choices in ways:
        ahead.append({p + len(c) for p in ahead[-1] for c in choices if _fits(kinds, p, c)})
    behind = [{len(kinds)}]
    for choices in reversed(ways):
        starts = range(len(kinds) + 1)
        last = behind[-1]
        behind.append(
            {p for p in starts for c in choices if p + len(c) in last and _fits(kinds, p, c)}
        )
    behind.reverse()
    found: list[set[int]] = [set() for _ in kinds]
    for i, choices in enumerate(ways):
        for start in ahead[i] & behind[i]:
            for choice in choices:
                if start + len(choice) in behind[i + 1] and _fits(kinds, start, choice):
                    for place in range(start, start + len(choice)):
                        found[place].add(i)
    return [tuple(sorted(places)) for places in found]


def _gating(operations: Sequence[FileOperator]) -> set[int]:
    """Positions of what makes up x * sigmoid(x): only there may two operators become one lookup."""
    sigmoids = {
        operation.gives[0]: i for i, operation in enumerate(operations) if _is_sigmoid(operation)
    }
    found: set[int] = set()
    for i, operation in enumerate(operations):
        for name in operation.reads if operation.operation == "MUL" else ():
            if name in sigmoids and operations[sigmoids[name]].reads[0] in operation.reads:
                found |= {i, sigmoids[name]}
    return found


def _is_sigmoid(operation: FileOperator) -> bool:
    return operation.operation == "LOGISTIC"


def _ways(operator: FileOperator, *, gated: bool) -> list[tuple[str, ...]]:
    told = BECOMES.get(operator.operation, ())
    if not gated and _is_sigmoid(operator):
        told = tuple(way for way in told if way)
    if not gated and operator.operation == "MUL":
        told = tuple(way for way in told if way != TABLE_LOOKUP)
    ways = [tuple(filter(None, way.split("+"))) for way in told]
    return [*ways, *((*way, CLAMP) for way in ways)] if operator.activated else ways


def _fits(kinds: Sequence[str], start: int, way: tuple[str, ...]) -> bool:
    return tuple(kinds[start : start + len(way)]) == way


def parts(operators: Sequence[FileOperator], outside: frozenset[int]) -> list[list[int]]:
    """The parts of the file that run one after the other, delegated and not in turn.

    A part takes every operator of its kind whose inputs earlier parts or it give, as LiteRT does:
    ``PartitionGraphIntoIndependentNodeSubsets`` in ``tflite/graph_info.cc``.

    Args:
        operators: those of the file, in order.
        outside: positions of those that are not delegated.
    """
    made = {name for operator in operators for name in operator.gives}
    left = list(range(len(operators)))
    found: list[list[int]] = []
    while left:
        part: list[int] = []
        for i in left:
            ready = made.isdisjoint(operators[i].reads)
            if ready and (not part or (i in outside) == (part[0] in outside)):
                part.append(i)
                made.difference_update(operators[i].gives)
        if not part:  # a loop: no order can be found
            return []
        left = [i for i in left if i not in set(part)]
        found.append(part)
    return found
