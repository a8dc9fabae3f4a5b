"""The output folder appears whole or not at all, and its papers are read strictly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from edgecut import bundle
from edgecut.artifact import Emitted
from edgecut.errors import EdgecutError
from tests.tiny_artifacts import port


def emitted(format: str = "tflite") -> Emitted:
    files = {".tflite": b"TFL3"} if format == "tflite" else {".xml": b"<net/>", ".bin": b"\1\2"}
    ports = {"inputs": (port("x"),), "outputs": (port("y"),)}
    return Emitted(format=format, scheme="int8", files=files, notes=("a note",), **ports)


def fill(folder: Path, content: str = "new") -> None:
    """The least that makes a bundle, told from others by its name."""
    manifest = {"schema": bundle.MANIFEST_SCHEMA, "name": content, "artifacts": []}
    bundle.write_json(folder / bundle.MANIFEST, manifest)


def below(folder: Path) -> dict[str, str]:
    """Content of every file below a folder; of a bundle's manifest the name."""
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text())["name"]
        if path.name == bundle.MANIFEST
        else path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_folder_appears_when_it_is_done(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "dist"
    with bundle.new_folder(out) as folder:
        fill(folder)
        assert not out.exists()
        # On the same file system, or the last step would be a copy that can stop half-way.
        assert folder.parent == out.parent
    assert below(tmp_path) == {"deep/dist/manifest.json": "new"}
    assert out.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, EdgecutError])
@pytest.mark.parametrize("older", [True, False])
def test_whatever_goes_wrong_nothing_is_left(
    tmp_path: Path, error: type[BaseException], older: bool
) -> None:
    out = tmp_path / "dist"
    if older:
        out.mkdir()
        fill(out, "old")
    before = below(tmp_path)
    fault = error("no", code="no") if error is EdgecutError else error("no")
    with pytest.raises(error), bundle.new_folder(out) as folder:
        fill(folder)
        raise fault
    assert below(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["dist"] if older else [])


