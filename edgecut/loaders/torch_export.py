"""PyTorch's exporter: an exported program as ONNX, quietly, and with its normalisations."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgecut.errors import EdgecutError, MissingPackage

if TYPE_CHECKING:
    import onnx

OPSET = 18
EXPORT_TOLERANCE = 1e-3  # of an output's largest magnitude: two libraries, and deep networks
_LATER = "edgecut.later"


def import_torch() -> Any:
    """PyTorch, with what its exporter needs, and without what it logs.

    Raises:
        MissingPackage: torch or onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401  (torch.onnx needs it)
        import torch
    except ImportError as error:
        raise MissingPackage(
            str(error.name), extra="torch", why="reading PyTorch models"
        ) from error
    # The exporter warns of every optional package that it does not find, and reading a program
    # logs the whole traceback of what it raises.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    return torch


def to_onnx(
    torch: Any,
    program: Any,
    source: str,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> onnx.ModelProto:
    """An exported program as ONNX; its inputs and outputs get these names, or torch's own.

    Raises:
        EdgecutError: ``export-failed``, which names the source.
    """
    import contextlib

    def export() -> onnx.ModelProto:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exported = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                optimize=False,
                input_names=inputs,
                output_names=outputs,
            )
            _optimise(exported)
        proto: onnx.ModelProto = exported.model_proto
        return proto

    proto: onnx.ModelProto = attempt("convert to ONNX", source, export)
    return proto


def _optimise(exported: Any) -> None:
    """The exporter's own simplifications, but for normalisations, which it would fold away.

    They tell what the network saw in training; ``passes.tidy`` folds them later.
    """
    for node in exported.model.graph:
        if node.op_type == "BatchNormalization":
            node.domain = _LATER  # which the exporter does not know, and so leaves alone
    exported.optimize()
    for node in exported.model.graph:
        if node.domain == _LATER:
            node.domain = ""
    exported.model.opset_imports.pop(_LATER, None)


def attempt(what: str, source: str, act: Any, *, code: str = "export-failed") -> Any:
    """Run the user's or torch's code; whatever it raises becomes one clear line."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act()
    except Exception as error:  # anything at all may come out of foreign code
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EdgecutError(f"cannot {what} {source}: {reason[:300]}", code=code) from error
