"""Records beside a bundle: kept, found again, and known to be of another build."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgecut import records
from edgecut.errors import EdgecutError
from tests.report import made_up


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_up.bundle(tmp_path / "dist")


def test_there_and_back(folder: Path) -> None:
    path = records.keep(folder, "bench", made_up.bench())
    assert path == folder / "records" / "bench.json"
    (found,) = records.kept(folder)
    assert (found.command, found.device, found.path, found.stale) == ("bench", "", path, False)
    assert found.data["rows"] == made_up.bench()["rows"]
    assert os.listdir(path.parent) == ["bench.json"]


def test_the_last_one_counts(folder: Path) -> None:
    for ms in (2.0, 3.0):
        records.keep(folder, "bench", made_up.bench(made_up.row("a", "cut", ms)))
    (found,) = records.kept(folder)
    assert found.data["rows"][0]["median_ms"] == 3.0


def test_each_device_has_its_own(folder: Path) -> None:
    for device in ("pi@kitchen.local", "../../escape", ""):
        path = records.keep(folder, "bench", made_up.bench(), device=device)
        assert path.parent == folder / "records"
    assert {one.device for one in records.kept(folder)} == {"pi@kitchen.local", "../../escape", ""}


def test_names_that_look_alike_are_kept_apart(folder: Path) -> None:
    names = {"pi.1", "pi-1", "Pi-1", "厨房"}
    for device in names:
        records.keep(folder, "bench", made_up.bench(), device=device)
    (folder / "records" / "bench-old.json").write_text("a copy of the user's")
    assert {one.device for one in records.kept(folder)} == names


def test_of_another_build(folder: Path) -> None:
    records.keep(folder, "bench", made_up.bench())
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    assert [one.stale for one in records.kept(folder)] == [True]


def test_none(folder: Path) -> None:
    assert records.kept(folder) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "edgecut.bench/2"}', "[" * 100_000, "1e999", "1" * 400]
)
def test_what_is_no_record(folder: Path, text: str) -> None:
    path = records.keep(folder, "bench", made_up.bench())
    path.write_text(text)
    with pytest.raises(EdgecutError) as error:
        records.kept(folder)
    assert error.value.code == "bad-record" and str(path) in error.value.message


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(EdgecutError) as error:
        records.keep(tmp_path, "bench", made_up.bench())
    assert error.value.code == "not-a-bundle"
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(folder: Path) -> None:
    (folder / "records").write_text(json.dumps({}))
    with pytest.raises(EdgecutError) as error:
        records.keep(folder, "bench", made_up.bench())
    assert error.value.code == "cannot-save"
