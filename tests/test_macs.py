"""edgecut's count beside other tools': what the committed comparison says, and that it can fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import architectures
from benchmarks.macs import _compared
from benchmarks.models import RESULTS
from benchmarks.peers import mac_counters
from benchmarks.peers.mac_counters import Count
from benchmarks.tables import _macs

TOOLS = {"fvcore", "ptflops", "onnx-tool"}


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RESULTS / "macs.json").read_text("utf-8"))["rows"]
    return found


def test_a_dozen_architectures_by_three_tools() -> None:
    assert len(rows()) >= 12
    assert {row["architecture"] for row in rows()} == set(architectures.IMAGES)
    assert all({count["tool"] for count in row["counts"]} == TOOLS for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row["architecture"]))
def test_every_difference_is_explained(row: dict[str, Any]) -> None:
    assert row["uncounted"] == []
    for count in row["counts"]:
        besides, left_out = sum(count["besides"].values()), sum(count["left_out"].values())
        assert count["macs"] - besides + left_out == row["macs"]
        assert count["unexplained"] == 0


def test_a_wrong_count_is_not_explained_away() -> None:
    count = Count(tool="a", version="1", macs=120, besides={"norm": 30}, left_out={"attention": 10})
    assert count.products == 90
    assert _compared(100, count)["unexplained"] == 0
    assert _compared(101, count)["unexplained"] == -1
    assert _compared(100, count)["ratio"] == 1.2


def test_the_table_names_the_largest_reason() -> None:
    assert "unexplained" in _macs({"rows": rows()})
    assert "batch_norm" in _macs({"rows": rows()})


@pytest.mark.skipif(bool(mac_counters.missing()), reason="the counters are not installed")
def test_they_count_a_small_network_as_we_do() -> None:
    import torch

    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    image = torch.zeros(1, 3, 6, 6)
    for count in (mac_counters.fvcore(module, image), mac_counters.ptflops(module, image)):
        assert count.products == 4 * 16 * 27
        assert count.macs > count.products
