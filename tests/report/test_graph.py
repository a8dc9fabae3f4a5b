"""The drawing of a cut: its lanes, its rows, and what a real browser makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.fates import Fate, fates
from edgecut.report import graph, lanes
from tests.graphs import conv_weights, network_of
from tests.report.browser import Reader, needs_browser, opened
from tests.test_why import NAMES, branches


@pytest.fixture(scope="module")
def found() -> tuple[Fate, ...]:
    return fates(branches(), ["ant"])


@pytest.fixture(scope="module")
def text(found: tuple[Fate, ...]) -> str:
    return graph.page("branches", ["ant"], found, NAMES)


def test_every_node_has_its_fate(found: tuple[Fate, ...]) -> None:
    kinds = {fate.node: fate.kind for fate in found}
    assert kinds == {
        "stem": "whole",
        "left": "narrowed",
        "right": "gone",
        "box": "whole",
        "join": "narrowed",
        "beside": "whole",
    }
    left = next(fate for fate in found if fate.node == "left")
    assert (left.shape, left.left) == ((1, 2, 5, 5), (1, 1, 5, 5))
    assert left.macs == 2 * left.macs_left == 2 * 6 * 25
    assert left.categories == ("ant", "bee")
    join = next(fate for fate in found if fate.node == "join")
    assert [found[place].node for place in join.reads] == ["box", "left", "right"]


def of(nodes: list[onnx.NodeProto], outputs: list[str], *slots: str) -> dict[str, Fate]:
    """The fates in a network of one input, cut to its first category."""
    network = network_of(
        nodes, inputs={"x": (1, 6)}, outputs=outputs, weights={"w": conv_weights(4, 6)}
    )
    network = with_categories(network, NAMES, source="test", slots=",".join(slots))
    return {fate.node: fate for fate in fates(network, ["ant"])}


def test_what_is_computed_and_not_shown_costs_all_the_same() -> None:
    """An exact softmax needs all logits, of which the output shows one."""
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["z"], name="head", transB=1),
        helper.make_node("Softmax", ["z"], ["y"], name="soft", axis=1),
    ]
    found = of(nodes, ["z", "y"], "z:1:4", "y:1:4")
    assert {name: (fate.kind, fate.macs_left) for name, fate in found.items()} == {
        "head": ("whole", 24),
        "soft": ("whole", 0),
    }
    assert found["soft"].stopped


def test_a_node_counts_by_its_first_output_though_another_is_read() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["z"], name="head", transB=1),
        helper.make_node("Reshape", ["z", "rows"], ["r"], name="rows"),
        helper.make_node("TopK", ["r", "two"], ["values", "y"], name="top"),
    ]
    network = network_of(
        nodes,
        inputs={"x": (1, 6)},
        outputs=["y"],
        weights={
            "w": conv_weights(12, 6),
            "rows": np.array([1, 4, 3], np.int64),
            "two": np.array([2], np.int64),
        },
    )
    network = with_categories(network, NAMES, source="test", slots="y:1:4")
    top = next(fate for fate in fates(network, ["ant"]) if fate.node == "top")
    assert top.kind != "gone"


graphs = st.integers(1, 30).flatmap(
    lambda count: st.tuples(
        *(st.lists(st.integers(0, max(0, i - 1)), max_size=3, unique=True) for i in range(count))
    )
)


@given(reads=graphs)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_two_tensors_are_in_one_lane_at_once(reads: tuple[list[int], ...]) -> None:
    reads = tuple([] if i == 0 else sources for i, sources in enumerate(reads))
    found = lanes.lanes(reads)
    last = {s: i for i, sources in enumerate(reads) for s in sources}
    for place, lane in enumerate(found.lane):
        assert 0 <= lane < found.count
        for other in range(place):
            if found.lane[other] == lane:
                assert last.get(other, other) <= place


def test_a_row_for_each_node_and_a_bar_for_what_it_costs(text: str) -> None:
    rows = {row[0]: row for row in Reader(text).rows}
    assert rows["left"][:5] == ["left", "Conv", "1x2x5x5", "1x1x5x5", "150"]
    assert rows["right"][3] == "nothing" and rows["stem"][3] == "all"
    assert rows["stem"][6] == "all" and rows["left"][6] == "antbee"
    assert text.count("<circle") == 6 and text.count('class="gone"') >= 2


def test_names_cannot_break_out_of_the_page() -> None:
    hostile = '"><script>alert(1)</script>'
    fate = Fate(
        node=hostile,
        op_type=hostile,
        tensor=hostile,
        reads=(),
        shape=None,
        left=(),
        macs=0,
        macs_left=0,
        categories=(hostile,),
        stopped=hostile,
    )
    text = graph.page(hostile, [hostile], [fate], [hostile, "b"])
    assert "script" not in Reader(text).tags
    assert Reader(text).urls == ["data:,", "#main"]


def test_too_many_nodes_are_refused(found: tuple[Fate, ...]) -> None:
    with pytest.raises(EdgecutError) as error:
        graph.page("big", ["ant"], found[:1] * (graph.MOST + 1), NAMES)
    assert error.value.code == "too-large"


@needs_browser
def test_a_browser_shows_rows_beside_their_dots(text: str, tmp_path: Path) -> None:
    asked = """
      const dots = [...document.querySelectorAll('circle')];
      const rows = [...document.querySelectorAll('tbody tr')];
      const middle = box => box.top + box.height / 2;
      const off = dots.map((dot, i) => Math.abs(middle(dot.getBoundingClientRect())
                                                - middle(rows[i].getBoundingClientRect())));
      document.title = rows.length + ' ' + Math.max(...off).toFixed(1);"""
    html = text.replace("</body>", f"<script>{asked}</script></body>")
    dom, console = opened(html, tmp_path, "--dump-dom")
    count, off = re.search(r"<title>(\d+) ([\d.]+)</title>", dom).groups()  # type: ignore[union-attr]
    assert console == "" and int(count) == 6 and float(off) <= 3
