"""Average precision and top-1 on made-up truth whose right answer is known, and on the real one."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecut.categories import CategoryMap, OutputSlots, OutputValues
from edgecut.category_set import read_names
from edgecut.detections import Detected
from edgecut.errors import EdgecutError
from edgecut.evaluation import Subject, coco_ap, evaluate, predict, top1
from edgecut.network import TensorSpec
from edgecut.recipe import read_recipe
from edgecut.samples import open_samples
from edgecut.taxonomy import Taxonomy


def seen(*rows: tuple[tuple[float, ...], float, int]) -> Detected:
    return Detected(
        boxes=np.array([r[0] for r in rows], dtype=np.float32).reshape(-1, 4),
        scores=np.array([r[1] for r in rows], dtype=np.float32),
        categories=np.array([r[2] for r in rows], dtype=np.int64),
    )


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    pytest.importorskip("pycocotools")
    boxes = [(1, 1, [0, 0, 10, 10], 0), (1, 2, [20, 20, 10, 10], 0), (2, 1, [5, 5, 10, 20], 0)]
    boxes.append((1, 1, [40, 40, 20, 20], 1))
    path = tmp_path / "instances.json"
    data = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in (1, 2, 3)],
        "categories": [{"id": 1, "name": "Person"}, {"id": 2, "name": "car"}],
        "annotations": [
            {"image_id": i, "category_id": c, "bbox": b, "iscrowd": crowd}
            for i, c, b, crowd in boxes
        ],
    }
    path.write_text(json.dumps(data))
    return path


PERFECT = {
    1: seen(((0, 0, 10, 10), 0.9, 1), ((20, 20, 30, 30), 0.8, 0), ((41, 41, 50, 50), 0.99, 1)),
    2: seen(((5, 5, 15, 25), 0.7, 1)),
}


def test_perfect_boxes_have_an_ap_of_one(truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = coco_ap(truth, PERFECT, ("car", "person"))
    # A box within a crowd is neither right nor wrong.
    assert [row.category for row in rows] == ["car", "person"]
    assert [row.ap for row in rows] == pytest.approx([1, 1])
    assert [row.ap50 for row in rows] == pytest.approx([1, 1])
    assert capsys.readouterr().out == ""


def test_missed_shifted_and_false_boxes_cost(truth: Path) -> None:
    missed = {1: PERFECT[1], 2: seen()}
    assert coco_ap(truth, missed, ("car", "person"))[1].ap50 == pytest.approx(51 / 101)
    shifted = {**PERFECT, 1: seen(((0, 0, 10, 10), 0.9, 1), ((20, 20, 30, 36), 0.8, 0))}
    car = coco_ap(truth, shifted, ("car", "person"))[0]
    # IoU is 10/16: right at .50, .55 and .60 of the ten thresholds.
    assert car.ap50 == pytest.approx(1) and car.ap == pytest.approx(0.3)
    false = {**PERFECT, 2: seen(((5, 5, 15, 25), 0.7, 1), ((60, 60, 70, 70), 0.95, 0))}
    assert coco_ap(truth, false, ("car", "person"))[0].ap50 == pytest.approx(0.5)
    swapped = {i: seen(*((tuple(b), 0.9, 0) for b in d.boxes)) for i, d in PERFECT.items()}
    person = coco_ap(truth, swapped, ("car", "person"))[1]
    assert person.ap50 == 0


def test_only_the_evaluated_images_and_known_categories_count(truth: Path) -> None:
    only = {2: seen(((5, 5, 15, 25), 0.7, 0))}
    rows = coco_ap(truth, only, ("person", "car", "dragon"))
    assert [row.ap50 for row in rows] == [pytest.approx(1), None, None]
    assert [row.ap50 for row in coco_ap(truth, {2: seen()}, ("person",))] == [0]


def test_truth_that_does_not_fit_is_refused(truth: Path) -> None:
    for detections, names in ((PERFECT, ("dragon",)), ({9: seen()}, ("car",))):
        with pytest.raises(EdgecutError) as caught:
            coco_ap(truth, detections, names)
        assert caught.value.code == "no-truth"


def test_top1_by_category_and_overall() -> None:
    rows = top1([0, 1, 1, 1], [0, 0, 1, 1], ("cat", "dog", "cow"))
    assert [(r.category, r.top1, r.samples) for r in rows] == [
        ("cat", 0.5, 2),
        ("dog", 1.0, 2),
        ("cow", None, 0),
        ("overall", 0.75, 4),
    ]
    with pytest.raises(ValueError, match="1 predictions"):
        top1([0], [0, 1], ("cat",))


def classifier(names: tuple[str, ...], slots: tuple[int | None, ...]) -> CategoryMap:
    entry = OutputSlots(output="scores", axis=1, slots=slots, reason="test")
    return CategoryMap(names=names, outputs=(entry,), source="test")


def change(truth: Path, part: str, number: int, **values: object) -> None:
    data = json.loads(truth.read_text())
    data[part][number] |= values
    truth.write_text(json.dumps(data))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -10])
def test_a_box_that_is_none_is_refused(truth: Path, value: float) -> None:
    change(truth, "annotations", 0, bbox=[0, 0, 10, value])
    with pytest.raises(EdgecutError) as caught:
        coco_ap(truth, PERFECT, ("car", "person"))
    assert caught.value.code == "bad-coco" and "annotations[0]" in caught.value.message


@pytest.mark.parametrize("area", ["large", None, -5, 1e11])
def test_only_the_box_says_how_large_it_is(truth: Path, area: object) -> None:
    change(truth, "annotations", 0, area=area)
    missed = {**PERFECT, 1: seen(((20, 20, 30, 30), 0.8, 0))}
    assert coco_ap(truth, missed, ("car", "person"))[1].ap50 == pytest.approx(51 / 101)


def test_a_category_that_is_named_twice_is_refused_where_it_is_asked_for(truth: Path) -> None:
    change(truth, "categories", 1, name="PERSON")
    with pytest.raises(EdgecutError, match="more than one of the categories is named 'person'"):
        coco_ap(truth, PERFECT, ("person",))
    with pytest.raises(EdgecutError, match="has no boxes of 'car'"):
        coco_ap(truth, PERFECT, ("car",))


def test_a_prediction_is_among_the_kept_categories() -> None:
    full = classifier(("a", "b", "c"), (None, 0, 1, 2))
    scores = np.array([[9, 1, 5, 3]], dtype=np.float32)
    assert predict({"scores": scores}, full, (0, 1, 2)) == 1
    assert predict({"scores": scores}, full, (2, 0)) == 0
    assert predict({"scores": scores.reshape(1, 4, 1, 1)}, full, (0, 2)) == 1


def test_of_levels_the_one_that_has_all_that_is_kept_counts() -> None:
    levels = tuple(
        OutputSlots(output=name, axis=1, slots=slots, reason="test")
        for name, slots in (("coarse", (0, 1)), ("fine", (2, 3, 4)))
    )
    known = CategoryMap(names=("a", "b", "c", "d", "e"), outputs=levels, source="test")
    outputs = {"coarse": np.array([[1.0, 0.0]]), "fine": np.array([[0.0, 2.0, 1.0]])}
    assert predict(outputs, known, (0, 1)) == 0
    assert predict(outputs, known, (2, 4)) == 1
    with pytest.raises(EdgecutError) as error:
        predict(outputs, known, (0, 3))
    assert error.value.code == "wrong-scores" and "'coarse', 'fine'" in error.value.message


def test_where_there_are_choices_alone_the_first_kept_one_counts() -> None:
    coded = OutputValues(output="best", values=(None, 0, 1, 2, None), other=4, reason="test")
    known = CategoryMap(names=("a", "b", "c"), outputs=(), source="test", coded=(coded,))
    for values, columns, wanted in (
        ([2], (0, 1), 1),
        ([4, 0, 3, 1], (0, 2), 1),
        ([2, 4], (0, 2), -1),
        ([9], (0, 1, 2), -1),
    ):
        assert predict({"best": np.array([values])}, known, columns) == wanted
    assert Subject(run=lambda _: {}, categories=known).columns(["c"], "it") == (2,)
    for outputs in ({"best": np.zeros((1, 4, 4), np.int64)}, {"other": np.array([1])}):
        with pytest.raises(EdgecutError) as error:
            predict(outputs, known, (0,))
        assert error.value.code == "wrong-scores"


def test_scores_of_the_wrong_kind_are_refused() -> None:
    full = classifier(("a", "b"), (0, 1))
    right = np.zeros((1, 2), dtype=np.float32)
    wrong = [{"other": right}, {"scores": right[:, :1]}, {"scores": right.T}]
    wrong += [{"scores": np.zeros((1, 2, 2), dtype=np.float32)}, {"scores": right * np.nan}]
    codes = []
    for outputs in wrong:
        with pytest.raises(EdgecutError) as caught:
            predict(outputs, full, (0, 1))
        codes.append(caught.value.code)
    assert codes == ["wrong-scores"] * 4 + ["not-finite"]
    with pytest.raises(EdgecutError):
        predict({"scores": right}, classifier(("a", "b", "c"), (0, 1)), (2,))


def png(path: Path, level: int, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = io.BytesIO()
    Image.new("RGB", size, (level,) * 3).save(target, "PNG")
    path.write_bytes(target.getvalue())


SPEC = TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="float32")


def by_brightness(tensor: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    level = float(tensor.mean())
    return {"scores": np.array([[1 - level, level, 2.0]], dtype=np.float32)}


def test_classifiers_are_judged_together_on_kept_labels(tmp_path: Path) -> None:
    for label, levels in {"night": (10, 200), "Day": (250,), "cave": (0,)}.items():
        for level in levels:
            png(tmp_path / label / f"{level}.png", level)
    samples = open_samples(tmp_path, read_recipe("plain"), SPEC)
    calls: list[str] = []

    def cut(tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        calls.append("cut")
        return {"scores": by_brightness(tensor)["scores"][:, :2]}

    full = classifier(("night", "day", "cave"), (0, 1, 2))
    subjects = {
        "full": Subject(run=by_brightness, categories=full),
        "cut": Subject(run=cut, categories=full.restricted([0, 1])),
    }
    steps: list[tuple[int, int]] = []
    rows = evaluate(
        subjects,
        samples,
        keep=("day", "night"),
        progress=lambda done, all_: steps.append((done, all_)),
    )
    expected = [("day", 1.0, 1), ("night", 0.5, 2), ("overall", 2 / 3, 3)]
    for what in ("full", "cut"):
        mine = [r for r in rows if r["what"] == what]
        assert [(r["category"], r["top1"], r["samples"]) for r in mine] == expected
    assert len(calls) == 3 and steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_truth_is_the_deepest_kept_category_above_the_label(tmp_path: Path) -> None:
    #   time > night, day > noon;  cave
    tree = Taxonomy(
        names=("time", "night", "day", "noon", "cave"),
        parents=(None, 0, 0, 2, None),
        aliases={"midday": "noon"},
    )
    for label in ("night", "Midday", "time", "cave", "sea"):
        png(tmp_path / label / "a.png", 255)
    samples = open_samples(tmp_path, read_recipe("plain"), SPEC)

    def truth(*keep: str) -> dict[str, int]:
        full = classifier(keep, tuple(range(3)))
        subjects = {"full": Subject(run=by_brightness, categories=full)}
        rows = evaluate(subjects, samples, keep=keep, taxonomy=tree)
        return {row["category"]: row["samples"] for row in rows}

    assert truth("time", "day", "cave") == {"time": 2, "day": 1, "cave": 1, "overall": 4}
    assert truth("night", "noon", "day") == {"night": 1, "noon": 1, "day": 0, "overall": 2}
    assert truth("cave", "day", "night") == {"cave": 1, "day": 1, "night": 1, "overall": 3}


def test_labels_may_be_aliases(tmp_path: Path) -> None:
    png(tmp_path / "n02012849/a.png", 255)
    samples = open_samples(tmp_path, read_recipe("plain"), SPEC)
    bird = classifier(("night", "crane (bird)", "x"), (0, 1, 2))
    subjects = {"full": Subject(run=by_brightness, categories=bird)}
    rows = evaluate(subjects, samples, keep=("night", "crane (bird)"))
    assert [row["top1"] for row in rows] == [None, 1.0, 1.0]
    with pytest.raises(EdgecutError) as caught:
        evaluate(subjects, samples, keep=("night", "crane (bird)"), aliases={})
    assert caught.value.code == "no-labelled-samples"


def test_an_unknown_category_and_a_detector_without_truth_are_refused(tmp_path: Path) -> None:
    png(tmp_path / "night/a.png", 0)
    samples = open_samples(tmp_path, read_recipe("plain"), SPEC)
    full = classifier(("night", "day", "cave"), (0, 1, 2))
    subjects = {"full": Subject(run=by_brightness, categories=full)}
    with pytest.raises(EdgecutError, match="'nigth' is not a category of full"):
        evaluate(subjects, samples, keep=("nigth",))
    with pytest.raises(EdgecutError) as caught:
        evaluate(subjects, samples, keep=("night",), rules=read_recipe("yolox").detections)
    assert caught.value.code == "no-truth"
    empty = Subject(run=by_brightness, categories=CategoryMap(names=("a",), outputs=(), source="t"))
    with pytest.raises(EdgecutError) as caught:
        evaluate({"empty": empty}, samples, keep=("a",))
    assert caught.value.code == "no-category-output"


def test_boxes_need_a_recipe_with_detections(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 0)
    truth = tmp_path / "instances.json"
    images = [{"id": 7, "file_name": "a.png"}]
    truth.write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    full = classifier(("night", "day", "cave"), (0, 1, 2))
    subjects = {"full": Subject(run=by_brightness, categories=full)}
    with pytest.raises(EdgecutError, match="recipe 'plain' has no") as caught:
        evaluate(subjects, open_samples(truth, read_recipe("plain"), SPEC), keep=("night",))
    assert caught.value.code == "no-detections"


def detector(*boxes: tuple[float, float, int]) -> Any:
    """A made-up YOLOX on 32x32: for each (x, y, category) a box of 8x8 in the cell there."""

    def run(_: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        out = np.zeros((1, 21, 7), dtype=np.float32)
        for x, y, category in boxes:
            row = int(y // 8 * 4 + x // 8)
            out[0, row, :5] = (x % 8 / 8, y % 8 / 8, 0, 0, 1)
            out[0, row, 5 + category] = 0.9
        return {"out": out}

    return run


def test_detectors_are_judged_in_original_pixels(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    png(tmp_path / "images/a.png", 0, (64, 32))
    truth = tmp_path / "instances.json"
    data = {
        "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 32}],
        "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": [16, 8, 16, 16]}],
    }
    truth.write_text(json.dumps(data))
    recipe = read_recipe("yolox")
    spec = TensorSpec(name="image", shape=(1, 3, 32, 32), dtype="float32")
    entry = OutputSlots(output="out", axis=2, slots=(None,) * 5 + (0, 1), reason="test")
    found = CategoryMap(names=("person", "car"), outputs=(entry,), source="test")
    # Letterboxed by a half, the car's 16x16 box around (24, 16) is 8x8 around (12, 8).
    subjects = {
        "right": Subject(run=detector((12, 8, 1)), categories=found),
        "wrong place": Subject(run=detector((24, 16, 1)), categories=found),
        "wrong category": Subject(run=detector((12, 8, 0)), categories=found),
    }
    samples = open_samples(truth, recipe, spec)
    rows = evaluate(subjects, samples, keep=("car", "person"), rules=recipe.detections)
    got = {(r["what"], r["category"]): (r["ap"], r["ap50"]) for r in rows}
    assert got["right", "car"] == pytest.approx((1, 1))
    assert got["wrong place", "car"] == got["wrong category", "car"] == (0, 0)
    assert got["right", "person"] == (None, None)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("model", "recipe", "axis", "expected"),
    [
        ("yolox-nano/yolox_nano.onnx", "yolox", 2, {"person": 0.6268, "car": 0.5662}),
        ("fastestdet/FastestDet.onnx", "fastestdet", 1, {"person": 0.4408, "car": 0.4551}),
    ],
)
def test_real_detectors_have_the_accuracy_once_measured(
    shared: Path, model: str, recipe: str, axis: int, expected: dict[str, float]
) -> None:
    """AP50 with ONNX Runtime float32 on the val photos; a change in preprocessing shows here."""
    pytest.importorskip("pycocotools")
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(shared / "models" / model), options)
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    slots = (None,) * 5 + tuple(range(80))
    entry = OutputSlots(output=output.name, axis=axis, slots=slots, reason="test")
    found = CategoryMap(names=read_names("coco80"), outputs=(entry,), source="test")
    subject = Subject(
        run=lambda tensor: {output.name: session.run(None, {image.name: tensor})[0]},
        categories=found,
    )
    spec = TensorSpec(name=image.name, shape=tuple(image.shape), dtype="float32")
    rules = read_recipe(recipe)
    samples = open_samples(shared / "data/coco/instances.json", rules, spec, split="val2017")
    rows = evaluate({recipe: subject}, samples, keep=tuple(expected), rules=rules.detections)
    assert len(samples) == 252 and samples.skipped == ()
    assert {row["category"]: row["ap50"] for row in rows} == pytest.approx(expected, abs=0.001)


def test_choices_of_levels_are_judged_by_the_level_that_has_them_all() -> None:
    coarse = OutputValues(output="coarse", values=(0, 1), reason="test")
    fine = OutputValues(output="fine", values=(2, 3, 4), reason="test")
    known = CategoryMap(names=tuple("abcde"), outputs=(), source="test", coded=(coarse, fine))
    outputs = {"coarse": np.array([[0]]), "fine": np.array([[2.0]])}
    assert predict(outputs, known, (2, 3, 4)) == 2
    assert predict(outputs, known, (0, 1)) == 0
    with pytest.raises(EdgecutError) as error:
        predict(outputs, known, (1, 2))
    assert error.value.code == "wrong-scores"
    with pytest.raises(EdgecutError) as error:
        predict({**outputs, "fine": np.array([[np.nan]])}, known, (2, 3, 4))
    assert error.value.code == "not-finite"
