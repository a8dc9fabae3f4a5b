"""Accuracy on labelled samples: COCO average precision for detectors, top-1 for classifiers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.categories import CategoryMap, OutputSlots, OutputValues
from edgecut.category_set import read_aliases
from edgecut.coco import read_coco
from edgecut.detections import Detected, detect
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.recipe import Detections
from edgecut.samples import Sample, Samples
from edgecut.taxonomy import Taxonomy

Runner = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.generic]]]
Progress = Callable[[int, int], None]
Row = dict[str, Any]

OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Something to evaluate: (1, C, H, W) -> named outputs in the network's own layout."""

    run: Runner
    categories: CategoryMap

    def columns(self, keep: Sequence[str], what: str) -> tuple[int, ...]:
        """The indices of these categories in this subject's map, in the order of ``keep``."""
        if not (self.categories.outputs or self.categories.coded):
            raise EdgecutError(f"{what} has no output with categories", code="no-category-output")
        return tuple(self.categories.indices([name], where=what)[0] for name in keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryAP:
    """COCO AP (IoU .50 to .95) and AP50, 0..1; None where the images hold no such box."""

    category: str
    ap: float | None
    ap50: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryTop1:
    """The share of a category's samples that were told right; None where there are none."""

    category: str
    top1: float | None
    samples: int


def evaluate(
    subjects: Mapping[str, Subject],
    samples: Samples,
    *,
    keep: Sequence[str],
    rules: Detections | None = None,
    taxonomy: Taxonomy | None = None,
    aliases: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Judge every subject on the same samples, which are read once, by the kept categories.

    With ``rules`` the subjects are detectors, and rows are ``{what, category, ap, ap50}``; the
    samples must come from a COCO json. Without, they are classifiers, and rows are
    ``{what, category, top1, samples}`` with a last one, ``overall``, for each subject.

    The truth of a labelled image is the deepest kept category on the path from the top of
    ``taxonomy`` down to its label; where only ``animal`` is kept, an image of a cat is one of an
    animal. Images whose label lies under no kept category are passed over. ``aliases`` (label ->
    category name), by default ImageNet's WordNet ids, is asked where the taxonomy does not know a
    label.

    Raises:
        EdgecutError: ``unknown-category``, ``no-truth``, ``no-detections``,
            ``no-labelled-samples``, or what ``detect`` raises.
    """
    columns = {what: subject.columns(keep, what) for what, subject in subjects.items()}
    if rules is not None:
        return _detectors(subjects, samples, keep, columns, rules, progress)
    if samples.truth is not None:
        raise EdgecutError(
            f"{samples.truth} holds boxes, and recipe '{samples.recipe.name}' has no [detections], "
            "which say how a detector's output becomes boxes",
            code="no-detections",
            hint="give the detector's own recipe, for example --recipe yolox",
        )
    known = read_aliases("imagenet1k") if aliases is None else aliases
    owner = _Owners(keep, taxonomy or Taxonomy.flat(keep), known)
    return _classifiers(subjects, samples, owner, columns, progress)


def coco_ap(
    ground_truth: Path, detections: Mapping[int, Detected], categories: Sequence[str]
) -> list[CategoryAP]:
    """AP of each category by pycocotools, over the images that ``detections`` (by id) speaks of.

    ``Detected.categories`` are indices into ``categories``; names are matched to the json's
    without regard to case. At most 100 boxes a category and image count, as in COCO.

    Raises:
        EdgecutError: ``no-truth`` where the json knows none of the categories, ``bad-coco``.
        MissingPackage: pycocotools is not installed.
    """
    truth = read_coco(ground_truth)
    ids = _category_ids(truth, categories, ground_truth)
    unknown = detections.keys() - {image["id"] for image in truth["images"]}
    if unknown:
        raise EdgecutError(f"{ground_truth} has no image {min(unknown)}", code="no-truth")
    found = [
        {"image_id": image, "category_id": ids[c], "bbox": _xywh(box), "score": float(score)}
        for image, seen in detections.items()
        for box, score, c in zip(seen.boxes, seen.scores, seen.categories, strict=True)
        if int(c) in ids
    ]
    wanted = [
        a
        for a in truth["annotations"]
        if a["image_id"] in detections and a["category_id"] in ids.values()
    ]
    precision = _precision(sorted(detections), sorted(ids.values()), wanted, found)
    return [
        CategoryAP(category=name, ap=_mean(precision, ids, i, 10), ap50=_mean(precision, ids, i, 1))
        for i, name in enumerate(categories)
    ]


def top1(
    predicted: Sequence[int], truth: Sequence[int], categories: Sequence[str]
) -> list[CategoryTop1]:
    """Top-1 of each category and, last, over all samples; indices are into ``categories``."""
    if len(predicted) != len(truth):
        raise ValueError(f"{len(predicted)} predictions for {len(truth)} samples")
    right = np.equal(predicted, truth)
    mine = np.asarray(truth, dtype=np.int64)
    return [
        *(_share(name, right[mine == i]) for i, name in enumerate(categories)),
        _share(OVERALL, right),
    ]


def predict(
    outputs: Mapping[str, NDArray[np.generic]], categories: CategoryMap, columns: Sequence[int]
) -> int:
    """Which of these categories (indices into the map) a classifier's output favours.

    Returns the position in ``columns``; the first one on a tie. Where the network gives no scores
    but what it chose by them, that is the first of these among its choices, or -1 where all of
    them mean something else.

    Raises:
        EdgecutError: ``wrong-scores`` where no output in the map has all of these, or that output
            is not one row of scores, or of choices, and ``not-finite`` where it holds NaN.
    """
    entry = _with_all(categories, columns)
    if isinstance(entry, OutputValues):
        return _chosen(outputs, entry, columns)
    if entry.output not in outputs:
        raise EdgecutError(f"there is no output '{entry.output}'", code="wrong-scores")
    scores = np.asarray(outputs[entry.output], dtype=np.float32)
    fits = entry.axis < scores.ndim and scores.shape[entry.axis] == scores.size
    if not fits or scores.size != len(entry.slots) or not set(columns) <= set(entry.slots):
        raise EdgecutError(
            f"output '{entry.output}' has shape {scores.shape}, and {len(entry.slots)} scores on "
            f"axis {entry.axis} are needed; is it a classifier?",
            code="wrong-scores",
            hint="a detector needs a recipe with [detections]",
        )
    if np.isnan(scores).any():
        raise EdgecutError(f"output '{entry.output}' holds NaN", code="not-finite")
    slots = [entry.slots.index(column) for column in columns]
    return int(np.argmax(scores.reshape(-1)[slots]))


def _with_all(categories: CategoryMap, columns: Sequence[int]) -> OutputSlots | OutputValues:
    """The output that tells all of these categories, where levels part them; scores first."""
    entries: list[OutputSlots | OutputValues] = [*categories.outputs, *categories.coded]
    for entry in entries:
        told = entry.slots if isinstance(entry, OutputSlots) else entry.values
        if set(columns) <= set(told):
            return entry
    if len(entries) == 1:
        return entries[0]
    listed = ", ".join(f"'{entry.output}'" for entry in entries)
    raise EdgecutError(
        f"no output tells all that is kept: {listed} have some each",
        code="wrong-scores",
        hint="top-1 is that of one level: judge a cut that keeps categories of one",
    )


def _chosen(
    outputs: Mapping[str, NDArray[np.generic]], entry: OutputValues, columns: Sequence[int]
) -> int:
    values = np.asarray(outputs.get(entry.output, ()))
    if not values.size or values.size > max(values.shape, default=1):
        raise EdgecutError(
            f"output '{entry.output}' has shape {values.shape}, and a row of choices is needed; is "
            "it a classifier?",
            code="wrong-scores",
            hint="edgecut does not judge segmenters",
        )
    if not np.isfinite(values).all():
        raise EdgecutError(f"output '{entry.output}' holds NaN or infinity", code="not-finite")
    known = dict(enumerate(entry.values))
    owners = [known.get(int(value)) for value in values.ravel()]
    return next((columns.index(o) for o in owners if o is not None and o in columns), -1)


def _detectors(
    subjects: Mapping[str, Subject],
    samples: Samples,
    keep: Sequence[str],
    columns: Mapping[str, tuple[int, ...]],
    rules: Detections,
    progress: Progress | None,
) -> list[Row]:
    if samples.truth is None:
        raise EdgecutError(
            "these samples have no boxes to judge a detector by",
            code="no-truth",
            hint="give a COCO json",
        )
    ids = {image["file_name"]: image["id"] for image in read_coco(samples.truth)["images"]}
    found: dict[str, dict[int, Detected]] = {what: {} for what in subjects}
    for done, sample in enumerate(samples, start=1):
        for what, subject in subjects.items():
            found[what][ids[sample.name]] = detect(
                subject.run(sample.tensor),
                subject.categories,
                rules,
                samples.input_hw,
                sample.geometry,
                keep=columns[what],
            )
        if progress is not None:
            progress(done, len(samples))
    return [
        {"what": what, "category": row.category, "ap": row.ap, "ap50": row.ap50}
        for what, seen in found.items()
        for row in coco_ap(samples.truth, seen, keep)
    ]


def _classifiers(
    subjects: Mapping[str, Subject],
    samples: Samples,
    owners: _Owners,
    columns: Mapping[str, tuple[int, ...]],
    progress: Progress | None,
) -> list[Row]:
    truth: list[int] = []
    predicted: dict[str, list[int]] = {what: [] for what in subjects}
    for done, sample in enumerate(samples, start=1):
        owner = owners.of(sample)
        if owner is not None:
            truth.append(owner)
            for what, subject in subjects.items():
                outputs = subject.run(sample.tensor)
                predicted[what].append(predict(outputs, subject.categories, columns[what]))
        if progress is not None:
            progress(done, len(samples))
    if not truth:
        names = " or ".join(map(repr, owners.keep))
        raise EdgecutError(
            f"none of the {len(samples)} samples is labelled {names}",
            code="no-labelled-samples",
            hint="labels are the sub-folders' names, or the parquet column 'label'",
        )
    return [
        {"what": what, "category": row.category, "top1": row.top1, "samples": row.samples}
        for what, chosen in predicted.items()
        for row in top1(chosen, truth, owners.keep)
    ]


class _Owners:
    """Which kept category a labelled sample shows."""

    def __init__(self, keep: Sequence[str], tree: Taxonomy, aliases: Mapping[str, str]) -> None:
        self.keep = keep
        self.tree = tree
        self.aliases = aliases
        self.position = {tree.find(name): i for i, name in enumerate(keep)}

    def of(self, sample: Sample) -> int | None:
        """The position in the keep-list; None where the sample shows nothing that is kept."""
        label = sample.label or ""
        node = self.tree.find(label)
        if node is None:
            node = self.tree.find(self.aliases.get(label, ""))
        path = () if node is None else self.tree.path(node)
        return next((self.position[n] for n in reversed(path) if n in self.position), None)


def _share(category: str, right: NDArray[np.bool_]) -> CategoryTop1:
    share = float(right.mean()) if right.size else None
    return CategoryTop1(category=category, top1=share, samples=int(right.size))


def _category_ids(
    truth: Mapping[str, Any], categories: Sequence[str], where: Path
) -> dict[int, int]:
    """Index into ``categories`` -> the json's category id, where the json knows the name."""
    by_name: dict[str, int] = {}
    folded = [name.casefold() for name in categories]
    for category in truth["categories"]:
        name = category["name"].casefold()
        if name in folded and name in by_name:
            raise EdgecutError(
                f"{where}: more than one of the categories is named '{name}'", code="bad-coco"
            )
        by_name[name] = category["id"]
    ids = {i: by_name[name] for i, name in enumerate(folded) if name in by_name}
    if not ids:
        raise EdgecutError(
            f"{where} has no boxes of {' or '.join(map(repr, categories))}",
            code="no-truth",
            hint=f"it has: {', '.join(sorted(by_name))}",
        )
    return ids


def _precision(
    images: list[int], ids: list[int], truth: list[dict[str, Any]], found: list[dict[str, Any]]
) -> NDArray[np.float64]:
    """COCOeval's precision (IoU threshold, recall, category); -1 where there is no truth."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise MissingPackage("pycocotools", extra="coco", why="average precision") from None
    sides = []
    with contextlib.redirect_stdout(io.StringIO()):
        for boxes in (truth, found):
            side = COCO()
            side.dataset = {
                "images": [{"id": image} for image in images],
                "categories": [{"id": i} for i in ids],
                "annotations": [_annotation(n, box) for n, box in enumerate(boxes, start=1)],
            }
            side.createIndex()
            sides.append(side)
        judge = COCOeval(*sides, iouType="bbox")
        judge.params.imgIds = images
        judge.params.catIds = ids
        judge.params.maxDets = [100]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, np.inf]], ["all"]
        judge.evaluate()
        judge.accumulate()
    return np.asarray(judge.eval["precision"][:, :, :, 0, 0], dtype=np.float64)


def _annotation(number: int, box: dict[str, Any]) -> dict[str, Any]:
    bbox = [float(value) for value in box["bbox"]]
    return {
        "id": number,  # from 1 on: pycocotools takes a match with id 0 for no match
        "image_id": box["image_id"],
        "category_id": box["category_id"],
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "iscrowd": box.get("iscrowd", 0),
        "score": box.get("score", 0.0),
    }


def _mean(
    precision: NDArray[np.float64], ids: Mapping[int, int], index: int, thresholds: int
) -> float | None:
    if index not in ids:
        return None
    # COCOeval orders the categories by their ids, whatever order it was given.
    column = precision[:thresholds, :, sorted(ids.values()).index(ids[index])]
    return float(column.mean()) if column.max() > -1 else None


def _xywh(box: NDArray[np.float32]) -> list[float]:
    left, top, right, bottom = (float(v) for v in box)
    return [left, top, right - left, bottom - top]
