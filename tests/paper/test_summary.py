from typing import Any

import pytest

from benchmarks.paper.signals import OURS
from benchmarks.paper.summary import figures, means

TOLD = {"base": "resnet", "data": "toy"}


def row(kind: str, **known: Any) -> dict[str, Any]:
    keep = ["cat"] if kind != "list" else ["cat", "dog"]
    names = ("top1", "auroc", "fpr")
    empty = {f"{n}_{w}": None for n in names for w in ("full", "cut", "dense", "specialist")}
    costs = dict.fromkeys(("parameters_excluded", "parameters_vs_dense"), 0.95)
    costs |= dict.fromkeys(("macs_excluded", "macs_vs_dense"), 0.9)
    return {
        **TOLD,
        "kind": kind,
        "case": kind,
        "keep": keep,
        **empty,
        **costs,
        "error": 0.0,
    } | known


def int8(runtime: str, same: float) -> dict[str, Any]:
    top1 = {"top1": 0.9, "top1_float": 0.91}
    return {**TOLD, "runtime": runtime, "scheme": "int8", "same_as_float": same, **top1}


def results(**parts: Any) -> dict[str, Any]:
    """Results in which everything that was asked is reached, but for the given parts."""
    rows = parts.get("rows", [row("leaf"), row("list", top1_full=0.81, top1_dense=0.81)])
    change = {"mean": 0.04, "low": 0.01, "high": 0.07}
    told: dict[str, Any] = {
        "rows": rows,
        "full": [{**TOLD, "top1_full": 0.9, "top1_dense": 0.9}],
        "int8": [
            {
                **TOLD,
                "runtime": "LiteRT",
                "scheme": "int8",
                "same_as_float": 0.995,
                "top1": 0.9,
                "top1_float": 0.9,
            }
        ],
        "attention_best": [
            {
                **TOLD,
                "signal": OURS,
                "kind": "leaf",
                "gain": 2.0,
                "recall_change": change,
                "accuracy_change": change,
            }
        ],
        "attention_checks": [{**TOLD, "neutral_error": 0.0, "signal_error": 0.0}],
        "latency": [
            {
                **TOLD,
                "runtime": "LiteRT",
                "scheme": "int8",
                "realisation": 0.9,
                "verdict": "VALID",
            }
        ],
        "default": {"cifar10_test": {"top1_of_ten": 0.9}, "macs": 6e7},
        **parts,
    }
    return {**told, "averages": means(rows)}


def unmet(**parts: Any) -> list[str]:
    return [figure["figure"] for figure in figures(results(**parts)) if not figure["met"]]


def test_all_seven_figures_are_told_and_met() -> None:
    assert len(figures(results())) == 7
    assert unmet() == []


def test_who_meets_a_figure_is_told() -> None:
    other = {"data": "toy", "base": "other", "top1_dense": 0.9}
    found = figures(
        results(full=[{**TOLD, "top1_full": 0.9, "top1_dense": 0.9}, {**other, "top1_full": 0.8}])
    )
    (full,) = (figure for figure in found if figure["figure"].startswith("top-1 of the full"))
    assert (full["met"], full["met_by"]) == (False, ["toy-resnet"])


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"rows": [row("leaf", macs_excluded=0.84), row("list")]}, None),
        ({"rows": [row("leaf", macs_excluded=0.84)]}, "most parameters"),
        ({"rows": [row("leaf", parameters_vs_dense=0.5)]}, "average over"),
        ({"rows": [row("list", top1_full=0.80, top1_dense=0.81)]}, "average over"),
        ({"full": [{**TOLD, "top1_full": 0.89, "top1_dense": 0.9}]}, "top-1 of the full"),
        ({"rows": [row("list", error=2e-5)]}, "cut against full"),
        ({"int8": [int8("OpenVINO", 0.98)]}, "cut against full"),
        ({"attention_checks": [{**TOLD, "neutral_error": 1e-3, "signal_error": 0.0}]}, "attention"),
        ({"attention_checks": [{**TOLD, "neutral_error": 0.0, "signal_error": 0.1}]}, "attention"),
        ({"default": {"cifar10_test": {"top1_of_ten": 0.87}, "macs": 6e7}}, "embedded default"),
    ],
)
def test_a_figure_that_is_not_reached_is_told(parts: dict[str, Any], what: str | None) -> None:
    missed = unmet(**parts)
    assert len(missed) == (what is not None)
    assert all(name.startswith(str(what)) for name in missed)


def test_realisation_is_the_median_of_each_runtime() -> None:
    def timed(runtime: str, value: float) -> dict[str, Any]:
        told = {"runtime": runtime, "scheme": "int8", "verdict": "VALID"}
        return {**TOLD, **told, "realisation": value}

    rows = [timed("LiteRT", v) for v in (0.1, 0.9, 0.95)]
    assert unmet(latency=rows) == []
    missed = unmet(latency=[*rows, timed("OpenVINO", 0.7)])
    assert len(missed) == 1 and missed[0].startswith("realisation")


def test_points_against_dense_are_of_top1_or_of_auroc() -> None:
    rows = [
        row("leaf", auroc_full=0.9, auroc_dense=0.8),
        row("list", top1_full=0.5, top1_dense=0.9),
        row("list"),
    ]
    found = {one["over"]: one["points_vs_dense"] for one in means(rows)}
    assert found == pytest.approx({"leaf": 0.1, "list": -0.4, "kinds alike": -0.15, "all": -0.15})


def test_results_of_which_nothing_is_known_are_left_out() -> None:
    empty = dict.fromkeys(
        ("rows", "full", "int8", "attention_best", "attention_checks", "latency"), ()
    )
    assert figures({**empty, "averages": [], "default": None}) == []
