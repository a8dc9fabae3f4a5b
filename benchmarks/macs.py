"""edgecut's count of multiply-accumulates beside those of fvcore, ptflops and onnx-tool.

Where the rules agree, on convolutions and matrix products, the counts must be equal. Where the
tools count other operations as well, or leave products out, each tool's own figures say by how
much; what then is left over is ``unexplained``, and a test wants none of it.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from benchmarks import architectures
from benchmarks.peers import mac_counters
from benchmarks.peers.mac_counters import Count
from edgecut.cost import cost
from edgecut.source import Source, load


def run() -> dict[str, Any] | None:
    """Rows ``{architecture, image, macs, counts}``; None where the counters are not installed."""
    if missing := mac_counters.missing():
        print(
            f"not installed: {', '.join(missing)}; see benchmarks/peers/README.md", file=sys.stderr
        )
        return None
    rows = []
    for name, size in architectures.IMAGES.items():
        print(f"  {name}", file=sys.stderr)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tools' own
            rows.append(_row(name, size))
    return {"schema": "edgecut.macs/1", "rows": rows}


def _row(name: str, size: int) -> dict[str, Any]:
    import torch

    source = Source(model=f"benchmarks.architectures:{name}", input_shape=f"1x3x{size}x{size}")
    network = load(source)
    found = cost(network)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        network.write(path)
        counts = [mac_counters.onnx_tool(path)]
    module, image = getattr(architectures, name)(), torch.zeros(1, 3, size, size)
    counts += [count(module, image) for count in (mac_counters.fvcore, mac_counters.ptflops)]
    return {
        "architecture": name,
        "image": size,
        "macs": found.macs,
        "parameters": found.parameters,
        "uncounted": list(found.uncounted),
        "counts": [_compared(found.macs, count) for count in counts],
    }


def _compared(ours: int, count: Count) -> dict[str, Any]:
    """What the tool counts, and why it is not what edgecut counts."""
    return {
        "tool": count.tool,
        "version": count.version,
        "macs": count.macs,
        "ratio": count.macs / ours,
        "products": count.products,
        "besides": count.besides,
        "left_out": count.left_out,
        "unexplained": count.products + sum(count.left_out.values()) - ours,
    }