def test_an_older_bundle_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    fill(out, "old")
    (out / bundle.LABELS).write_text("old")
    with bundle.new_folder(out) as folder:
        fill(folder)
    assert below(tmp_path) == {"dist/manifest.json": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    with bundle.new_folder(tmp_path / "dist") as folder:
        fill(folder)
    assert below(tmp_path) == {"dist/manifest.json": "new"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_stopped_between_the_two_moves_the_older_one_comes_back(
    tmp_path: Path, error: BaseException
) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    fill(out, "old")
    moves = iter((os.replace, error, os.replace))

    def replace(source: Path, target: Path) -> None:
        move = next(moves)
        if isinstance(move, BaseException):
            raise move
        move(source, target)

    expected = EdgecutError if isinstance(error, OSError) else KeyboardInterrupt
    with (
        patch("edgecut.bundle.os.replace", replace),
        pytest.raises(expected),
        bundle.new_folder(out) as folder,
    ):
        fill(folder)
    assert below(tmp_path) == {"dist/manifest.json": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_a_manifest_of_somebody_elses_protects_its_folder(tmp_path: Path) -> None:
    """Web applications have a manifest.json as well."""
    (tmp_path / "manifest.json").write_text('{"name": "my app"}')
    (tmp_path / "app.js").write_text("mine")
    before = below(tmp_path)
    with pytest.raises(EdgecutError) as caught, bundle.new_folder(tmp_path):
        raise AssertionError("must not begin")
    assert caught.value.code == "output-exists" and below(tmp_path) == before


def test_what_the_user_put_into_a_bundle_is_not_deleted(tmp_path: Path) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    fill(out, "old")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(EdgecutError) as caught, bundle.new_folder(out):
        raise AssertionError("must not begin")
    assert caught.value.code == "output-exists" and "notes.txt" in caught.value.message
    assert below(tmp_path) == {"dist/manifest.json": "old", "dist/notes.txt": "mine"}


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    fill(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with bundle.new_folder(tmp_path / "link") as folder:
        fill(folder)
    assert (tmp_path / "link").is_symlink()
    assert below(tmp_path / "real") == {"manifest.json": "new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_foreign_things_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("mine")
    before = below(tmp_path)
    for name in ("file", "folder"):
        with pytest.raises(EdgecutError) as caught, bundle.new_folder(tmp_path / name):
            raise AssertionError("must not begin")
        assert caught.value.code == "output-exists"
    with pytest.raises(EdgecutError) as caught, bundle.new_folder(tmp_path / "file" / "dist"):
        raise AssertionError("must not begin")
    assert caught.value.code == "unwritable-output"
    assert below(tmp_path) == before


@pytest.mark.parametrize("format", ["tflite", "openvino"])
def test_an_artifact_is_written_described_and_checked(tmp_path: Path, format: str) -> None:
    artifact = bundle.write_artifact(tmp_path, "net.int8", "some-board", emitted(format))
    assert artifact.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert set(bundle.files_of(tmp_path, artifact)) == set(tmp_path.iterdir())
    data = json.loads(json.dumps(bundle.artifact_to_json(artifact)))
    assert bundle.artifact_from_json(data) == artifact
    bundle.check_digest(tmp_path, artifact)
    for path in bundle.files_of(tmp_path, artifact):
        whole = path.read_bytes()
        path.write_bytes(whole + b" ")
        with pytest.raises(EdgecutError) as caught:
            bundle.check_digest(tmp_path, artifact)
        assert caught.value.code == "changed-artifact"
        path.unlink()
        with pytest.raises(EdgecutError) as caught:
            bundle.check_digest(tmp_path, artifact)
        assert caught.value.code == "missing-artifact" and path.name in caught.value.message
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data.update(path="../a.tflite"), "path-escape"),
        (lambda data: data.update(path="/a.tflite"), "path-escape"),
        (lambda data: data.update(path="sub/a.tflite"), "path-escape"),
        (lambda data: data.pop("sha256"), "not-a-bundle"),
        (lambda data: data.update(inputs=[{}]), "not-a-bundle"),
        (lambda data: data.update(path=None), "not-a-bundle"),
    ],
)
def test_a_wrong_artifact_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], code: str
) -> None:
    artifact = bundle.write_artifact(tmp_path, "net", "board", emitted())
    data = bundle.artifact_to_json(artifact)
    change(data)
    with pytest.raises(EdgecutError) as caught:
        bundle.artifact_from_json(data)
    assert caught.value.code == code


def test_json_is_the_same_every_time(tmp_path: Path) -> None:
    data = {"schema": "s/1", "names": ["crème", "brûlée"], "b": 1, "a": None}
    bundle.write_json(tmp_path / "a.json", data)
    bundle.write_json(tmp_path / "b.json", data)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert "crème" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert bundle.read_json(tmp_path / "a.json", "s/1") == data


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "not-a-bundle"),
        (b"{", "not-a-bundle"),
        (b"\xff\xfe", "not-a-bundle"),
        (b'{"schema": "s/1", "macs": NaN}', "not-a-bundle"),
        (b'{"schema": "s/1", "macs": 1e999}', "not-a-bundle"),
        (b"[" * 100_000, "not-a-bundle"),
        (b"[]", "other-schema"),
        (b'{"schema": "s/2"}', "other-schema"),
        (b"{}", "other-schema"),
    ],
)
def test_json_that_is_not_ours(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EdgecutError) as caught:
        bundle.read_json(path, "s/1")
    assert caught.value.code == code and str(path) in caught.value.message


def test_versions_name_what_shapes_the_bytes() -> None:
    versions = bundle.versions()
    assert {"edgecut", "onnx", "onnxruntime", "numpy"} <= set(versions)
    assert all(version[0].isdigit() for version in versions.values())
