"""Samples from folders, parquet files and COCO jsons, and every way in which they can be bad."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecut import samples as module
from edgecut.errors import EdgecutError
from edgecut.network import TensorSpec
from edgecut.recipe import Recipe, read_recipe
from edgecut.samples import Samples, open_samples

SPEC = TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="float32")


@pytest.fixture
def plain() -> Recipe:
    return read_recipe("plain")


def encoded(value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB", **how: Any) -> bytes:
    target = io.BytesIO()
    Image.new(mode, size, (value,) * 3 if mode == "RGB" else value).save(target, "PNG", **how)
    return target.getvalue()


def save(path: Path, data: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded() if data is None else data)
    return path


def names(found: Samples) -> list[str]:
    return [sample.name for sample in found]


def refused(code: str, path: Path, recipe: Recipe, **options: Any) -> EdgecutError:
    spec = options.pop("spec", SPEC)
    with pytest.raises(EdgecutError) as caught:
        open_samples(path, recipe, spec, **options)
    assert caught.value.code == code
    return caught.value


def coco(folder: Path, images: list[dict[str, Any]], **parts: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": [], **parts}))
    return path


def test_a_folder_gives_its_images_by_path(tmp_path: Path, plain: Recipe) -> None:
    for name in ("b.png", "a.PNG", "sub/c.png"):
        save(tmp_path / name)
    save(tmp_path / "notes.txt", b"no image")
    found = open_samples(tmp_path, plain, SPEC)
    assert len(found) == 3
    assert names(found) == names(found) == ["a.PNG", "b.png", "sub/c.png"]
    assert {sample.label for sample in found} == {None}
    assert found.truth is None


def test_sub_folders_are_labels(tmp_path: Path, plain: Recipe) -> None:
    for name in ("cat/1.png", "dog/deep/2.png"):
        save(tmp_path / name)
    assert [s.label for s in open_samples(tmp_path, plain, SPEC)] == ["cat", "dog"]


def test_a_split_of_a_folder_is_a_sub_folder(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "val/cat/1.png")
    save(tmp_path / "train/cat/2.png")
    found = open_samples(tmp_path, plain, SPEC, split="val")
    assert [(s.name, s.label) for s in found] == [("cat/1.png", "cat")]
    assert "train, val" in str(refused("unknown-split", tmp_path, plain, split="test").hint)
    refused("unknown-split", tmp_path / "val", plain, split="../train")


def test_a_limit_is_spread_evenly_and_always_the_same(tmp_path: Path, plain: Recipe) -> None:
    for i in range(10):
        save(tmp_path / f"{i}.png")
    assert names(open_samples(tmp_path, plain, SPEC, limit=4)) == [
        "0.png",
        "2.png",
        "5.png",
        "7.png",
    ]
    assert len(open_samples(tmp_path, plain, SPEC, limit=99)) == 10
    refused("bad-limit", tmp_path, plain, limit=0)


def test_images_that_do_not_decode_are_skipped_and_listed(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "good.png")
    save(tmp_path / "torn.png", encoded(size=(64, 64))[:60])
    save(tmp_path / "text.jpg", b"not an image")
    save(tmp_path / "empty.png", b"")
    save(tmp_path / "deep.png", encoded(mode="I;16"))
    found = open_samples(tmp_path, plain, SPEC)
    assert names(found) == ["good.png"]
    assert [name for name, _ in found.skipped] == ["deep.png", "empty.png", "text.jpg", "torn.png"]
    assert "8 bits" in found.skipped[0][1]
    assert names(found) == ["good.png"] and len(found.skipped) == 4


def test_a_bomb_is_skipped(tmp_path: Path, plain: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 100)
    save(tmp_path / "a.png", encoded(size=(11, 10)))
    save(tmp_path / "b.png", encoded(size=(10, 10)))
    found = open_samples(tmp_path, plain, SPEC)
    assert names(found) == ["b.png"]
    assert "11x10" in found.skipped[0][1]


def test_no_usable_sample_is_an_error(tmp_path: Path, plain: Recipe) -> None:
    refused("missing-samples", tmp_path / "gone", plain)
    refused("no-images", tmp_path, plain)
    save(tmp_path / "bad.png", b"junk")
    assert "bad.png" in refused("unreadable-samples", tmp_path, plain).message
    refused("unknown-samples", save(tmp_path / "samples.csv", b"a,b"), plain)


def test_the_recipe_must_give_the_inputs_channels(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "a.png")
    grey = TensorSpec(name="image", shape=(1, 1, 8, 8), dtype="float32")
    assert "'image'" in refused("wrong-channels", tmp_path, plain, spec=grey).message


def turned() -> bytes:
    """Stored 8 wide and 4 high, to be shown turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(size=(8, 4), exif=exif)


def test_orientation_is_applied_to_photos_but_not_to_coco(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "images/a.png", turned())
    geometry = next(iter(open_samples(tmp_path, plain, SPEC))).geometry
    assert (geometry.width, geometry.height) == (4, 8)
    truth = coco(tmp_path, [{"id": 1, "file_name": "a.png", "width": 8, "height": 4}])
    geometry = next(iter(open_samples(truth, plain, SPEC))).geometry
    assert (geometry.width, geometry.height) == (8, 4)


