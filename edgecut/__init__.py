"""edgecut: cut a vision model down to the categories you need, and ship it to the edge.

The command line's verbs are functions here::

    import edgecut

    network = edgecut.load("yolox_nano.onnx", labels="coco80")
    result = edgecut.build(
        edgecut.Source(model="yolox_nano.onnx", labels="coco80"),
        keep=["person", "car"],
        out=Path("dist"),
    )
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecut.appraise import evaluate
    from edgecut.bundle import gains
    from edgecut.errors import EdgecutError
    from edgecut.pipeline import build, cut, verify
    from edgecut.profiling import profile
    from edgecut.source import SampleSource, Source, load

# Both report to their makers over the network unless told not to before they are imported.
for _switch in ("ORT_DISABLE_TELEMETRY", "NNCF_CI"):
    os.environ.setdefault(_switch, "1")

__version__ = "0.1.0"
__all__ = [
    "EdgecutError",
    "SampleSource",
    "Source",
    "bench",
    "build",
    "cut",
    "evaluate",
    "gains",
    "load",
    "profile",
    "verify",
]

_HOMES = {
    "EdgecutError": "errors",
    "SampleSource": "source",
    "Source": "source",
    "load": "source",
    "bench": "timing",
    "evaluate": "appraise",
    "gains": "bundle",
    "build": "pipeline",
    "cut": "pipeline",
    "verify": "pipeline",
    "profile": "profiling",
}


def __getattr__(name: str) -> Any:
    """Import a name's home when it is first used, so that `import edgecut` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'edgecut' has no attribute '{name}'")
    return getattr(import_module(f"edgecut.{_HOMES[name]}"), name)
