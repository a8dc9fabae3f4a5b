"""The picture of a training's course."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from edgecut.errors import MissingPackage
from edgecut.nested.curves import drawn

LOG = [{"epoch": 1.0, "loss": 2.5, "val_top1": 0.2}, {"epoch": 2.0, "loss": 1.5, "val_top1": 0.6}]


def shades(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as opened:
        assert opened.format == "PNG" and opened.width > 400
        return np.asarray(opened.convert("RGB")).astype(int)


def test_loss_and_top1() -> None:
    png = drawn(LOG, "toys")
    assert drawn(LOG, "toys") == png
    assert ((shades(png) - [31, 119, 180]) ** 2).sum(2).min() < 100  # the blue of top-1


def test_without_validation_there_is_loss_alone() -> None:
    png = drawn([{"epoch": e["epoch"], "loss": e["loss"]} for e in LOG], "toys")
    assert ((shades(png) - [31, 119, 180]) ** 2).sum(2).min() > 1000


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackage) as error:
        drawn(LOG, "toys")
    assert error.value.hint == "pip install 'edgecut[train]'"
