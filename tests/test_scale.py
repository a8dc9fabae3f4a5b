"""The graphs on which the cut's time is measured are cut as they should be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import scale
from edgecut.cutout import cut
from edgecut.verification import selected
from tests.graphs import random_inputs, run

NODES = 400


def test_about_as_many_nodes_as_asked_for() -> None:
    assert len(list(scale.network(NODES).model.graph)) == pytest.approx(NODES, abs=3)


def test_the_cut_gives_the_kept_scores_and_drops_the_branches_of_others() -> None:
    full = scale.network(NODES)
    small, done = cut(full, scale.KEEP)
    feeds = random_inputs(full)
    expected = selected(run(full, feeds), done.selection)
    for name, array in run(small, feeds).items():
        np.testing.assert_array_equal(array, expected[name])
    branches = NODES // 3 // scale.EVERY
    gone = len(list(full.model.graph)) - len(list(small.model.graph))
    # Two nodes of a branch, and of each category that goes its share of the last block and its sum.
    assert gone == pytest.approx(2 * branches * 6 / 8 + 2 * 6, abs=4)


def test_a_row_holds_what_the_table_shows(capsys: pytest.CaptureFixture[str]) -> None:
    scale.main(NODES)
    row = json.loads(capsys.readouterr().out)
    assert 0 < row["nodes_left"] < row["nodes"]
    assert row["cut_cpu_s"] > 0 and row["peak_bytes"] > 0
