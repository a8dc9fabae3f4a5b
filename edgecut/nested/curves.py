"""The course of a training, drawn."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import Any

from edgecut.errors import MissingPackage


def drawn(log: Sequence[dict[str, float]], name: str) -> bytes:
    """A PNG of loss and validation top-1 by epoch.

    Raises:
        MissingPackage: matplotlib is not installed.
    """
    # It tells on stderr that it builds its cache of fonts.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackage("matplotlib", extra="train", why="drawing curves") from error
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Any = figure.subplots()
    epochs = [entry["epoch"] for entry in log]
    lines = axes.plot(epochs, [entry["loss"] for entry in log], color="tab:gray", label="loss")
    axes.set(xlabel="epoch", ylabel="training loss", title=name)
    if any("val_top1" in entry for entry in log):
        right = axes.twinx()
        values = [100 * entry.get("val_top1", float("nan")) for entry in log]
        lines += right.plot(epochs, values, color="tab:blue", label="validation top-1")
        right.set(ylabel="top-1 (%)", ylim=(0, 100))
    axes.legend(handles=lines, loc="center right")
    axes.grid(alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()
