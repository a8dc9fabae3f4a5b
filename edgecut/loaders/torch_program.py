"""PyTorch: a ``module:factory`` or a ``.pt2`` exported program, through ``torch.onnx``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError
from edgecut.loaders.exactness import first_difference
from edgecut.loaders.onnx_file import from_proto
from edgecut.loaders.pt2_file import harmless
from edgecut.loaders.torch_export import EXPORT_TOLERANCE, attempt, import_torch, to_onnx
from edgecut.network import Network, digest_of
from edgecut.onnx_run import random_feeds, run


def load_torch(
    source: str,
    *,
    weights: Path | None = None,
    input_shape: Sequence[int] | None = None,
    trust: bool = False,
) -> Network:
    """The network of a PyTorch model.

    Args:
        source: ``module:factory``, a callable without arguments that returns an ``nn.Module``, or
            the path of a ``.pt2`` file. Naming a module runs its code, as importing it would.
        weights: a state dict for the factory's module, ``.pth`` (read with ``weights_only``) or
            ``.safetensors``.
        input_shape: shape of the image input, (1, C, H, W); needed for a factory.
        trust: read a ``.pt2`` file that can run any code while it is read; without, only one that
            ``pt2_file`` knows to be harmless.

    Raises:
        EdgecutError: ``missing-package``, ``untrusted-pickle``, ``not-pt2``, ``missing-model``,
            ``bad-factory``, ``bad-weights``, ``missing-input-shape``, ``export-failed``,
            ``export-not-exact``.
    """
    torch = import_torch()
    if source.endswith(".pt2"):
        program, name = _program(torch, Path(source), trust=trust), Path(source).stem
    else:
        if input_shape is None:
            raise EdgecutError(
                f"{source} does not say what input it takes",
                code="missing-input-shape",
                hint="give it, for example --input-shape 1x3x224x224",
            )
        module = _module(source)
        if weights is not None:
            _load_weights(torch, module, weights)
        name = source.rpartition(":")[2]
        image = torch.zeros(tuple(input_shape))
        program = attempt("export", source, lambda: torch.export.export(module.eval(), (image,)))
    proto = to_onnx(torch, program, source)
    digest = digest_of(proto.SerializeToString(deterministic=True))
    network = from_proto(proto, name=name, where=source, digest=digest)
    _check_export(torch, program, network, source)
    return network


def _check_export(torch: Any, program: Any, network: Network, source: str) -> None:
    """Refuse an export that gives other numbers than PyTorch does, on one random input.

    Raises:
        EdgecutError: ``export-not-exact``.
    """
    feeds = random_feeds(network)
    tree = torch.utils._pytree
    # The tensors among the program's arguments, wherever they stand, are the network's inputs.
    leaves, shape = tree.tree_flatten(program.example_inputs)
    given = iter([_numbers(torch, feeds[spec.name]) for spec in network.inputs])
    leaves = [
        next(given).to(leaf.dtype) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves
    ]
    arguments, named = tree.tree_unflatten(leaves, shape)
    with torch.no_grad():
        found = attempt("run", source, lambda: program.module()(*arguments, **named))
    tensors = [leaf for leaf in tree.tree_leaves(found) if isinstance(leaf, torch.Tensor)]
    expected = [(t.float() if t.is_floating_point() else t).numpy() for t in tensors]
    told = attempt(
        "run", f"what was exported from {source}", lambda: run(network.to_bytes(), feeds)
    )
    got = [_numbers(torch, array).numpy() for array in told]
    wrong = first_difference(got, expected, share=EXPORT_TOLERANCE)
    if wrong is not None:
        raise EdgecutError(
            f"{source} is not what was exported: {wrong} in ONNX Runtime than in PyTorch",
            code="export-not-exact",
            hint="an operation that is exported wrongly: export it to ONNX by other means",
        )


def _numbers(torch: Any, array: Any) -> Any:
    """An array as a tensor; floats of any kind as float32, which both sides know."""
    kind = array.dtype.kind
    return torch.from_numpy(array if kind in "biu" else array.astype("float32"))


def _program(torch: Any, path: Path, *, trust: bool) -> Any:
    if not path.is_file():
        raise EdgecutError(f"{path} does not exist", code="missing-model")
    file = path if trust else harmless(torch, path)
    return attempt("read", str(path), lambda: torch.export.load(file))


def _module(source: str) -> Any:
    module_name, _, factory_name = source.partition(":")
    # As `python -m` does: modules beside the user's shell are found too.
    sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except Exception as error:  # naming a module runs its code, which may raise anything
        raise EdgecutError(
            f"'{source}' names no factory: {error}",
            code="bad-factory",
            hint="give module:factory, a callable without arguments that returns an nn.Module",
        ) from error
    finally:
        sys.path.remove("")
    module = attempt("call", source, factory)
    if not hasattr(module, "state_dict"):
        raise EdgecutError(
            f"'{source}' returned {type(module).__name__}, not an nn.Module", code="bad-factory"
        )
    return module


def _load_weights(torch: Any, module: Any, path: Path) -> None:
    def load() -> None:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            module.load_state_dict(load_file(path))
        else:
            # weights_only keeps the pickle from running code.
            module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    if not path.is_file():
        raise EdgecutError(f"{path} does not exist", code="bad-weights")
    attempt("load weights of", str(path), load, code="bad-weights")
