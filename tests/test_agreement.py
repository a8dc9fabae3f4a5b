"""Values that are categories, compared where the choice is clear; every comparator can refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecut.categories import CategoryMap, OutputValues
from edgecut.verification import Verification, compare, doubts, verify_artifact, verify_cut

Array = NDArray[Any]

SIDE, COUNT = 24, 5
MARGINS = {"seg": "margin"}
SCHEMES = ("float32", "float16", "int8")
NOISE = {"float32": 1e-5, "float16": 1e-3, "int8": 0.02}
VALUES = OutputValues(output="seg", values=(None, 0, 1, 2, None), other=4, reason="")
CATEGORIES = CategoryMap(names=("ant", "bee", "cat"), outputs=(), source="test", coded=(VALUES,))


def scores(seed: int) -> Array:
    """Mostly background, and a blob of each category."""
    random = np.random.default_rng(seed)
    maps = random.standard_normal((COUNT, SIDE, SIDE)) * 0.3
    maps[0] += 2
    for k in range(1, COUNT):
        y, x = random.integers(0, SIDE - 6, 2)
        maps[k, y : y + 6, x : x + 6] += 4
    return maps.astype(np.float32)


def chosen(maps: Array) -> Array:
    return maps.argmax(0)[None]


def reference(inputs: Mapping[str, Array]) -> dict[str, Array]:
    maps = scores(int(inputs["image"]))
    first, second = np.sort(maps, 0)[::-1][:2]
    return {"seg": chosen(maps), "margin": ((first - second) / np.abs(maps).max())[None]}


def noisy(seed: int, scheme: str) -> Array:
    maps = scores(seed)
    drawn = np.random.default_rng(seed + 99).uniform(-1, 1, maps.shape)
    return chosen(maps + drawn * NOISE[scheme] * np.abs(maps).max())


SAMPLES = [(f"photo{i}", {"image": np.array(i)}) for i in range(4)]


def judged(
    scheme: str, change: Callable[[Array], Array] = lambda v: v, **more: Any
) -> Verification:
    return verify_artifact(
        reference,
        lambda inputs: {"seg": change(noisy(int(inputs["image"]), scheme))},
        SAMPLES,
        scheme,
        **{"margins": MARGINS, "categories": CATEGORIES, **more},
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_right_build_passes(scheme: str) -> None:
    result = judged(scheme)
    assert result.passed and not result.faults and result.samples == 4, result
    assert result.metric == "agreement" and "choices are clear" in result.where


WRONG: dict[str, Callable[[Array], Array]] = {
    "two categories swapped": lambda v: np.array([0, 2, 1, 3, 4])[v],
    "a category lost": lambda v: np.where(v == 3, 0, v),
    "all off by one": lambda v: (v + 1) % COUNT,
    "the most frequent one": np.zeros_like,
    "turned": lambda v: v[:, ::-1],
    "transposed": lambda v: v.transpose(0, 2, 1),
    "another type": lambda v: v.astype(np.int32),
    "another shape": lambda v: v[:, :-1],
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_build_is_rejected(scheme: str, kind: str) -> None:
    result = judged(scheme, WRONG[kind])
    assert not result.passed and result.faults, result


def test_a_rare_category_that_is_lost_is_named() -> None:
    (fault,) = judged("int8", WRONG["a category lost"]).faults
    assert "mean 3 only 0 do" in fault


def test_one_clear_value_more_is_an_error_in_float32() -> None:
    def change(values: Array) -> Array:
        values = values.copy()
        values[0, 0, 0] += 1
        return values

    result = judged("float32", change)
    assert not result.passed and "photo" in result.where and 0.99 < result.worst < 1
    assert judged("float16", change).passed


def test_only_clear_choices_count() -> None:
    """Which of two equal scores is the larger one is up to the last digit."""
    values, margin = np.array([[0, 1, 2]]), np.array([[0.5, 1e-6, np.nan]])
    other = np.array([[0, 2, 1]])
    given = {"seg": values, "margin": margin}
    assert compare(given, {"seg": other}, margins=MARGINS).passed
    assert not compare(given, {"seg": other[:, ::-1]}, margins=MARGINS).passed
    assert not compare({"seg": values}, {"seg": other}, categories=CATEGORIES).passed


def test_where_no_choice_is_clear_nothing_is_verified() -> None:
    values, margin = np.array([[0, 1, 2]]), np.zeros((1, 3))
    result = compare({"seg": values, "margin": margin}, {"seg": values}, margins=MARGINS)
    assert not result.passed and "none of its choices is clear" in result.where
    assert result.to_json()["worst"] == 0.0


@pytest.mark.parametrize("right", [True, False])
def test_values_beside_scores_are_faults_where_they_differ(right: bool) -> None:
    values, line = np.array([[0, 1, 2]]), np.linspace(0, 1, 9, dtype=np.float32)
    full = {"seg": values, "margin": np.ones((1, 3)), "score": line}
    part = {"seg": values if right else values[:, ::-1], "score": line}
    result = verify_cut(lambda _: full, lambda _: part, {}, SAMPLES, margins=MARGINS)
    assert result.metric == "max-relative-error" and result.passed == right
    assert bool(result.faults) != right


def test_gains_change_no_differences_of_values() -> None:
    neutral = {"gain": np.array(1.0)}
    pairs = [(name, {**given, "gain": np.array(2.0)}) for name, given in SAMPLES]
    result = verify_artifact(
        reference,
        lambda inputs: {"seg": reference(inputs)["seg"]},
        pairs,
        "int8",
        margins=MARGINS,
        categories=CATEGORIES,
        neutral=neutral,
    )
    assert result.passed and result.metric == "agreement"


@pytest.mark.parametrize(
    ("values", "margin", "told"),
    [
        ([[0, 1, 2]], [[1.0, 1.0, 1.0]], []),
        ([[0, 1, 2, 1, 2]], [[1.0, 1.0, 0.0, 0.0, 0.0]], ["only 2 of 5"]),
        ([[1, 1, 1]], [[1.0, 1.0, 1.0]], ["one value"]),
    ],
)
def test_what_a_comparison_rests_on_is_told(
    values: list[list[int]], margin: list[list[float]], told: list[str]
) -> None:
    given = {"seg": np.array(values), "margin": np.array(margin)}
    result = compare(given, {"seg": np.array(values)}, margins=MARGINS)
    assert result.passed
    (record,) = result.to_json()["choices"]
    assert record["total"] == len(values[0]) and record["clear"] == np.count_nonzero(margin)
    found = doubts([result]).get("seg", [])
    assert len(found) == len(told) and all(a in b for a, b in zip(told, found, strict=True))
