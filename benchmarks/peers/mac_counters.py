"""What fvcore, ptflops and onnx-tool count in a network, each part apart.

Every counter answers with a ``Count``: its own total, and how that total splits into products
(convolutions and matrix products, by the tool's own figures), what it counts besides them, by
operation, and what of the products it leaves out. Nothing of edgecut's count goes into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib import metadata, util
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any

PACKAGES = ("transformers", "fvcore", "ptflops", "onnx_tool")
_FVCORE_PRODUCTS = frozenset(("conv", "linear", "matmul", "addmm", "bmm", "mm", "einsum"))
_ATTENTION, _NAMED_PADDING = "scaled_dot_product_attention", "convolution with named padding"
_FVCORE_NAMES = {
    "aten::scaled_dot_product_attention": _ATTENTION,
    "aten::_convolution_mode": _NAMED_PADDING,
}
_ONNX_PRODUCTS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a tool counts: ``macs`` = ``products`` + all of ``besides``.

    ``left_out`` holds products that the tool does not see.
    """

    tool: str
    version: str
    macs: int
    besides: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def products(self) -> int:
        """Of convolutions and matrix products alone."""
        return self.macs - sum(self.besides.values())


def missing() -> list[str]:
    """The packages that are not installed, of those that this comparison needs."""
    return [name for name in PACKAGES if util.find_spec(name) is None]


def fvcore(module: Any, image: Any) -> Count:
    """The flop counter of fvcore, which traces the module; it calls a MAC a flop."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module, image)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none")
    by_operation = {name: int(macs) for name, macs in analysis.by_operator().items()}
    unseen = {_FVCORE_NAMES.get(name) for name in analysis.unsupported_ops()}
    return Count(
        tool="fvcore",
        version=metadata.version("fvcore"),
        macs=int(analysis.total()),
        besides={n: macs for n, macs in by_operation.items() if n not in _FVCORE_PRODUCTS},
        left_out={name: macs for name, macs in _watched(module, image).items() if name in unseen},
    )


def ptflops(module: Any, image: Any) -> Count:
    """The backend ``aten`` of ptflops, which counts the operations that run.

    Its other backend counts modules and patched functions, and gives no figure by operation.
    """
    import torch
    from ptflops.aten_engine import FlopCounterMode

    aten = torch.ops.aten
    biases: Counter[str] = Counter()

    def apart(name: str, place: int, count: Callable[..., int]) -> Callable[..., int]:
        """The tool's own count of an operation; its difference without the bias goes to biases."""

        def counted(inputs: Any, outputs: Any) -> int:
            without = [None if i == place else value for i, value in enumerate(inputs)]
            found = count(inputs, outputs)
            biases[name] += found - count(without, outputs)
            return found

        return counted

    from ptflops import aten_ops

    hooks = {
        aten.addmm: apart("bias of addmm", 0, aten_ops.addmm_flop),
        aten.convolution: apart("bias of convolution", 2, aten_ops.conv_flop),
    }
    mode = FlopCounterMode(custom_hooks=hooks, output_params={"print_params": {}})
    with torch.no_grad(), mode:
        module(image)
    return Count(
        tool="ptflops",
        version=metadata.version("ptflops"),
        macs=int(mode.complexity),
        besides={name: macs for name, macs in biases.items() if macs},
        left_out={n: macs for n, macs in _watched(module, image).items() if n == _ATTENTION},
    )


def onnx_tool(path: Path) -> Count:
    """onnx-tool on an ONNX file with static shapes."""
    import onnx_tool as tool

    _teach(tool)
    with redirect_stdout(StringIO()):
        graph = tool.Model(str(path), {"constant_folding": True}).graph
        graph.shape_infer()
        graph.profile()
    total, besides = 0, Counter[str]()
    for node in graph.nodemap.values():
        macs = int(node.macs[0])
        total += macs
        if node.op_type not in _ONNX_PRODUCTS:
            besides[node.op_type] += macs
        elif len(node.input) > 2 and macs:
            elements = prod(graph.tensormap[node.output[0]].get_shape())
            besides[f"bias of {node.op_type}"] += elements
    return Count(
        tool="onnx-tool",
        version=metadata.version("onnx-tool"),
        macs=total,
        besides={name: macs for name, macs in besides.most_common() if macs},
    )


def _teach(tool: Any) -> None:
    """An operation of which onnx-tool knows no shape; like any test it counts as nothing."""
    if tool.node.NODE_REGISTRY.get("IsNaNNode") is not None:
        return

    class IsNaNNode(tool.node.Node):  # type: ignore[misc, name-defined, unused-ignore]
        def shape_infer(self, inputs: Any, outputs: Any) -> None:
            outputs[0].update_shape(inputs[0].get_shape())
            outputs[0].update_dtype(bool)

        def profile(self, inputs: Any, outputs: Any) -> list[int]:
            return [0, 0]

    tool.node.NODE_REGISTRY.register()(IsNaNNode)


def _watched(module: Any, image: Any) -> Counter[str]:
    """MACs of products that a counter may miss, from the shapes with which they are called.

    Fused attention has queries by keys, L x S x E, and weights by values, L x S x Ev, for each
    image and head; a convolution whose padding is a word has output elements by inner dimension.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    found: Counter[str] = Counter()

    class Watch(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = function(*args, **(kwargs or {}))
            if function is torch.nn.functional.scaled_dot_product_attention:
                query, key, value = args[:3]
                each = query.shape[-2] * key.shape[-2] * (query.shape[-1] + value.shape[-1])
                found[_ATTENTION] += prod(query.shape[:-2]) * each
            elif function is torch.conv2d and isinstance(args[4], str):
                found[_NAMED_PADDING] += result.numel() * prod(args[1].shape[1:])
            return result

    with torch.no_grad(), Watch():
        module(image)
    return found
