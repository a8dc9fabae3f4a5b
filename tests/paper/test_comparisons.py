import pytest

from benchmarks.paper.comparisons import beside_specialists, means
from tests.paper.test_summary import row


def test_points_against_dense_are_of_top1_or_of_auroc() -> None:
    rows = [
        row("leaf", auroc_full=0.9, auroc_dense=0.8),
        row("list", top1_full=0.5, top1_dense=0.9),
        row("list"),
    ]
    found = {one["over"]: one["points_vs_dense"] for one in means(rows)}
    assert found == pytest.approx({"leaf": 0.1, "list": -0.4, "kinds alike": -0.15, "all": -0.15})


def test_specialists_are_compared_list_by_list_and_where_there_is_one() -> None:
    """Lists without a specialist say nothing of it, however good the cut is on them."""
    both = {"fpr_full": 0.2, "fpr_specialist": 0.8}
    rows = [
        row("list", top1_full=0.80, top1_specialist=0.78, **both),
        row("list", top1_full=0.70, top1_specialist=0.66, **both),
        row("list", top1_full=0.99),
    ]
    (found,) = beside_specialists(rows)
    assert found == pytest.approx(
        {
            "base": "resnet",
            "data": "toy",
            "lists": 2,
            "top1_full": 0.75,
            "top1_specialist": 0.72,
            "points_vs_specialist": 0.03,
            "least": 0.02,
            "most": 0.04,
            **both,
        }
    )
    assert beside_specialists(rows[2:]) == []
