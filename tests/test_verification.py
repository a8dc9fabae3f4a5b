"""Every comparator must let the right artifact pass and reject each kind of wrong one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.errors import EdgecutError
from edgecut.verification import Verification, compare, selected, verify_artifact, verify_cut

Array = NDArray[Any]
SLOTS, POSITIONS, SHARED = 12, 200, 4
CATEGORIES = CategoryMap(
    names=tuple("abcdefgh"),
    outputs=(
        OutputSlots(
            output="out", axis=2, slots=(None,) * SHARED + tuple(range(8)), reason="a test"
        ),
    ),
    source="a test",
)


def detector(seed: int) -> Array:
    """(1, positions, slots): large boxes and sparse scores; category 7 is rare and faint."""
    random = np.random.default_rng(seed)
    boxes = random.uniform(0, 400, size=(POSITIONS, SHARED))
    scores = random.uniform(0, 0.02, size=(POSITIONS, SLOTS - SHARED))
    objects = random.choice(POSITIONS, size=40, replace=False)
    scores[objects, random.integers(0, 7, size=40)] += 0.9
    scores[objects[0], 7] += 0.5
    values: Array = np.concatenate([boxes, scores], axis=1)[None].astype(np.float32)
    return values


def nearly(values: Array, scheme: str) -> Array:
    """What a right build of this scheme gives: noise as large as such builds really have."""
    random = np.random.default_rng(1)
    spread = values.std(axis=(0, 1), keepdims=True)
    noise = random.normal(size=values.shape) * spread
    level = {"float32": 1e-6, "float16": 5e-3, "int8": 0.4}[scheme]
    near: Array = (values + noise * level).astype(np.float32)
    return near


def swap(a: int, b: int) -> Callable[[Array], Array]:
    order = list(range(SLOTS))
    order[a], order[b] = b, a
    return lambda values: values[..., order]


def with_nan(values: Array) -> Array:
    values = values.copy()
    values[0, 3, 5] = np.nan
    return values


WRONG: dict[str, Callable[[Array], Array]] = {
    "two categories swapped": swap(4, 5),
    "a rare category swapped": swap(6, 11),
    "x and y swapped": swap(0, 1),
    "off by one slot": lambda v: np.roll(v, 1, axis=2),
    "categories off by one": lambda v: np.concatenate(
        [v[..., :SHARED], np.roll(v[..., SHARED:], 1, axis=2)], axis=2
    ),
    "positions shifted": lambda v: np.roll(v, 1, axis=1),
    "scaled up": lambda v: v * np.float32(1.5),
    "scaled down": lambda v: v * np.float32(0.4),
    "zeros": np.zeros_like,
    "constant": lambda v: np.full_like(v, v.mean()),
    "negated": np.negative,
    "NaN": with_nan,
    "infinity": lambda v: np.where(v > 300, np.float32(np.inf), v),
    "another shape": lambda v: v[:, :-1],
    "another type": lambda v: v.astype(np.float64),
}


def samples(count: int = 4) -> Iterator[tuple[str, dict[str, Array]]]:
    for i in range(count):
        yield f"photo{i}", {"image": np.array([i])}


def network(inputs: Any) -> dict[str, Array]:
    return {"out": detector(int(inputs["image"][0]))}


def judged(scheme: str, change: Callable[[Array], Array] = lambda v: v) -> Verification:
    return verify_artifact(
        network,
        lambda inputs: {"out": change(nearly(network(inputs)["out"], scheme))},
        samples(),
        scheme,
        categories=CATEGORIES,
    )


@pytest.mark.parametrize("scheme", ["float32", "float16", "int8"])
def test_a_right_build_passes(scheme: str) -> None:
    result = judged(scheme)
    assert result.passed, result
    assert result.samples == 4 and not result.faults
    assert "photo" in result.where


@pytest.mark.parametrize("scheme", ["float32", "float16", "int8"])
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_build_is_rejected(scheme: str, kind: str) -> None:
    result = judged(scheme, WRONG[kind])
    assert not result.passed, result


def test_large_boxes_do_not_hide_wrong_scores() -> None:
    # 0.03 is 7e-5 of the largest box, and 3 % of the largest score.
    wrong = detector(0)
    wrong[..., 4] += np.float32(0.03)
    told = compare({"out": detector(0)}, {"out": wrong}, categories=CATEGORIES)
    assert not told.passed and "categories" in told.where
    assert compare({"out": detector(0)}, {"out": wrong}).passed  # which is why the map is there


def test_a_swap_is_named() -> None:
    result = judged("int8", swap(4, 5))
    assert any("number 0 holds the values of number 1" in fault for fault in result.faults)
    assert result.worst == -math.inf


def silent_positions(values: Array) -> Array:
    found: Array = values[0, :, SHARED:].max(axis=1) < 0.3
    return found


def test_int8_boxes_count_only_where_a_category_speaks() -> None:
    def wild_background(values: Array) -> Array:
        values = values.copy()
        values[0, silent_positions(values), :SHARED] = 9999
        return values

    assert judged("int8", wild_background).passed
    assert not judged("float32", wild_background).passed


def test_int8_must_not_speak_where_the_network_is_silent() -> None:
    def false_alarms(values: Array) -> Array:
        values = values.copy()
        values[0, silent_positions(values), SHARED] = 0.9
        return values

    assert not judged("int8", false_alarms).passed


def test_a_weak_category_that_resembles_another_is_not_called_misplaced() -> None:
    def fade(values: Array) -> Array:
        values = values.copy()
        values[..., 11] = values[..., 10] * np.float32(0.5)
        return values

    assert not any("holds the values" in fault for fault in judged("int8", fade).faults)


@pytest.mark.parametrize("scheme", ["float32", "int8"])
@pytest.mark.parametrize(
    ("candidate", "told"),
    [
        ({}, "'out' is missing"),
        ({"out": detector(0), "more": np.zeros(1)}, "'more' too many"),
        ({"out": detector(0).reshape(1, SLOTS, POSITIONS)}, "has the shape"),
        ({"out": detector(0).astype(np.float16)}, "has the type float16"),
    ],
)
def test_what_cannot_be_compared_is_a_fault(scheme: str, candidate: Any, told: str) -> None:
    result = compare({"out": detector(0)}, candidate, scheme=scheme)
    assert not result.passed and math.isinf(result.worst)
    assert told in result.where


def test_nan_in_the_reference_does_not_pass() -> None:
    values = {"out": with_nan(detector(0))}
    result = compare(values, values)
    assert not result.passed and "reference" in result.where


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_a_silent_reference_accepts_silence_only(scheme: str) -> None:
    silent = {"out": np.zeros((1, 4), np.float32)}
    assert compare(silent, silent, scheme=scheme).passed
    assert not compare(silent, {"out": np.full((1, 4), 1e-9, np.float32)}, scheme=scheme).passed


@pytest.mark.parametrize(
    ("scheme", "near"), [("float32", 0.80001), ("float16", 0.801), ("int8", 0.79)]
)
def test_one_single_number_is_judged(scheme: str, near: float) -> None:
    one = {"out": np.array([[0.8]], np.float32)}
    assert compare(one, {"out": np.array([[near]], np.float32)}, scheme=scheme).passed
    for wrong in (0.0, -0.8, 0.3, 1.6):
        other = {"out": np.array([[wrong]], np.float32)}
        assert not compare(one, other, scheme=scheme).passed, wrong


def test_a_large_offset_does_not_hide_a_shuffle() -> None:
    logits = np.random.default_rng(0).normal(loc=50, size=(1, 100)).astype(np.float32)
    assert not compare({"out": logits}, {"out": logits[:, ::-1]}, scheme="int8").passed


@pytest.mark.parametrize("verify", ["artifact", "cut"])
def test_nothing_compared_is_nothing_verified(verify: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        if verify == "artifact":
            verify_artifact(network, network, [], "float32")
        else:
            verify_cut(network, network, {}, [])
    assert caught.value.code == "no-samples"


def test_no_outputs_are_not_verified() -> None:
    with pytest.raises(EdgecutError):
        compare({}, {})


def test_an_unknown_scheme() -> None:
    with pytest.raises(EdgecutError, match="int4"):
        compare({}, {}, scheme="int4")


def test_a_map_that_does_not_fit_is_an_error() -> None:
    narrow = {"out": detector(0)[..., :-1]}
    with pytest.raises(EdgecutError) as caught:
        compare(narrow, narrow, categories=CATEGORIES)
    assert caught.value.code == "bad-category-map"


def test_the_worst_sample_is_named() -> None:
    def artifact(inputs: Any) -> dict[str, Array]:
        values = network(inputs)["out"]
        return {"out": values * np.float32(1.1 if inputs["image"][0] == 2 else 1)}

    result = verify_artifact(network, artifact, samples(), "float32")
    assert not result.passed and "photo2" in result.where


def test_json_has_no_infinity() -> None:
    result = judged("float32", with_nan)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert json.loads(text)["worst"] is None and json.loads(text)["passed"] is False
    assert json.loads(text)["max_abs_error"] is None


def test_the_largest_absolute_error_is_told() -> None:
    values = detector(0)
    wrong = values.copy()
    wrong[0, 3, 0] += 0.25
    result = compare({"out": values}, {"out": wrong}, categories=CATEGORIES)
    assert result.max_abs_error == pytest.approx(0.25, rel=1e-4)


def test_a_verification_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        judged("float32").passed = False  # type: ignore[misc]


KEPT = (0, 1, 2, 3, 5, 9)
SELECTION = {"out": (2, KEPT)}


def cut(change: Callable[[Array], Array] = lambda v: v) -> Verification:
    return verify_cut(
        network,
        lambda inputs: {"out": change(network(inputs)["out"][..., KEPT])},
        SELECTION,
        samples(),
    )


def test_a_right_cut_passes() -> None:
    assert cut().passed
    assert cut(lambda v: v * np.float32(1 + 1e-6)).passed
    assert cut().tolerance == 1e-5


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v[..., [0, 1, 2, 3, 5, 4]],
        lambda v: np.roll(v, 1, axis=2),
        lambda v: v * np.float32(1.0001),
        lambda v: v[..., :-1],
        lambda v: v + np.float32(0.02),
        with_nan,
        np.zeros_like,
    ],
)
def test_a_wrong_cut_is_rejected(change: Callable[[Array], Array]) -> None:
    assert not cut(change).passed


def test_the_cut_is_measured_by_the_kept_values() -> None:
    # The dropped slot is a thousand times larger; it must not dilute the error.
    def full(_: Any) -> dict[str, Array]:
        return {"out": np.array([[1000.0, 1.0]], np.float32)}

    def narrowed(_: Any) -> dict[str, Array]:
        return {"out": np.array([[1.001]], np.float32)}

    result = verify_cut(full, narrowed, {"out": (1, [1])}, samples(1))
    assert not result.passed and result.worst == pytest.approx(1e-3, rel=1e-3)


def test_other_outputs_are_compared_whole() -> None:
    def full(_: Any) -> dict[str, Array]:
        return {"out": np.ones((1, 3), np.float32), "box": np.ones((1, 4), np.float32)}

    def narrowed(_: Any) -> dict[str, Array]:
        return {"out": np.ones((1, 2), np.float32), "box": np.zeros((1, 4), np.float32)}

    result = verify_cut(full, narrowed, {"out": (1, [0, 2])}, samples(1))
    assert not result.passed and "'box'" in result.where


@pytest.mark.parametrize("selection", [{"out": (2, [99])}, {"out": (5, [0])}, {"no": (0, [0])}])
def test_a_selection_that_does_not_fit_is_an_error(selection: Any) -> None:
    with pytest.raises(EdgecutError) as caught:
        selected({"out": detector(0)}, selection)
    assert caught.value.code == "bad-selection"


# An input whose effect must be there.


def steered(feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Scores that a gain moves by little: less than int8 may be off."""
    return {"out": detector(int(feeds["seed"])) * (1 + 0.2 * feeds["gain"]).astype(np.float32)}


