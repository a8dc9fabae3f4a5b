from typing import Any

import pytest

from benchmarks.paper.costs import ALL, BY_KIND, Saving, averages, most
from edgecut.cost import Cost


def cost_of(parameters: int, macs: int) -> Cost:
    return Cost(parameters=parameters, macs=macs, weight_bytes=4 * parameters)


def test_a_saving_is_a_share_of_the_full_and_of_the_dense_network() -> None:
    found = Saving.of(cost_of(10, 30), cost_of(100, 60), cost_of(40, 20))
    assert found == Saving(
        parameters_excluded=pytest.approx(0.9),
        macs_excluded=pytest.approx(0.5),
        parameters_vs_dense=pytest.approx(0.75),
        macs_vs_dense=pytest.approx(-0.5),
    )


def test_averages_over_all_weigh_rows_and_over_kinds_weigh_kinds() -> None:
    rows = [{"kind": "leaf", "x": 1.0}] * 3 + [{"kind": "list", "x": 0.0}]
    found = averages(rows, ("x",))
    assert found == {
        "leaf": {"x": 1.0},
        "list": {"x": 0.0},
        BY_KIND: {"x": 0.5},
        ALL: {"x": 0.75},
    }


def test_what_is_not_known_does_not_count() -> None:
    rows = [{"kind": "leaf", "x": None}, {"kind": "list", "x": 0.5}, {"kind": "list", "x": None}]
    found = averages(rows, ("x",))
    assert [found[over]["x"] for over in ("leaf", "list", BY_KIND, ALL)] == [None, 0.5, 0.5, 0.5]


def test_the_best_case_is_good_at_both() -> None:
    def row(name: str, parameters: float, macs: float) -> dict[str, Any]:
        return {"case": name, "parameters_excluded": parameters, "macs_excluded": macs}

    rows = [row("narrow", 0.99, 0.5), row("both", 0.91, 0.86), row("shallow", 0.6, 0.95)]
    assert most(rows, 0.9, 0.85)["case"] == "both"
