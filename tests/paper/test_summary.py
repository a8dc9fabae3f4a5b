from typing import Any

import pytest

from benchmarks.paper.comparisons import means
from benchmarks.paper.deployed import KINDS
from benchmarks.paper.signals import OURS
from benchmarks.paper.summary import UNKNOWN, figures

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
    told = {"runtime": runtime, "scheme": "int8", "top1": 0.9, "top1_float": 0.91}
    agreement = {"same_as_float": same, "same_as_float_everywhere": 0.9, "same_as_full": 0.999}
    return {**TOLD, **told, **agreement}


def timed(kind: tuple[str, str], value: float, verdict: str = "VALID") -> dict[str, Any]:
    told = {"runtime": kind[0], "scheme": kind[1], "verdict": verdict}
    return {**TOLD, **told, "realisation": value}


def results(**parts: Any) -> dict[str, Any]:
    """Results in which everything that was asked is reached, but for the given parts."""
    leaf = row("leaf", auroc_full=0.9, auroc_dense=0.9)
    rows = parts.get("rows", [leaf, row("list", top1_full=0.81, top1_dense=0.81)])
    change = {"mean": 0.04, "low": 0.01, "high": 0.07}
    told: dict[str, Any] = {
        "rows": rows,
        "full": [{**TOLD, "top1_full": 0.9, "top1_dense": 0.9}],
        "int8": [int8("LiteRT", 0.995)],
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
        "latency": [timed(kind, 0.9) for kind in KINDS],
        "default": {"cifar10_test": {"top1_of_ten": 0.9}, "macs": 6e7},
        **parts,
    }
    return {**told, "averages": means(rows)}


SAME = {"top1_full": 0.81, "top1_dense": 0.81}


def figure(what: str, **parts: Any) -> dict[str, Any]:
    (found,) = (one for one in figures(results(**parts)) if one["figure"].startswith(what))
    return found


def unmet(**parts: Any) -> list[str]:
    return [one["figure"] for one in figures(results(**parts)) if not one["met"]]


def test_all_seven_figures_are_told_and_met() -> None:
    assert len(figures(results())) == 7
    assert unmet() == []


def test_who_meets_a_figure_is_told() -> None:
    other = {"data": "toy", "base": "other", "top1_dense": 0.9}
    found = figures(
        results(full=[{**TOLD, "top1_full": 0.9, "top1_dense": 0.9}, {**other, "top1_full": 0.8}])
    )
    (full,) = (one for one in found if one["figure"].startswith("top-1 of the full"))
    assert (full["met"], full["met_by"]) == (False, ["toy-resnet"])


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"rows": [row("list", macs_excluded=0.84, **SAME), row("list", **SAME)]}, None),
        ({"rows": [row("list", macs_excluded=0.84, **SAME)]}, "most parameters"),
        ({"rows": [row("list", parameters_vs_dense=0.5, **SAME)]}, "average over"),
        ({"rows": [row("list", top1_full=0.80, top1_dense=0.81)]}, "average over"),
        ({"rows": [row("leaf", auroc_full=0.80, auroc_dense=0.81)]}, "average over"),
        ({"rows": [row("leaf")]}, "average over"),  # of which nothing is known
        ({"full": [{**TOLD, "top1_full": 0.89, "top1_dense": 0.9}]}, "top-1 of the full"),
        ({"rows": [row("list", error=2e-5, **SAME)]}, "cut against full"),
        ({"int8": [int8("OpenVINO", 0.98)]}, "cut against full"),
        ({"int8": []}, "cut against full"),
        ({"attention_best": []}, "attention"),
        ({"latency": []}, "realisation"),
        ({"attention_checks": [{**TOLD, "neutral_error": 1e-3, "signal_error": 0.0}]}, "attention"),
        ({"attention_checks": [{**TOLD, "neutral_error": 0.0, "signal_error": 0.1}]}, "attention"),
        ({"default": {"cifar10_test": {"top1_of_ten": 0.87}, "macs": 6e7}}, "embedded default"),
    ],
)
def test_a_figure_that_is_not_reached_is_told(parts: dict[str, Any], what: str | None) -> None:
    missed = unmet(**parts)
    assert len(missed) == (what is not None)
    assert all(name.startswith(str(what)) for name in missed)


def test_realisation_is_the_median_of_each_runtime_and_scheme() -> None:
    first, *others = KINDS
    rows = [timed(kind, 0.9) for kind in others]
    good = [*rows, *(timed(first, value) for value in (0.1, 0.9, 0.95))]
    assert unmet(latency=good) == []
    assert "LiteRT float32 0.90 (least 0.10; 3 of 3 valid)" in str(
        figure("realisation", latency=good)["reached"]
    )
    missed = unmet(latency=[*rows, timed(first, 0.7)])
    assert len(missed) == 1 and missed[0].startswith("realisation")


def test_realisation_is_judged_by_valid_measurements_alone() -> None:
    first, *others = KINDS
    rows = [timed(kind, 0.9) for kind in others]
    assert unmet(latency=[*rows, timed(first, 0.9), timed(first, 0.1, "INVALID")]) == []
    found = figure("realisation", latency=[*rows, timed(first, 9.0, "INVALID")])
    assert (found["met"], found["met_by"]) == (False, [])
    assert f"LiteRT float32 {UNKNOWN} (0 of 1 valid)" in found["reached"]["toy-resnet"]
    missing = figure("realisation", latency=rows)
    assert not missing["met"] and f"{UNKNOWN} (0 of 0 valid)" in missing["reached"]["toy-resnet"]


def test_a_subject_that_was_not_measured_does_not_meet_a_figure() -> None:
    other = {**TOLD, "base": "other"}
    full = [{**one, "top1_full": 0.9, "top1_dense": 0.9} for one in (TOLD, other)]
    for what in ("realisation", "attention", "most parameters", "cut against"):
        found = figure(what, full=full)
        assert (found["met"], found["met_by"]) == (False, ["toy-resnet"])
        assert found["reached"]["toy-other"] == UNKNOWN


def test_int8_is_told_on_all_images_too_and_beside_the_full_network() -> None:
    told = figure("cut against", int8=[int8("LiteRT", 0.98974)])["reached"]["toy-resnet"]
    assert "98.97 %" in told and "90.00 % on all test images" in told and "99.90 %" in told


def test_results_of_which_nothing_is_known_are_left_out() -> None:
    empty = dict.fromkeys(
        ("rows", "full", "int8", "attention_best", "attention_checks", "latency"), ()
    )
    assert figures({**empty, "averages": [], "default": None}) == []
