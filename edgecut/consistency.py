"""Whose fault it is when an analysis fails: edgecut's, or that of a graph which makes no sense.

ONNX's checker and its shape inference let much pass: a Transpose over an axis that is not there,
weights of another shape than their operation takes. ONNX Runtime does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgecut import contained
from edgecut.errors import EdgecutError
from edgecut.network import Network, to_model
from edgecut.onnx_run import random_feeds, run


@contextmanager
def blamed_on(network: Network) -> Iterator[None]:
    """Turn what nobody foresaw into an error of the network's, where it does not run either.

    Raises:
        EdgecutError: ``inconsistent``.
    """
    try:
        yield
    except (EdgecutError, MemoryError, OSError):
        raise
    except Exception as error:
        fault = _fault_of(network)
        if fault is None:
            raise
        raise EdgecutError(
            f"{network.name} makes no sense: ONNX Runtime does not run it ({fault})",
            code="inconsistent",
            hint="the file is damaged, or was exported wrongly",
        ) from error


def _fault_of(network: Network) -> str | None:
    told, _ = contained.call(f"{__name__}:fault", {}, network.to_bytes(), what=network.name)
    return None if told["fault"] is None else str(told["fault"])


def fault(_: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """What ONNX Runtime says against a serialised model, on one random input."""
    import onnx

    network = Network(name="it", model=to_model(onnx.ModelProto.FromString(data)), digest="")
    try:
        run(data, random_feeds(network))
    except Exception as error:  # ONNX Runtime raises many kinds
        return {"fault": (str(error).strip().splitlines() or [type(error).__name__])[0][:200]}, b""
    return {"fault": None}, b""
