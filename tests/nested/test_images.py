"""Images in memory: from parquet files and folders, right or wrong."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from edgecut.errors import EdgecutError
from edgecut.nested import images
from edgecut.nested.images import ImageSet
from edgecut.nested.loss import NONE
from edgecut.nested.run import pixels_of
from edgecut.nested.training import to_input
from edgecut.recipe import prepare
from tests.nested.toys import RECIPE, SIZE, TREE, encoded, parquet, picture


def row(label: str, seed: int = 0, **more: Any) -> dict[str, Any]:
    return {"image": encoded(picture(label, seed)), "label": label, **more}


def refused(code: str, path: Path, size: int = SIZE) -> str:
    with pytest.raises(EdgecutError) as error:
        images.read(path, TREE, size)
    assert error.value.code == code
    return f"{error.value.message} {error.value.where} {error.value.hint}"


def folder(path: Path, *files: str) -> Path:
    for i, name in enumerate(files):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(encoded(picture("cat", i)))
    return path


def labels(found: ImageSet) -> list[str]:
    return ["" if node == NONE else TREE.names[node] for node in found.labels]


# Parquet.


def test_parquet(data: Path) -> None:
    found = images.read(data, TREE, SIZE)
    assert {name: len(split) for name, split in found.splits.items()} == {
        "test": 10, "train": 29, "val": 10
    }  # fmt: skip
    train = found.splits["train"]
    assert (train.images.shape, train.images.dtype) == ((29, SIZE, SIZE, 3), np.uint8)
    assert labels(train)[:5] == ["person", "cat", "dog", "bird", ""]
    assert np.array_equal(train.images[1], picture("cat", 1))
    assert set(train.sources) == {"toys"}


def test_a_broken_image_is_counted_and_skipped(data: Path) -> None:
    found = images.read(data, TREE, SIZE)
    (skipped,) = found.skipped
    assert skipped.place == "row 7"
    assert skipped.reason.startswith("cannot be decoded: ")
    train = found.splits["train"]
    assert labels(train)[6:8] == ["cat", "bird"]  # the dog between them is the broken one
    assert np.array_equal(train.images[7], picture("bird", 8))


def test_labels_are_names_aliases_or_parents(tmp_path: Path) -> None:
    told = ["kitten", "HUMAN", "animal", " pet ", "Dog", "", "  "]
    path = parquet(tmp_path / "a.parquet", [row(label) for label in told])
    found = images.read(path, TREE, SIZE).splits["train"]
    assert labels(found) == ["cat", "person", "animal", "pet", "dog", "", ""]


def test_splits_and_sources_are_texts_or_left_out(tmp_path: Path) -> None:
    table = [
        row("cat", split="validation", source="there"),
        row("dog", split=None, source=None),
        row("dog", split="", source="here"),
    ]
    found = images.read(parquet(tmp_path / "mine.parquet", table), TREE, SIZE).splits
    assert set(found) == {"train", "val"}
    assert list(found["val"].sources) == ["there"]
    assert list(found["train"].sources) == ["mine", "here"]
    alone = parquet(tmp_path / "alone.parquet", [row("cat")])
    assert set(images.read(alone, TREE, SIZE).splits) == {"train"}


@pytest.mark.parametrize(
    "columns", [{"label": pa.dictionary(pa.int32(), pa.string())}, {"label": pa.large_string()}]
)
def test_kinds_of_text(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = parquet(tmp_path / "a.parquet", [row("cat"), row("dog")], **columns)
    assert labels(images.read(path, TREE, SIZE).splits["train"]) == ["cat", "dog"]


def test_images_as_structs(tmp_path: Path) -> None:
    table = [row("cat"), row("dog")]
    for one in table:
        one["image"] = {"bytes": one["image"], "path": None}
    found = images.read(parquet(tmp_path / "a.parquet", table), TREE, SIZE)
    assert np.array_equal(found.splits["train"].images[0], picture("cat", 0))


def broken() -> dict[str, bytes | None]:
    deep = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(deep, "PNG")
    whole = encoded(picture("cat", 0, size=64), "JPEG")
    return {
        "nothing": None,
        "empty": b"",
        "text": b"no image at all",
        "half a JPEG": whole[: len(whole) // 2],
        "half a PNG": encoded(picture("cat", 0))[:60],
        "deep": deep.getvalue(),
        "vector": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    }


@pytest.mark.parametrize("what", broken())
def test_what_is_skipped(tmp_path: Path, what: str) -> None:
    table = [row("cat"), {"image": broken()[what], "label": "dog"}, row("bird")]
    found = images.read(parquet(tmp_path / "a.parquet", table), TREE, SIZE)
    assert labels(found.splits["train"]) == ["cat", "bird"]
    (skipped,) = found.skipped
    assert skipped.place == "row 1"
    assert " at 0x" not in skipped.reason and str(tmp_path) not in skipped.reason


def test_images_that_would_fill_the_memory_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = [row("cat"), {"image": encoded(picture("cat", 0, size=64)), "label": "cat"}]
    path = parquet(tmp_path / "a.parquet", table)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    (skipped,) = images.read(path, TREE, SIZE).skipped
    assert skipped.reason == "has 64x64 pixels, too many"
    # PIL's own limit, which raises an error of another kind.
    monkeypatch.setattr(images, "MAX_PIXELS", 1 << 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    (skipped,) = images.read(path, TREE, SIZE).skipped
    assert "decompression bomb" in skipped.reason


def test_a_file_without_one_image(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", [{"image": b"x", "label": "cat"}])
    assert "no image in" in refused("bad-data", path)
    assert "row 0" in refused("bad-data", path)


def test_unknown_labels_are_all_named(tmp_path: Path) -> None:
    told = ["cat", "zebra", "dgo", "zebra"]
    path = parquet(tmp_path / "a.parquet", [row(label) for label in told])
    said = refused("unknown-label", path)
    assert "2 labels are not in the taxonomy: 'dgo', 'zebra'" in said
    assert "row 1" in said and "a.parquet" in said


def test_a_missing_label_is_not_taken_for_nothing(tmp_path: Path) -> None:
    table = [row("cat"), {**row("dog"), "label": None}]
    path = parquet(tmp_path / "a.parquet", table)
    assert "row 1 has no label" in refused("bad-data", path)


@pytest.mark.parametrize(
    "table",
    [
        [{"picture": b"x", "label": "cat"}],
        [{"image": b"x", "name": "cat"}],
        [{"image": b"x", "label": 0}],  # not taken for a name, nor for no label
        [{"image": "cat.png", "label": "cat"}],
        [{"image": b"x", "label": "cat", "split": 1}],
    ],
)
def test_columns_that_are_not_right(tmp_path: Path, table: list[dict[str, Any]]) -> None:
    said = refused("bad-data", parquet(tmp_path / "a.parquet", table))
    assert "a.parquet" in said and "it has " in said


def test_what_is_no_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("nothing of the kind")
    assert str(path) in refused("bad-data", path)
    assert "none.parquet" in refused("bad-data", tmp_path / "none.parquet")


def test_too_many_for_the_memory(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 50 * SIZE * SIZE * 3 - 1)
    assert "50 images; at 8x8" in refused("data-too-large", data)
    monkeypatch.setattr(images, "MAX_BYTES", 50 * SIZE * SIZE * 3)
    assert images.read(data, TREE, SIZE).splits


# Folders.


def test_a_folder(tmp_path: Path) -> None:
    made = folder(
        tmp_path / "photos",
        *("train/kitten/1.png", "train/dog/deep/2.PNG", "train/_none/3.png"),
        *("val/animal/4.png", "train/.hidden/5.png", "train/dog/._6.png"),
    )
    (made / "train" / "notes.txt").touch()
    found = images.read(made, TREE, SIZE)
    assert labels(found.splits["train"]) == ["", "dog", "cat"]
    assert labels(found.splits["val"]) == ["animal"]
    assert set(found.splits["train"].sources) == {"photos"}
    assert found.skipped == ()


def test_a_broken_file_in_a_folder(tmp_path: Path) -> None:
    made = folder(tmp_path, "train/cat/1.png", "train/cat/2.jpg")
    (made / "train/cat/2.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    (skipped,) = images.read(made, TREE, SIZE).skipped
    assert skipped.place == "train/cat/2.jpg"


def test_a_folder_without_splits_is_told_how(tmp_path: Path) -> None:
    made = folder(tmp_path, "cat/1.png", "dog/2.png")
    said = refused("bad-data", made)
    assert "cat/1.png lies in no SPLIT/LABEL folder" in said
    assert f"{made / 'train'}/" in said


def test_a_stray_image_is_not_ignored(tmp_path: Path) -> None:
    made = folder(tmp_path, "train/cat/1.png", "train/2.png")
    assert "train/2.png lies in no SPLIT/LABEL folder" in refused("bad-data", made)


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    assert "no images in" in refused("bad-data", tmp_path)


def test_an_unknown_label_in_a_folder(tmp_path: Path) -> None:
    said = refused("unknown-label", folder(tmp_path, "train/cat/1.png", "train/zebra/2.png"))
    assert "'zebra'" in said and "train/zebra/2.png" in said


# Pixels.


@pytest.mark.parametrize("size", [SIZE, 20])
@pytest.mark.parametrize("kind", ["wide", "grey", "palette", "transparent", "turned"])
def test_pixels_are_those_that_the_network_will_see(tmp_path: Path, kind: str, size: int) -> None:
    """Training and use agree, to the bit, on how a photo becomes an input."""
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8))
    modes = {"grey": "L", "palette": "P", "transparent": "RGBA"}
    file = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6 if kind == "turned" else 1
    photo.convert(modes.get(kind, "RGB")).save(file, "PNG", exif=exif)
    path = parquet(tmp_path / "a.parquet", [{"image": file.getvalue(), "label": "cat"}])
    found = images.read(path, TREE, size).splits["train"].images
    with Image.open(file) as opened:
        upright = opened.transpose(Image.Transpose.ROTATE_270) if kind == "turned" else opened
        tensor, _ = prepare(upright, pixels_of(replace(RECIPE, size=size)), (size, size))
    import torch

    np.testing.assert_allclose(to_input(found, torch.device("cpu")).numpy(), tensor, atol=1e-6)


# Digests.


def test_the_digest_is_that_of_the_images(tmp_path: Path, data: Path) -> None:
    made = folder(tmp_path / "a", "train/cat/1.png", "train/cat/2.png")
    first = images.digest_of(made)
    (made / "train" / "notes.txt").write_text("not read")
    assert images.digest_of(made) == first
    (made / "train/cat/2.png").rename(made / "train/cat/3.png")
    assert images.digest_of(made) != first
    import hashlib

    assert images.digest_of(data) == hashlib.sha256(data.read_bytes()).hexdigest()
    with pytest.raises(EdgecutError, match=r"cannot read .*none") as error:
        images.digest_of(tmp_path / "none")
    assert error.value.code == "bad-data"


def test_only() -> None:
    whole = ImageSet(
        images=np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3),
        labels=np.array([1, NONE, 2]),
        sources=np.array(["a", "b", "c"]),
    )
    part = whole.only(whole.labels != NONE)
    assert (len(part), list(part.labels), list(part.sources)) == (2, [1, 2], ["a", "c"])
    assert np.array_equal(part.images, whole.images[[0, 2]])


def test_progress_is_told(data: Path) -> None:
    told: list[tuple[str, int, int]] = []
    images.read(data, TREE, SIZE, tell=lambda *what: told.append(what))
    assert told[0] == ("read images", 0, 50) and told[-1] == ("read images", 50, 50)
