"""Decoding against each formula written out by hand, and suppression against a plain one."""

from __future__ import annotations

import time
from dataclasses import replace
from math import exp, tanh

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.detections import decode, detect, suppress
from edgecut.errors import EdgecutError
from edgecut.recipe import Detections, Geometry, read_recipe

HW = (32, 64)


def rules_of(name: str) -> Detections:
    rules = read_recipe(name).detections
    assert rules is not None
    return rules


ROWS = replace(rules_of("yolox"), strides=(16, 32))
MAP = rules_of("fastestdet")


def categories(count: int, axis: int, slots: tuple[int | None, ...] = ()) -> CategoryMap:
    slots = slots or (None,) * 5 + tuple(range(count))
    entry = OutputSlots(output="out", axis=axis, slots=slots, reason="test")
    names = tuple(f"category {i}" for i in range(count))
    return CategoryMap(names=names, outputs=(entry,), source="test")


def raw(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).uniform(0, 1, shape)
    return values.astype(np.float32)


def test_rows_decode_by_linear_centres_and_exponential_sizes() -> None:
    out = raw(1, 10, 7)
    boxes, scores = decode({"out": out}, categories(2, 2), ROWS, HW)
    cells = [(x, y, 16) for y in range(2) for x in range(4)] + [(0, 0, 32), (1, 0, 32)]
    for (cx, cy, stride), row, box, score in zip(cells, out[0], boxes, scores, strict=True):
        x, y, w, h, objectness = (float(v) for v in row[:5])
        middle = (x + cx) * stride, (y + cy) * stride
        half = exp(w) * stride / 2, exp(h) * stride / 2
        expected = [
            middle[0] - half[0],
            middle[1] - half[1],
            middle[0] + half[0],
            middle[1] + half[1],
        ]
        assert box == pytest.approx(expected, rel=1e-5, abs=1e-4)
        assert score == pytest.approx(objectness * row[5:], rel=1e-5)


def test_maps_decode_by_tanh_centres_and_sigmoid_sizes() -> None:
    out = raw(1, 8, 2, 4) * 4 - 2
    boxes, scores = decode({"out": out}, categories(3, 1), MAP, HW)
    for position in range(8):
        cy, cx = divmod(position, 4)
        objectness, x, y, w, h, *values = (float(v) for v in out[0, :, cy, cx])
        middle = (tanh(x) + cx) * 16, (tanh(y) + cy) * 16
        half = 64 / (1 + exp(-w)) / 2, 32 / (1 + exp(-h)) / 2
        expected = [
            middle[0] - half[0],
            middle[1] - half[1],
            middle[0] + half[0],
            middle[1] + half[1],
        ]
        assert boxes[position] == pytest.approx(expected, rel=1e-5, abs=1e-4)
        powers = [max(objectness, 0) ** 0.6 * max(v, 0) ** 0.4 for v in values]
        assert scores[position] == pytest.approx(powers, rel=1e-5)


def test_without_objectness_the_score_is_the_categorys() -> None:
    rules = replace(ROWS, objectness_slot=None, objectness_power=0.0)
    out = raw(1, 10, 6)
    found = decode({"out": out}, categories(2, 2, (None,) * 4 + (0, 1)), rules, HW)
    assert np.array_equal(found[1], out[0, :, 4:])


@pytest.mark.parametrize("arrangement", ["rows", "map"])
def test_a_cut_network_decodes_as_the_full_one(arrangement: str) -> None:
    rules, axis, shape = (
        (ROWS, 2, (1, 10, 85)) if arrangement == "rows" else (MAP, 1, (1, 85, 2, 4))
    )
    full, out, keep = categories(80, axis), raw(*shape), [2, 7, 61]
    cut = full.restricted(keep)
    kept = np.take(out, full.outputs[0].kept(keep), axis=axis)
    boxes, scores = decode({"out": out}, full, rules, HW)
    cut_boxes, cut_scores = decode({"out": kept}, cut, rules, HW)
    assert np.array_equal(boxes, cut_boxes) and np.array_equal(scores[:, keep], cut_scores)
    geometry = Geometry(width=64, height=32, scale=(1.0, 1.0), offset=(0.0, 0.0))
    one = detect({"out": out}, full, rules, HW, geometry, keep=keep)
    two = detect({"out": kept}, cut, rules, HW, geometry)
    assert len(one.boxes) and np.array_equal(one.boxes, two.boxes)
    assert np.array_equal(one.categories, two.categories)


def test_shared_slots_may_stand_behind_the_categories() -> None:
    out = raw(1, 10, 7)
    moved = np.roll(out, 2, axis=2)
    boxes, scores = decode({"out": out}, categories(2, 2), ROWS, HW)
    behind = categories(2, 2, (0, 1) + (None,) * 5)
    again = decode({"out": moved}, behind, ROWS, HW)
    assert np.array_equal(boxes, again[0]) and np.array_equal(scores, again[1])