def test_coco_finds_its_images_and_filters_by_split(tmp_path: Path, plain: Recipe) -> None:
    images = [
        {"id": 1, "file_name": "b.png", "width": 8, "height": 8, "split": "val"},
        {"id": 2, "file_name": "a.png", "split": "val"},
        {"id": 3, "file_name": "c.png", "split": "train"},
    ]
    truth = coco(tmp_path, images)
    for folder in ("images", "elsewhere"):
        for name in ("a.png", "b.png", "c.png"):
            save(tmp_path / folder / name, encoded(255 if folder == "elsewhere" else 0))
    found = open_samples(truth, plain, SPEC, split="val")
    assert names(found) == ["a.png", "b.png"] and found.truth == truth
    assert next(iter(found)).tensor.max() == 0
    other = open_samples(truth, plain, SPEC, images=tmp_path / "elsewhere")
    assert len(other) == 3 and next(iter(other)).tensor.min() == 1
    assert "train, val" in str(refused("unknown-split", truth, plain, split="test").hint)
    refused("missing-samples", truth, plain, images=tmp_path / "gone")


def test_coco_images_may_lie_beside_the_json(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "a.png")
    assert names(open_samples(coco(tmp_path, [{"id": 1, "file_name": "a.png"}]), plain, SPEC))


def test_a_coco_image_of_another_size_or_missing_is_skipped(tmp_path: Path, plain: Recipe) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    images = [{"id": 1, "file_name": "a.png", "width": 9, "height": 8}]
    images += [{"id": 2, "file_name": "b.png"}, {"id": 3, "file_name": "gone.png"}]
    found = open_samples(coco(tmp_path, images), plain, SPEC)
    assert names(found) == ["b.png"]
    assert [name for name, _ in found.skipped] == ["a.png", "gone.png"]


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "x/../../a.png", "..\\a.png", "C:a.png"]
)
def test_a_coco_image_outside_its_folder_is_refused(
    tmp_path: Path, plain: Recipe, name: str
) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "images").mkdir()
    truth = coco(tmp_path, [{"id": 1, "file_name": name}])
    assert name in refused("path-escape", truth, plain).message


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"images": [], "annotations": []}',
        '{"images": [{"id": 1}], "annotations": [], "categories": []}',
        '{"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}],'
        ' "annotations": [], "categories": []}',
        '{"images": [], "categories": [],'
        ' "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1]}]}',
    ],
)
def test_a_malformed_coco_json_is_refused(tmp_path: Path, plain: Recipe, text: str) -> None:
    path = save(tmp_path / "instances.json", text.encode())
    assert str(path) in refused("bad-coco", path, plain).message


def test_a_coco_file_of_two_splits_is_refused(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "a.png")
    images = [{"id": i, "file_name": "a.png", "split": s} for i, s in enumerate(("train", "val"))]
    truth = coco(tmp_path, images)
    assert "'a.png' occurs" in refused("bad-coco", truth, plain, split="val").message


def test_a_coco_json_without_images_holds_no_samples(tmp_path: Path, plain: Recipe) -> None:
    refused("no-samples", coco(tmp_path, []), plain)


def parquet(path: Path, **columns: list[Any]) -> Path:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), path)
    return path


def test_parquet_rows_are_samples(tmp_path: Path, plain: Recipe) -> None:
    rows = 700
    path = parquet(
        tmp_path / "s.parquet",
        image=[encoded(i % 256) for i in range(rows)],
        label=["even" if i % 2 == 0 else "odd" for i in range(rows)],
        index=list(range(rows)),
        split=["val" if i >= 100 else "train" for i in range(rows)],
    )
    found = list(open_samples(path, plain, SPEC, split="val", limit=3))
    assert [(s.name, s.label) for s in found] == [("100", "even"), ("300", "even"), ("500", "even")]
    levels = [round(float(s.tensor[0, 0, 0, 0]) * 255) for s in found]
    assert levels == [100, 300 % 256, 500 % 256]
    refused("unknown-split", path, plain, split="test")


def test_a_parquet_image_may_be_a_struct_and_may_be_missing(tmp_path: Path, plain: Recipe) -> None:
    image = [{"bytes": None, "path": "x"}, {"bytes": encoded(), "path": "y"}]
    found = open_samples(parquet(tmp_path / "s.parquet", image=image), plain, SPEC)
    assert names(found) == ["row 1"]
    assert found.skipped == (("row 0", "is missing or cannot be read"),)


def test_a_label_that_stands_for_two_wnids_is_given_as_its_wnid(
    tmp_path: Path, plain: Recipe
) -> None:
    path = parquet(
        tmp_path / "s.parquet",
        image=[encoded()] * 3,
        label=["crane", "tench", "Crane"],
        wnid=["n1", "n2", "n3"],
    )
    assert [s.label for s in open_samples(path, plain, SPEC)] == ["n1", "tench", "n3"]


def test_a_wrong_parquet_is_refused(tmp_path: Path, plain: Recipe) -> None:
    assert (
        "picture"
        in refused("bad-parquet", parquet(tmp_path / "a.parquet", picture=[b"x"]), plain).message
    )
    refused("bad-parquet", parquet(tmp_path / "b.parquet", image=["path.png"]), plain)
    refused("bad-parquet", save(tmp_path / "c.parquet", b"PAR1 junk PAR1"), plain)
    refused("unknown-samples", tmp_path / "a.parquet", plain, images=tmp_path)


def test_samples_are_decoded_one_at_a_time(tmp_path: Path, plain: Recipe) -> None:
    save(tmp_path / "a.png")
    gone = save(tmp_path / "b.png")
    found = open_samples(tmp_path, plain, SPEC)
    stream = iter(found)
    assert next(stream).name == "a.png"
    gone.unlink()
    assert list(stream) == [] and found.skipped[0][0] == "b.png"


@pytest.mark.shared
def test_imagenet_sample_reads(shared: Path) -> None:
    spec = TensorSpec(name="image", shape=(1, 3, 224, 224), dtype="float32")
    path = shared / "data/imagenet_sample.parquet"
    found = list(open_samples(path, read_recipe("imagenet"), spec, limit=3))
    assert len(found) == 3 and found[0].label == "tench"
    assert all(np.isfinite(s.tensor).all() and abs(s.tensor).max() < 3 for s in found)
