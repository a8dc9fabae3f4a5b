"""The TFLite emitter: a network becomes one float32 flatbuffer for LiteRT.

Every value is stored in some order of its axes, and images NHWC; what ONNX transposes becomes a
different look at the same data. See ``layout``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecut import attention
from edgecut.artifact import Emitted, Port
from edgecut.emitters import layout as storage
from edgecut.emitters.layout import NHWC, Permutation
from edgecut.emitters.tflite_lowering import Lowering, Unsupported, shape_of
from edgecut.emitters.tflite_ops import RULES
from edgecut.errors import EdgecutError
from edgecut.target import LAYOUTS

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecut.network import Network

Refusal = tuple[str, str, str]


def emit(network: Network, *, layout: str = "NHWC") -> Emitted:
    """The network as a ``.tflite`` file with the network's own input and output names.

    Args:
        network: static shapes, float32.
        layout: how inputs and outputs of rank 4 cross the boundary, ``NHWC`` or ``NCHW``. Under
            NHWC an output that the network itself turned channels-last stays in that order; its
            port's permutation says which. Other ranks cross in the network's own order.

    Raises:
        EdgecutError: ``unsupported-operation``, naming the nodes; ``unknown-layout``;
            ``dynamic-shape``.
        MissingPackage: where ai-edge-litert is not installed.
    """
    if layout not in LAYOUTS:
        raise EdgecutError(
            f"'{layout}' is not a layout", code="unknown-layout", hint=" or ".join(LAYOUTS)
        )
    emission = _Emission(network, layout)
    emission.run()
    if emission.refusals:
        raise _refused(network.name, emission.refusals)
    return emission.finished()


def unsupported(network: Network) -> list[Refusal]:
    """What of the network TFLite cannot hold: operation, node and reason for each such node."""
    emission = _Emission(network, "NHWC")
    emission.run()
    return emission.refusals


class _Emission:
    """One walk over the graph; emitting and checking are the same walk."""

    def __init__(self, network: Network, layout: str) -> None:
        graph = network.model.graph
        self.graph = graph
        self.attention = network.attention
        self.layout = layout
        self.refusals: list[Refusal] = []
        self.ctx = Lowering(int(graph.opset_imports.get("", graph.opset_imports.get("ai.onnx", 0))))
        self.ports: list[tuple[Port, int]] = []

    def run(self) -> None:
        """Lower every node, in order; what cannot be is noted and passed over."""
        for value in self.graph.inputs:
            if value.is_initializer():
                continue
            try:
                self.ports.append(self._input(value))
            except Unsupported as reason:
                self._refuse("Input", str(value.name), str(reason), [value])
        for node in self.graph:
            if node in self.ctx.absorbed:
                continue
            try:
                self._lower(node)
            except Unsupported as reason:
                name = node.name or str(node.outputs[0].name)
                # Go on as if it had worked, so that one call tells every such node.
                self.ctx.absorbed.difference_update(node.successors())
                self._refuse(node.op_type, name, str(reason), node.outputs)

    def finished(self) -> Emitted:
        """The file and its ports."""
        outputs: list[tuple[Port, int]] = []
        for value in self.graph.outputs:
            outputs.append(self._output(value, {i for _, i in (*self.ports, *outputs)}))
        content = self.ctx.graph.to_bytes(
            {port.network_name: i for port, i in self.ports},
            {port.network_name: i for port, i in outputs},
            {attention.KEY: told.to_text()} if (told := self.attention) else {},
        )
        return Emitted(
            format="tflite",
            scheme="float32",
            files={".tflite": content},
            inputs=tuple(port for port, _ in self.ports),
            outputs=tuple(port for port, _ in outputs),
        )

    def _lower(self, node: ir.Node) -> None:
        rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if rule is None:
            raise Unsupported("edgecut has no rule for it in TFLite")
        rule(self.ctx, node)

    def _refuse(self, kind: str, name: str, reason: str, values: Sequence[ir.Value]) -> None:
        self.refusals.append((kind, name, reason))
        for value in values:
            shape = shape_of(value)
            tensor = self.ctx.graph.tensor(str(value.name), shape, "float32")
            self.ctx.define(value, tensor, storage.logical(len(shape)))

    def _input(self, value: ir.Value) -> tuple[Port, int]:
        permutation = self._boundary(value)
        tensor = self.ctx.output(value, permutation)
        return self._port(value, permutation, tensor), tensor

    def _output(self, value: ir.Value, taken: set[int]) -> tuple[Port, int]:
        permutation = self._boundary(value)
        if self.layout == "NHWC" and len(permutation) == len(NHWC):
            own = self.ctx.view(value).permutation
            permutation = own if own == storage.logical(len(own)) else permutation
        tensor = self.ctx.stored(value, permutation)
        if tensor in taken or self.ctx.constant(value) is not None:
            shape = self.ctx.graph.tensors[tensor].shape
            tensor = self.ctx.reshaped(tensor, shape, self.ctx.like(tensor, "output"))
        self.ctx.graph.rename(tensor, str(value.name))
        return self._port(value, permutation, tensor), tensor

    def _boundary(self, value: ir.Value) -> Permutation:
        rank = len(shape_of(value))
        return NHWC if rank == len(NHWC) and self.layout == "NHWC" else storage.logical(rank)

    def _port(self, value: ir.Value, permutation: Permutation, tensor: int) -> Port:
        return Port(
            network_name=str(value.name),
            artifact_name=str(value.name),
            shape=storage.stored_shape(shape_of(value), permutation),
            dtype=self.ctx.graph.tensors[tensor].dtype,
            permutation=permutation,
        )


def _refused(name: str, refusals: list[Refusal]) -> EdgecutError:
    told = "; ".join(f"{op} '{node}': {reason}" for op, node, reason in refusals[:5])
    more = f"; and {len(refusals) - 5} more" if len(refusals) > 5 else ""
    return EdgecutError(
        f"{name} cannot be written as TFLite: {told}{more}",
        code="unsupported-operation",
        where=refusals[0][1],
        hint="another format may take it, or rewrite these operations before exporting",
    )
