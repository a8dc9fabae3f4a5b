"""Convolutions: output channels are rows of the weights; a group is kept or dropped as one."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from edgecut.ops.region import Indices, Region, indices
from edgecut.ops.rule import Example, Flow, OpRule, Rewrite, attribute, shape_of, sole
from edgecut.ops.zeros import reached

if TYPE_CHECKING:
    import onnx_ir as ir


class Conv(OpRule):
    """Convolution of any rank: x (N, C, ...), weights (M, C/group, ...), bias (M)."""

    op_types = ("Conv",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        groups = int(attribute(node, "group", 1))
        rows, kept_groups = whole_groups(out.axis(1), shape_of(node.outputs[0])[1], groups)
        channels = members(kept_groups, shape_of(node.inputs[0])[1], groups)
        inside = None
        if groups == 1:
            channels = inside = reached(node.inputs[1], 1, kept_axis=0, kept=rows)
        needs = (Region((out.axis(0), channels)), Region((rows, inside)), Region((rows,)))
        return Flow(
            inputs=needs[: len(node.inputs)],
            outputs=(Region((out.axis(0), rows)),),
            summed=((0, 1), (1, 1)) if inside else None,
        )

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        return regrouped(node, flow)

    def macs(self, node: ir.Node) -> int:
        return prod(shape_of(node.outputs[0])) * prod(shape_of(node.inputs[1])[1:])

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)

        def weights(*shape: int) -> np.ndarray:
            return random.standard_normal(shape).astype(np.float32)

        pads = {"pads": [1, 1, 1, 1]}
        return (
            Example(op_type="Conv", inputs=[(1, 5, 6, 6), weights(8, 5, 3, 3), weights(8)]),
            Example(op_type="Conv", inputs=[(1, 5, 6, 6), weights(8, 5, 1, 1)]),
            Example(
                op_type="Conv",
                inputs=[(1, 6, 6, 6), weights(6, 1, 3, 3), weights(6)],
                attributes={"group": 6, **pads},
            ),
            Example(
                op_type="Conv",
                inputs=[(1, 6, 6, 6), weights(12, 1, 3, 3), weights(12)],
                attributes={"group": 6, **pads},
            ),
            Example(
                op_type="Conv",
                inputs=[(1, 8, 6, 6), weights(12, 2, 3, 3)],
                attributes={"group": 4, "strides": [2, 2]},
            ),
            Example(op_type="Conv", inputs=[(2, 4, 9), weights(6, 4, 3), weights(6)]),
        )


class ConvTranspose(OpRule):
    """Transposed convolution: x (N, C, ...), weights (C, M/group, ...), bias (M)."""

    op_types = ("ConvTranspose",)

    def demand(self, node: ir.Node, wanted: Sequence[Region | None]) -> Flow:
        out = sole(wanted)
        groups = int(attribute(node, "group", 1))
        count = shape_of(node.outputs[0])[1]
        rows = inside = out.axis(1)
        kept_groups: Indices | None = None
        if groups > 1 and rows is not None:
            # Weights hold one column for each place in a group, the same for every group.
            size = count // groups
            kept_groups = indices(channel // size for channel in rows)
            inside = indices(channel % size for channel in rows)
            rows = tuple(group * size + i for group in kept_groups for i in inside)
        channels = members(kept_groups, shape_of(node.inputs[0])[1], groups)
        needs = (Region((out.axis(0), channels)), Region((channels, inside)), Region((rows,)))
        return Flow(inputs=needs[: len(node.inputs)], outputs=(Region((out.axis(0), rows)),))

    def narrow(self, node: ir.Node, flow: Flow) -> Rewrite:
        return regrouped(node, flow)

    def macs(self, node: ir.Node) -> int:
        return prod(shape_of(node.inputs[0])) * prod(shape_of(node.inputs[1])[1:])

    def examples(self) -> Sequence[Example]:
        random = np.random.default_rng(0)
        plain = random.standard_normal((5, 6, 2, 2)).astype(np.float32)
        grouped = random.standard_normal((6, 2, 3, 3)).astype(np.float32)
        bias = random.standard_normal(6).astype(np.float32)
        return (
            Example(
                op_type="ConvTranspose",
                inputs=[(1, 5, 4, 4), plain, bias],
                attributes={"strides": [2, 2]},
            ),
            Example(
                op_type="ConvTranspose", inputs=[(1, 6, 4, 4), grouped], attributes={"group": 3}
            ),
        )


def whole_groups(
    wanted: Indices | None, count: int, groups: int
) -> tuple[Indices | None, Indices | None]:
    """Output channels to compute, and groups to keep, for the wanted of ``count`` channels.

    A grouped convolution gives every group equally many outputs, so of the groups that are kept,
    those from which fewer are wanted compute some more.
    """
    if wanted is None:
        return None, None
    if groups == 1:
        return wanted, None
    size = count // groups
    per_group: dict[int, list[int]] = {}
    for channel in wanted:
        per_group.setdefault(channel // size, []).append(channel)
    most = max(len(channels) for channels in per_group.values())
    rows: list[int] = []
    for group, channels in per_group.items():
        spare = [c for c in members((group,), count, groups) or () if c not in channels]
        rows += [*channels, *spare[: most - len(channels)]]
    return indices(rows), indices(per_group)


def members(kept_groups: Indices | None, count: int, groups: int) -> Indices | None:
    """The channels, of ``count``, that lie in the kept groups."""
    if kept_groups is None:
        return None
    size = count // groups
    return tuple(group * size + i for group in kept_groups for i in range(size))


def regrouped(node: ir.Node, flow: Flow) -> Rewrite:
    """The group count that is left after whole groups went."""
    groups = int(attribute(node, "group", 1))
    x = flow.inputs[0]
    channels = None if x is None else x.axis(1)
    if groups == 1 or channels is None:
        return Rewrite()
    return Rewrite(attributes={"group": len(channels) * groups // shape_of(node.inputs[0])[1]})