@pytest.mark.parametrize(
    ("shape", "axis", "slots"),
    [
        ((1, 10, 8), 2, ()),
        ((1, 11, 7), 2, ()),
        ((2, 10, 7), 2, ()),
        ((1, 10, 7), 1, ()),
        ((1, 7, 2, 5), 1, ()),
        ((1, 10, 6), 2, (None,) * 4 + (0, 1)),
        ((1, 10, 7), 2, (None,) * 5 + (0, 0)),
        ((1, 10, 6), 2, (None,) * 5 + (0,)),
    ],
)
def test_an_output_that_does_not_fit_is_refused(
    shape: tuple[int, ...], axis: int, slots: tuple[int | None, ...]
) -> None:
    with pytest.raises(EdgecutError) as caught:
        decode({"out": raw(*shape)}, categories(2, axis, slots), ROWS, HW)
    assert caught.value.code == "wrong-detections"


def test_a_map_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(EdgecutError, match="2x4"):
        decode({"out": raw(1, 7, 4, 2)}, categories(2, 1), MAP, HW)


def test_a_missing_output_is_refused() -> None:
    with pytest.raises(EdgecutError, match="'out'"):
        decode({"other": raw(1, 10, 7)}, categories(2, 2), ROWS, HW)


def test_nan_is_refused_and_huge_sizes_stay_finite() -> None:
    out = raw(1, 10, 7)
    out[0, 3, 2] = 1e30
    out[0, 4, 5] = -0.1
    boxes, scores = decode({"out": out}, categories(2, 2), ROWS, HW)
    assert np.isfinite(boxes).all() and scores[4, 0] == 0
    out[0, 3, 2] = np.nan
    with pytest.raises(EdgecutError) as caught:
        decode({"out": out}, categories(2, 2), ROWS, HW)
    assert caught.value.code == "not-finite"


def overlap(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    across = max(0.0, min(one[2], two[2]) - max(one[0], two[0]))
    down = max(0.0, min(one[3], two[3]) - max(one[1], two[1]))
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return float(across * down / (area - across * down))


def test_suppression_agrees_with_the_plain_one() -> None:
    corners = raw(120, 2) * 60
    boxes = np.concatenate([corners, corners + 10 + raw(120, 2, seed=1) * 30], axis=1)
    scores = raw(120, 3, seed=2)
    rules = replace(ROWS, iou_threshold=0.5, score_threshold=0.2, max_detections=9)
    found = suppress(boxes, scores, rules)
    assert (np.diff(found.scores) <= 0).all()
    for category in range(3):
        kept: list[int] = []
        for row in np.argsort(-scores[:, category]):
            clear = all(overlap(boxes[row], boxes[other]) <= 0.5 for other in kept)
            if scores[row, category] > 0.2 and clear and len(kept) < 9:
                kept.append(int(row))
        mine = found.boxes[found.categories == category]
        assert np.array_equal(mine, boxes[kept]) and len(kept) > 1


def test_suppression_keeps_categories_apart() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9]], dtype=np.float32)
    scores = np.array([[0.9, 0.0], [0.8, 0.7]], dtype=np.float32)
    found = suppress(boxes, scores, ROWS)
    assert found.categories.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])


def test_nothing_above_the_threshold_is_nothing_found() -> None:
    found = suppress(raw(5, 4), np.zeros((5, 2), dtype=np.float32), ROWS)
    assert found.boxes.shape == (0, 4) and found.scores.shape == found.categories.shape == (0,)


def test_boxes_come_out_in_the_original_images_pixels() -> None:
    out = np.zeros((1, 10, 6), dtype=np.float32)
    out[0, 5, :] = (0.5, 0.5, 0, 0, 1, 1)
    geometry = Geometry(width=20, height=100, scale=(2.0, 0.5), offset=(8.0, 4.0))
    found = detect({"out": out}, categories(1, 2), ROWS, HW, geometry)
    # Cell (1, 1) of stride 16: x and y from 16 to 32.
    assert found.boxes.tolist() == [[4, 24, 12, 56]] and found.scores.tolist() == [1]


def test_a_crowded_image_with_80_categories_is_fast() -> None:
    corners = raw(3549, 2) * 400
    boxes = np.concatenate([corners, corners + 5 + raw(3549, 2, seed=1) * 60], axis=1)
    scores = raw(3549, 80, seed=2) ** 40
    assert (scores > ROWS.score_threshold).sum() > 40_000
    start = time.perf_counter()
    suppress(boxes, scores, ROWS)
    assert time.perf_counter() - start < 5