def deaf(feeds: Mapping[str, Array]) -> dict[str, Array]:
    return steered({**feeds, "gain": NEUTRAL["gain"]})


NEUTRAL = {"gain": np.float32(1.0).reshape(())}


def steering() -> list[tuple[str, dict[str, Array]]]:
    gains = (1.0, 0.0, 1.0, 2.0)
    return [
        (str(i), {"seed": np.array(i), "gain": np.array(gain, np.float32)})
        for i, gain in enumerate(gains)
    ]


def steering_verdict(artifact: Any, **more: Any) -> Verification:
    return verify_artifact(steered, artifact, steering(), "int8", categories=CATEGORIES, **more)


def test_an_int8_artifact_must_show_what_an_input_does() -> None:
    assert steering_verdict(deaf).passed
    caught = steering_verdict(deaf, neutral=NEUTRAL)
    assert not caught.passed and caught.samples == 4
    assert caught.where.startswith("what gain changes in output 'out'")


def test_an_int8_artifact_that_shows_it_passes() -> None:
    def noisy(feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {name: nearly(value, "int8") for name, value in steered(feeds).items()}

    assert steering_verdict(noisy, neutral=NEUTRAL).passed


def test_an_input_that_acts_the_wrong_way_is_found() -> None:
    def turned(feeds: Mapping[str, Array]) -> dict[str, Array]:
        return steered({**feeds, "gain": 2 - feeds["gain"]})

    assert not steering_verdict(turned, neutral=NEUTRAL).passed


def test_what_is_wrong_anyway_is_told_first() -> None:
    verdict = steering_verdict(lambda feeds: {"other": steered(feeds)["out"]}, neutral=NEUTRAL)
    assert not verdict.passed and "the output 'out' is missing (sample 0)" in verdict.faults


def test_other_schemes_are_strict_enough_without() -> None:
    for scheme in ("float32", "float16"):
        assert not verify_artifact(steered, deaf, steering(), scheme).passed
