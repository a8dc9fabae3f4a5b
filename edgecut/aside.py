"""Large weights kept out of a model's protobuf, which holds 2 GiB at most.

Every pass of the onnx package takes a model as bytes, gives one as bytes, and copies all that is
inside. Few weights matter to it: the others stand among the model's inputs for as long.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnx_ir as ir
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[Any]]

LARGE_BYTES = 2**20
PROTOBUF_BYTES = 2**31 - 2**20
# As second operand of these, a weight is nothing that onnxsim could fold into another one.
_PRODUCTS = ("Gemm", "MatMul")


def as_inputs(proto: onnx.ModelProto, weights: Container[str]) -> None:
    """Put inputs in the place of the weights of these names, without a look at their numbers."""
    from onnx import helper

    stay = [tensor for tensor in proto.graph.initializer if tensor.name not in weights]
    gone = [tensor for tensor in proto.graph.initializer if tensor.name in weights]
    inputs = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in gone]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(stay)
    proto.graph.input.extend(inputs)


def as_weights(model: ir.Model, weights: Weights) -> None:
    """Make the inputs of these names the weights that they stand for."""
    import onnx_ir as ir

    inputs = model.graph.inputs
    for value in [value for value in inputs if value.name in weights]:
        inputs.remove(value)
        name = str(value.name)
        value.const_value = ir.tensor(weights[name], name=name)
        model.graph.register_initializer(value)


def outlined(model: ir.Model, names: Collection[str]) -> tuple[onnx.ModelProto, Weights]:
    """The model with inputs in the place of the weights of these names, and those weights.

    The model itself, with its weights inside, is left as it is.
    """
    import onnx_ir as ir

    clone, weights = model.clone(), {}
    for name in names:
        value = clone.graph.initializers.pop(name)
        assert value.const_value is not None
        weights[name] = value.const_value.numpy()
        value.const_value = None
        clone.graph.inputs.append(value)
    return ir.to_proto(clone), weights


def large(model: ir.Model) -> list[str]:
    """The names of the weights that are large, numpy's own, and no outputs."""
    return [
        str(value.name)
        for value in model.graph.initializers.values()
        if value.const_value is not None
        and value.const_value.nbytes >= LARGE_BYTES
        and is_plain(value.const_value.dtype.numpy())
        and not value.is_graph_output()
    ]


def large_of_products(model: ir.Model) -> list[str]:
    """Those of ``large`` that nothing but matrix products read."""
    return [name for name in large(model) if _is_of_products(model.graph.initializers[name])]


def foldable(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes, in their order, that depend on constants alone, and those that ask for a shape."""
    constants = {tensor.name for tensor in graph.initializer} | {""}
    for node in graph.node:
        if node.op_type == "Constant":
            constants.update(node.output)
        elif node.op_type in ("Shape", "Size") or constants.issuperset(node.input):
            constants.update(node.output)
            yield node


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether numpy itself has this type, by a name that means it alone."""
    return dtype.kind in "fiub" and dtype.isbuiltin == 1


def _is_of_products(value: ir.Value) -> bool:
    return bool(value.uses()) and all(
        use.node.domain == ""
        and use.node.op_type in _PRODUCTS
        and use.idx == 1
        and use.node.inputs[0] is not None
        and use.node.inputs[0].const_value is None
        for use in value.uses()
    )
