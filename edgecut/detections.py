"""From a detector's raw output to boxes: decoding by a recipe's rules, and suppression."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.errors import EdgecutError
from edgecut.recipe import Detections, Geometry

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """What was found in one image, best first.

    ``boxes`` (M, 4) xyxy, ``scores`` (M,) and ``categories`` (M,), indices into the names.
    """

    boxes: Floats
    scores: Floats
    categories: NDArray[np.int64]


def detect(
    outputs: Mapping[str, NDArray[np.generic]],
    categories: CategoryMap,
    rules: Detections,
    input_hw: tuple[int, int],
    geometry: Geometry,
    *,
    keep: Sequence[int] | None = None,
) -> Detected:
    """Decode, suppress, and move the boxes to the original image's pixels.

    ``keep`` are indices into ``categories.names``; where given, only those are looked at, and
    ``Detected.categories`` counts them in the order of ``keep``.
    """
    boxes, scores = decode(outputs, categories, rules, input_hw)
    found = suppress(boxes, scores if keep is None else scores[:, list(keep)], rules)
    return Detected(
        boxes=geometry.to_original(found.boxes), scores=found.scores, categories=found.categories
    )


def decode(
    outputs: Mapping[str, NDArray[np.generic]],
    categories: CategoryMap,
    rules: Detections,
    input_hw: tuple[int, int],
) -> tuple[Floats, Floats]:
    """Boxes (N, 4), xyxy in input pixels, and scores (N, K), a column per category.

    The formulas are those of ``recipe.Detections``. The slots come from the map's first output:
    those that no category owns are counted in order, so a cut network decodes as the full one.

    Raises:
        EdgecutError: ``wrong-detections`` where output, map and rules do not fit together, and
            ``not-finite`` where the output holds NaN or infinity.
    """
    if not categories.outputs:
        raise _wrong("the network has no output with categories")
    entry = categories.outputs[0]
    raw = _positions(outputs, entry, rules)
    shared, owned = _slots(entry, len(categories.names), rules)
    boxes = _boxes(
        raw[:, [shared[slot] for slot in rules.box_slots]],
        rules,
        input_hw,
        _map_hw(outputs, entry, rules),
    )
    # Quantised probabilities may fall a step below zero, where powers are not defined.
    scores = np.maximum(raw[:, owned], 0) ** rules.category_power
    if rules.objectness_slot is not None:
        objectness = raw[:, shared[rules.objectness_slot]]
        scores *= (np.maximum(objectness, 0) ** rules.objectness_power)[:, None]
    return boxes, scores.astype(np.float32)


def suppress(boxes: Floats, scores: Floats, rules: Detections) -> Detected:
    """Greedy non-maximum suppression, each category by itself; best first, ties by position.

    Takes boxes (N, 4) and scores (N, K).
    """
    overlapped = _overlapped(boxes, rules.iou_threshold)
    found = [_suppress_one(column, overlapped, rules) for column in scores.T]
    category = np.repeat(np.arange(len(found)), [len(rows) for rows in found]).astype(np.int64)
    rows = np.concatenate([*found, np.zeros(0, dtype=np.int64)])
    best = scores[rows, category]
    order = np.argsort(-best, kind="stable")
    return Detected(boxes=boxes[rows[order]], scores=best[order], categories=category[order])


def _suppress_one(
    scores: Floats, overlapped: Callable[[int], NDArray[np.bool_]], rules: Detections
) -> NDArray[np.int64]:
    alive = np.flatnonzero(scores > rules.score_threshold)
    alive = alive[np.argsort(-scores[alive], kind="stable")]
    kept: list[int] = []
    while len(alive) and len(kept) < rules.max_detections:
        best, rest = int(alive[0]), alive[1:]
        kept.append(best)
        alive = rest[~overlapped(best)[rest]]
    return np.array(kept, dtype=np.int64)


def _overlapped(boxes: Floats, iou_threshold: float) -> Callable[[int], NDArray[np.bool_]]:
    """A function from a row to which of all boxes it overlaps by more than the threshold."""
    left, top, right, bottom = boxes.T.astype(np.float64)
    area = (right - left) * (bottom - top)

    # The same boxes lead in many categories: each is compared once.
    @functools.cache
    def overlapped(row: int) -> NDArray[np.bool_]:
        across = np.minimum(right[row], right) - np.maximum(left[row], left)
        down = np.minimum(bottom[row], bottom) - np.maximum(top[row], top)
        shared = np.maximum(across, 0) * np.maximum(down, 0)
        # IoU > threshold, written without the division so that empty boxes need no care.
        return np.asarray(shared > iou_threshold * (area[row] + area - shared))

    return overlapped


def _positions(
    outputs: Mapping[str, NDArray[np.generic]], entry: OutputSlots, rules: Detections
) -> Floats:
    """The output as (positions, slots)."""
    if entry.output not in outputs:
        raise _wrong(f"there is no output '{entry.output}' among {', '.join(outputs)}")
    array = np.asarray(outputs[entry.output], dtype=np.float32)
    axis, rank = (2, 3) if rules.arrangement == "rows" else (1, 4)
    if array.ndim != rank or array.shape[0] != 1 or entry.axis % rank != axis:
        raise _wrong(
            f"output '{entry.output}' has shape {array.shape} with its slots on axis {entry.axis}; "
            f"arrangement '{rules.arrangement}' takes rank {rank} with the slots on axis {axis}"
        )
    if array.shape[axis] != len(entry.slots):
        raise _wrong(
            f"output '{entry.output}' has {array.shape[axis]} slots, its map {len(entry.slots)}"
        )
    if not np.isfinite(array).all():
        raise EdgecutError(
            f"output '{entry.output}' holds NaN or infinity", code="not-finite", where=entry.output
        )
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _boxes(
    raw: Floats, rules: Detections, input_hw: tuple[int, int], map_hw: tuple[int, int] | None
) -> Floats:
    """Raw (N, 4), x, y, w, h, as boxes (N, 4), xyxy in input pixels."""
    cells, strides = _grid(len(raw), rules, input_hw, map_hw)
    centre, size = raw[:, :2], raw[:, 2:]
    moved = (np.tanh(centre) if rules.centre == "tanh" else centre) + cells
    middle = moved * strides[:, None]
    if rules.size == "sigmoid":
        side = np.array([input_hw[1], input_hw[0]], dtype=np.float32)
        half = (0.5 + 0.5 * np.tanh(size / 2)) * side / 2  # sigmoid, without overflow
    else:
        # exp(20) strides is beyond any image; the bound keeps a broken artifact's boxes finite.
        half = np.exp(np.minimum(size, 20)) * strides[:, None] / 2
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)


def _slots(
    entry: OutputSlots, count: int, rules: Detections
) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """The slots without an owner, and for each category the slot that it owns."""
    needed = max([*rules.box_slots, rules.objectness_slot or 0]) + 1
    if len(entry.shared) < needed:
        raise _wrong(
            f"output '{entry.output}' has {len(entry.shared)} slots that no category owns, and "
            f"the recipe needs {needed}"
        )
    owners = [owner for owner in entry.slots if owner is not None]
    if sorted(owners) != list(range(count)):
        raise _wrong(f"output '{entry.output}' must have one slot for each of {count} categories")
    owned = np.array([entry.slots.index(i) for i in range(count)], dtype=np.int64)
    return entry.shared, owned


def _map_hw(
    outputs: Mapping[str, NDArray[np.generic]], entry: OutputSlots, rules: Detections
) -> tuple[int, int] | None:
    if rules.arrangement == "rows":
        return None
    height, width = outputs[entry.output].shape[2:]
    return int(height), int(width)


def _grid(
    positions: int,
    rules: Detections,
    input_hw: tuple[int, int],
    map_hw: tuple[int, int] | None,
) -> tuple[Floats, Floats]:
    """For each position its cell (x, y), shape (N, 2), and its stride, shape (N,)."""
    sizes = [tuple(-(-side // stride) for side in input_hw) for stride in rules.strides]
    if sum(h * w for h, w in sizes) != positions or map_hw not in (None, sizes[0]):
        raise _wrong(
            f"strides {rules.strides} on an input of {input_hw[0]}x{input_hw[1]} give grids of "
            f"{', '.join(f'{h}x{w}' for h, w in sizes)}, and the output has {map_hw or positions}"
        )
    # np.indices counts rows first; a cell is (x, y).
    cells = [np.indices(size).reshape(2, -1)[::-1].T for size in sizes]
    strides = np.repeat(rules.strides, [len(c) for c in cells])
    return np.concatenate(cells).astype(np.float32), strides.astype(np.float32)


def _wrong(message: str) -> EdgecutError:
    return EdgecutError(
        message,
        code="wrong-detections",
        hint="check that the recipe is the one of this detector",
    )
