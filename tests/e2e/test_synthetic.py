"""Builds without an image: said everywhere, the same every time, and read back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecut.synthetic import draw
from tests.command import edgecut, refused
from tests.e2e.models import ANIMALS, RECIPE
from tests.synthetic.networks import as_trained_on

BUILD = ("--keep", "cat,dog", "--target", "raspberry-pi-4", "--scheme", "int8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that remembers ten pictures, its labels and its recipe."""
    folder = tmp_path_factory.mktemp("synthetic")
    as_trained_on(list(range(0, 100, 10))).write(folder / "tiny.onnx")
    (folder / "labels.txt").write_text("\n".join(ANIMALS))
    (folder / "tiny.toml").write_text(RECIPE)
    return folder


def options(folder: Path, samples: str = "synthetic") -> tuple[object, ...]:
    model = (folder / "tiny.onnx", "--labels", folder / "labels.txt")
    return (*model, "--samples", samples, "--recipe", folder / "tiny.toml")


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    """The folder of a build; tests must not change it."""
    outcome = edgecut("build", *options(folder), *BUILD, "--out", folder / "dist")
    assert outcome.code == 0, outcome
    assert "note: the samples are 64 synthetic pictures, chosen from 512" in outcome.stdout
    assert "choose synthetic samples" in outcome.stderr
    return folder / "dist"


def report(built: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((built / "report.json").read_text())
    return found


def test_the_report_says_so_and_how_well_they_match(built: Path) -> None:
    told = report(built)
    assert told["samples"]["path"] == "synthetic"
    assert told["cut_check"]["input"] == "synthetic samples"
    drawn = told["synthetic"]
    assert draw.from_text(told["samples"]["pictures"]) == tuple(drawn["pictures"])
    assert (len(drawn["pictures"]), drawn["candidates"], drawn["normalisations"]) == (64, 512, 1)
    assert drawn["distance"] < drawn["distance_before"]
    assert any("synthetic" in note for note in told["notes"])


def test_the_same_network_gives_the_same_bytes(built: Path, folder: Path) -> None:
    edgecut("build", *options(folder), *BUILD, "--out", folder / "again")
    for name in ("tiny.int8.tflite", "report.json"):
        assert (folder / "again" / name).read_bytes() == (built / name).read_bytes()


def test_verify_takes_the_pictures_of_the_report(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "draw", lambda *_, **__: pytest.fail("they are chosen already"))
    outcome = edgecut("verify", built)
    assert outcome.code == 0 and "checked on synthetic pictures, not on images" in outcome.stderr


def test_verify_chooses_where_the_build_had_images(built: Path, folder: Path) -> None:
    outcome = edgecut("verify", built, "--samples", "synthetic", "--recipe", folder / "tiny.toml")
    assert outcome.code == 0 and "choose synthetic samples" in outcome.stderr


def test_a_cut_is_checked_on_them(folder: Path) -> None:
    out = folder / "cut.onnx"
    outcome = edgecut("cut", *options(folder), "--keep", "cat", "--out", out, "--json")
    assert outcome.json["cut_check"]["input"] == "synthetic samples"
    assert "16 synthetic pictures" in outcome.json["notes"][0]


def test_without_statistics_the_build_says_so(folder: Path) -> None:
    """The cut network has them no more."""
    model = (folder / "dist" / "cut.onnx", "--samples", "synthetic")
    model = (*model, "--recipe", folder / "tiny.toml")
    outcome = edgecut("build", *model, *BUILD, "--out", folder / "unmatched")
    assert outcome.code == 0 and "not matched" in outcome.stdout
    assert report(folder / "unmatched")["synthetic"]["distance"] is None


def test_nothing_is_judged_on_them(built: Path) -> None:
    refused("no-labelled-samples", "evaluate", built, "--samples", "synthetic")


def test_they_have_no_parts(folder: Path) -> None:
    split = ("--split", "train", "--keep", "cat", "--out", folder / "no.onnx")
    assert "no split" in refused("unknown-samples", "cut", *options(folder), *split)


def test_a_report_with_other_numbers(built: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "dist"
    shutil.copytree(built, copy)
    told = report(built)
    told["samples"]["pictures"] = "1;2"
    told["source"]["model"] = str(built.parent / "tiny.onnx")
    told["source"]["labels"] = str(built.parent / "labels.txt")
    told["samples"]["recipe"] = str(built.parent / "tiny.toml")
    (copy / "report.json").write_text(json.dumps(told))
    refused("bad-pictures", "verify", copy)
