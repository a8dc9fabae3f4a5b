"""The whole line through the command, on a detector and a classifier of a few layers."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecut import timing
from edgecut.cost import cost
from edgecut.detections import detect
from edgecut.measure import recorded
from edgecut.opened import running
from edgecut.recipe import read_recipe
from edgecut.roofs import Roof
from edgecut.source import SampleSource, load
from edgecut.target import read_target
from tests.command import edgecut
from tests.e2e.conftest import TARGETS
from tests.e2e.models import ANIMALS, Case, write_coco

QUICK = ("--starts", "1", "--seconds", "0.1")

STEMS = [f"tiny.{scheme}" for scheme in ("float32", "float16", "int8")]
FILES = {"cut.onnx", "labels.txt", "manifest.json", "report.json"} | {
    f"{stem}{suffix}" for stem in STEMS for suffix in (".tflite", ".xml", ".bin")
}
VERIFICATION = {"metric", "worst", "max_abs_error", "tolerance", "passed", "samples", "where"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=["built", "built_classifier"])
def bundle(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def test_a_build_writes_what_it_promises(bundle: Path) -> None:
    assert {path.name for path in bundle.iterdir()} == FILES
    assert not [path.name for path in bundle.parent.iterdir() if "partial" in path.name]
    assert (bundle / "labels.txt").read_text() == "dog\ncat\n"  # in the model's order
    onnx.checker.check_model(bundle / "cut.onnx", full_check=True)


def test_the_report_holds_what_others_rely_on(bundle: Path) -> None:
    report: dict[str, Any] = json.loads((bundle / "report.json").read_text())
    assert report["schema"] == "edgecut.report/1"
    assert report["keep"] == ["dog", "cat"]
    full, cut = report["cost"]["full"], report["cost"]["cut"]
    assert 0 < cut["parameters"] < full["parameters"]
    assert 0 < cut["macs"] < full["macs"]
    assert report["cut_check"]["max_abs_error"] <= 1e-5
    assert report["cut_check"]["samples"] == 6
    assert report["refusals"] == []
    assert len(report["artifacts"]) == 6
    for artifact in report["artifacts"]:
        main = bundle / artifact["path"]
        files = [main] if main.suffix == ".tflite" else [main, main.with_suffix(".bin")]
        data = b"".join(path.read_bytes() for path in files)
        assert artifact["bytes"] == len(data)
        assert artifact["sha256"] == hashlib.sha256(data).hexdigest()
        assert artifact["format"] == {".tflite": "tflite", ".xml": "openvino"}[main.suffix]
        assert artifact["scheme"] in artifact["path"]
        assert artifact["target"] in ("raspberry-pi-4", "intel-cpu")
        assert set(artifact["verification"]) >= VERIFICATION
        assert artifact["verification"]["passed"]
        assert artifact["verification"]["max_abs_error"] is not None


def test_no_machine_path_in_what_travels(bundle: Path) -> None:
    for name, data in contents(bundle).items():
        assert str(bundle.parent).encode() not in data, name


def test_a_second_build_gives_the_same_bytes(detecting: Case, built: Path) -> None:
    again = detecting.folder / "again"
    outcome = edgecut("build", *detecting.options, "--keep", "dog,cat", *TARGETS, "--out", again)
    assert outcome.code == 0, outcome
    first, second = contents(built), contents(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_build_shows_before_and_after(classifying: Case, tmp_path: Path) -> None:
    outcome = edgecut(
        *("build", *classifying.options, "--keep", "hen", "--scheme", "float32"),
        *("--target", "raspberry-pi-4", "--target", "raspberry-pi-5", "--out", tmp_path / "dist"),
    )
    assert outcome.code == 0, outcome
    for shown in ("parameters", "MACs", "weights", "raspberry-pi-5", "largest error", "wrote"):
        assert shown in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= 100
    assert [line.strip() for line in outcome.stderr.splitlines()] == [
        *("load", "cut", "check what tidying changes", "check the cut", "tflite float32"),
        "verify tiny.float32.tflite",
    ]


def test_build_prints_its_report_as_json(classifying: Case, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    outcome = edgecut(
        *("build", *classifying.options, "--keep", "hen,fish", "--json"),
        *("--scheme", "float32", *TARGETS, "--out", out),
    )
    assert outcome.json == json.loads((out / "report.json").read_text())


def test_a_build_replaces_an_older_one(classifying: Case, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    for keep, names in (("hen", "hen\n"), ("fish", "fish\n")):
        options = ("--labels", classifying.labels, "--scheme", "float32")
        outcome = edgecut("build", classifying.model, *options, "--keep", keep, "--out", out)
        assert outcome.code == 0, outcome
        assert (out / "labels.txt").read_text() == names
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_without_samples_int8_is_left_out_and_said_so(classifying: Case, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    options = ("--labels", classifying.labels, "--keep", "hen", "--out", out)
    outcome = edgecut("build", classifying.model, *options)
    assert outcome.code == 0, outcome
    assert "note: intel-cpu: int8 left out" in outcome.stdout
    assert not list(out.glob("*int8*"))


def test_keeping_everything_builds_and_says_so(classifying: Case, tmp_path: Path) -> None:
    options = ("--labels", classifying.labels, "--keep", ",".join(ANIMALS), "--scheme", "float32")
    out = tmp_path / "dist"
    outcome = edgecut("build", classifying.model, *options, "--out", out)
    assert outcome.code == 0, outcome
    assert "note: nothing was cut: all 6 categories are kept" in outcome.stdout
    cost = json.loads((out / "report.json").read_text())["cost"]
    assert cost["cut"] == cost["full"]


def test_an_image_that_does_not_decode_is_left_out_and_said_so(
    classifying: Case, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in classifying.photos.rglob("*.png"):
        (photos / path.name).write_bytes(path.read_bytes())
    (photos / "torn.png").write_bytes((photos / "0.png").read_bytes()[:300])
    outcome = edgecut(
        *("build", classifying.model, "--labels", classifying.labels, "--keep", "hen"),
        *("--samples", photos, "--recipe", classifying.recipe),
        *("--target", "intel-cpu", "--scheme", "int8", "--out", tmp_path / "dist"),
    )
    assert outcome.code == 0, outcome
    assert (
        "note: 1 of 7 images left out; the first, 'torn.png', cannot be decoded" in outcome.stdout
    )


def test_verify(bundle: Path) -> None:
    outcome = edgecut("verify", bundle, "--json")
    assert outcome.code == 0, outcome
    assert outcome.json["cut_check"]["passed"] is True
    report = json.loads((bundle / "report.json").read_text())
    assert outcome.json["artifacts"] == [
        {"path": a["path"], "verification": a["verification"]} for a in report["artifacts"]
    ]


def test_evaluate_a_detector(detecting: Case, built: Path) -> None:
    truth = write_coco(detecting, _best_boxes(detecting))
    outcome = edgecut("evaluate", built, "--coco", truth, "--images", detecting.photos, "--json")
    assert outcome.code == 0, outcome
    rows = {(row["what"], row["category"]): row for row in outcome.json["rows"]}
    paths = [f"{stem}{suffix}" for stem in STEMS for suffix in (".tflite", ".xml")]
    assert {what for what, _ in rows} == {"full", "cut", *paths}
    for category in ("dog", "cat"):
        full = rows["full", category]
        assert full["ap50"] >= full["ap"] > 0.05
        for what in ("cut", "tiny.float32.tflite", "tiny.float32.xml"):
            assert rows[what, category]["ap50"] == pytest.approx(full["ap50"], abs=1e-3)


def _best_boxes(case: Case) -> dict[str, list[tuple[str, list[float]]]]:
    """For each photo what the full network is surest of: truth that it then finds."""
    network = load(str(case.model), labels=str(case.labels))
    rules = read_recipe(str(case.recipe)).detections
    assert rules is not None and network.categories is not None
    samples = SampleSource(path=str(case.photos), recipe=str(case.recipe)).open(network)
    best: dict[str, list[tuple[str, list[float]]]] = {}
    with running(network) as runtime:
        for sample in samples:
            found = detect(
                runtime.run({"image": sample.tensor}),
                network.categories,
                rules,
                samples.input_hw,
                sample.geometry,
                keep=(0, 1),
            )
            best[sample.name] = []
            for index in (0, 1):
                chosen = np.flatnonzero(found.categories == index)
                first = chosen[np.argmax(found.scores[chosen])]
                left, top, right, bottom = map(float, found.boxes[first])
                box = [left, top, right - left, bottom - top]
                best[sample.name].append((ANIMALS[index], box))
    return best


def test_evaluate_a_classifier(classifying: Case, built_classifier: Path) -> None:
    outcome = edgecut("evaluate", built_classifier, "--samples", classifying.photos, "--json")
    # The recipe is needed for --samples everywhere else; here it is the build's.
    assert outcome.code == 0, outcome
    rows = {(row["what"], row["category"]): row for row in outcome.json["rows"]}
    assert rows["full", "overall"]["samples"] == 6
    for category in ("dog", "cat", "overall"):
        assert rows["cut", category]["top1"] == rows["full", category]["top1"]
        assert rows["tiny.float32.xml", category]["top1"] == rows["full", category]["top1"]


def test_evaluate_tells_of_images_that_it_left_out(
    classifying: Case, built_classifier: Path, tmp_path: Path
) -> None:
    for path in classifying.photos.rglob("*.png"):
        copy = tmp_path / path.relative_to(classifying.photos)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "dog" / "torn.png").write_bytes(b"no image")
    outcome = edgecut("evaluate", built_classifier, "--samples", tmp_path)
    assert outcome.code == 0, outcome
    assert "note: 1 of 7 images left out; the first, 'dog/torn.png'" in outcome.stderr


def test_bench(built: Path) -> None:
    against = next(built.glob("*.int8.tflite"))
    options = (
        "--no-peak",
        "--starts",
        "1",
        "--seconds",
        "0.2",
        "--threads",
        "1,2",
        "--against",
        against,
    )
    outcome = edgecut("bench", built, *options, "--json")
    assert outcome.code == 0, outcome
    rows, ratios = outcome.json["rows"], outcome.json["ratios"]
    paths = {f"{stem}{suffix}" for stem in STEMS for suffix in (".tflite", ".xml")}
    assert {(row["artifact"], row["network"], row["threads"]) for row in rows} == set(
        itertools.product(paths, ("full", "cut", "against"), (1, 2))
    )
    for row in rows:
        assert 0 < row["median_ms"] <= row["p90_ms"] <= (row["p99_ms"] or math.inf)
        assert row["low_ms"] <= row["median_ms"] <= row["high_ms"]
        assert sum(one["bursts"] for one in row["starts"]) == len(row["bursts_ms"])
        assert row["count"] >= row["effective"] > 0
        assert (row["verdict"] == "VALID") == (row["reasons"] == [])
        assert (row["cached_compile_ms"] is None) == row["runtime"].startswith("ai-edge-litert")
        assert row["state"]["before"]["time"] <= row["state"]["after"]["time"]
        if row["network"] != "against":
            achieved = row["gmacs"] / (row["median_ms"] / 1e3)
            assert row["achieved_gmacs_per_s"] == pytest.approx(achieved)
    invalid = any(row["verdict"] == "INVALID" for row in rows)
    assert outcome.json["verdict"] == ("INVALID" if invalid else "VALID")
    assert {(one["artifact"], one["of"]) for one in ratios} == set(
        itertools.product(paths, ("full", "against"))
    )
    for one in ratios:
        assert one["low"] <= one["ratio"] <= one["high"]
        if one["of"] == "full":
            assert one["realisation"] == pytest.approx(one["ratio"] / one["macs_ratio"])


def test_bench_shows_why_not_to_believe_it(built: Path) -> None:
    outcome = edgecut(
        "bench",
        built,
        "--no-peak",
        *QUICK,
        "--threads",
        "1,64",
        "--sustain",
        "1s",
    )
    assert outcome.code == 0, outcome
    shown = " ".join(outcome.stdout.split())
    assert ", threads: 64: " in shown and "64 threads on" in shown
    assert (
        "samples are outliers" in shown and "the fewest effective samples of an artifact" in shown
    )
    assert "ms at first" in outcome.stdout


def test_inspect(detecting: Case) -> None:
    options = ("--labels", detecting.labels, "--keep", "dog,cat")
    outcome = edgecut("inspect", detecting.model, *options)
    assert outcome.code == 0, outcome
    for shown in ("1x3x64x64", "the graph joins parts of 4, 1, 6 slots", "10 hen", "dog, cat"):
        assert shown in outcome.stdout
    data = edgecut("inspect", detecting.model, *options, "--each", "--json").json
    assert data["categories"]["names"] == list(ANIMALS)
    assert data["categories"]["outputs"][0]["slots"] == [None] * 5 + list(range(6))
    assert [cut["keep"] for cut in data["cuts"]] == [["dog", "cat"], *([a] for a in ANIMALS)]
    assert all(cut["cost"]["macs"] < data["cost"]["macs"] for cut in data["cuts"])


def test_a_built_cut_knows_its_categories(built: Path) -> None:
    data = edgecut("inspect", built / "cut.onnx", "--json").json
    assert data["categories"]["names"] == ["dog", "cat"]


def test_cut(detecting: Case, tmp_path: Path) -> None:
    out = tmp_path / "cut.onnx"
    options = ("--labels", detecting.labels, "--keep", "dog", "--out", out)
    outcome = edgecut("cut", detecting.model, *options, "--json")
    assert outcome.code == 0, outcome
    assert outcome.json["keep"] == ["dog"]
    assert outcome.json["cut_check"]["max_abs_error"] <= 1e-5
    assert outcome.json["cost"]["cut"]["macs"] < outcome.json["cost"]["full"]["macs"]
    assert load(str(out)).outputs[0].shape == (1, 64, 6)
    first = out.read_bytes()
    assert f"wrote {out}" in edgecut("cut", detecting.model, *options).stdout
    assert out.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["cut.onnx"]


def test_a_bundle_moves_with_its_model_and_photos(detecting: Case, tmp_path: Path) -> None:
    import shutil

    moved = tmp_path / "elsewhere"
    shutil.copytree(detecting.folder, moved)
    outcome = edgecut("verify", moved / "dist")
    assert outcome.code == 0, outcome
    assert outcome.stdout.count(" ok\n") == 7


def test_json_says_what_it_is(classifying: Case, built_classifier: Path, tmp_path: Path) -> None:
    labelled = (classifying.model, "--labels", classifying.labels)
    commands: dict[str, tuple[object, ...]] = {
        "cut": (*labelled, "--keep", "dog", "--out", tmp_path / "cut.onnx"),
        "evaluate": (built_classifier, "--samples", classifying.photos),
        "inspect": labelled,
        "targets": (),
        "verify": (built_classifier,),
    }
    for name, arguments in commands.items():
        data = edgecut(name, *arguments, "--json").json
        assert data["schema"] == f"edgecut.{name}/1"
    assert "generic-arm64" in {t["name"] for t in edgecut("targets", "--json").json["targets"]}


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_the_camera_loop(kind: str, request: pytest.FixtureRequest) -> None:
    case = request.getfixturevalue("detecting" if kind == "detector" else "classifying")
    folder = request.getfixturevalue("built" if kind == "detector" else "built_classifier")
    options = ("--no-peak", *QUICK, "--camera-loop", case.photos)
    outcome = edgecut("bench", folder, *options, "--json")
    assert outcome.code == 0, outcome
    rows = outcome.json["camera_loop"]
    assert [row["network"] for row in rows] == ["full", "cut"] * (len(rows) // 2)
    assert {row["artifact"] for row in rows} == {row["artifact"] for row in outcome.json["rows"]}
    if any(row["verdict"] == "INVALID" for row in rows):
        assert outcome.json["verdict"] == "INVALID"
    for row in rows:
        stages = row["stages_ms"]
        assert list(stages) == ["decode", "prepare", "infer", "finish"]
        assert all(ms > 0 for ms in stages.values())
        frames = [sum(frame) for burst in row["bursts_ms"] for frame in burst]
        assert row["frames"] == len(frames) >= 5
        assert row["frame_ms"] == pytest.approx(statistics.median(frames))
        gain = row["speed_up"]
        assert gain is None or gain["low"] <= gain["ratio"] <= gain["high"]


def test_what_is_not_counted_gives_no_rate(
    built_classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "cost", lambda network: replace(cost(network), uncounted=("lstm",)))
    options = ("--no-peak", *QUICK)
    data = edgecut("bench", built_classifier, *options, "--json").json
    kept = tmp_path / "bench.json"
    kept.write_text(json.dumps(data))
    assert recorded.read(kept, "edgecut.bench/1") == data  # it follows the published schema
    for row in data["rows"]:
        assert row["gmacs"] is row["achieved_gmacs_per_s"] is row["realisation"] is None
    assert all(one["macs_ratio"] is one["realisation"] is None for one in data["ratios"])
    assert "MACs are not known of lstm" in edgecut("bench", built_classifier, *options).stdout


def test_shares_of_the_peak(built_classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Measuring it takes ten seconds, and is tested with the probes.
    roof = Roof(
        threads=1,
        rates={"float32": 1e-6, "int8": 1e6},
        bandwidth_gb_per_s=10.0,
        reasons=(),
        doubtful=False,
        measured_at="2026-01-01T00:00:00+00:00",
    )
    monkeypatch.setattr(timing, "roofs_here", lambda wanted, tell: dict.fromkeys(wanted, roof))
    rows = edgecut("bench", built_classifier, *QUICK, "--json").json["rows"]
    for row in rows:
        peak = row["roofline"]["peak_gmacs_per_s"]
        assert peak == (1e6 if "int8" in row["artifact"] else 1e-6)
        assert row["share_of_peak"] == pytest.approx(row["achieved_gmacs_per_s"] / peak)
        impossible = row["share_of_peak"] > 1
        assert impossible == ("int8" not in row["artifact"])
        assert impossible == any("every probe" in why for why in row["roofline"]["reasons"])
    sheets = {row["artifact"]: row["roofline"]["datasheet"] for row in rows}
    for sheet in sheets.values():
        known = sheet and read_target(sheet["target"]).peak(sheet["scheme"])
        assert sheet is None or (known and sheet["gmacs_per_s"] == known.gmacs_per_s)
    said = edgecut("bench", built_classifier, *QUICK).stdout
    assert "in int8, threads: 1: 1e+06 GMAC/s (raspberry-pi-4's data sheet, all cores: " in said
    assert "of peak" in said and "The peaks may be higher than measured" in said
    assert "of peak" not in edgecut("bench", built_classifier, "--no-peak", *QUICK).stdout
    why = "the peak could not be measured: no runtime"
    monkeypatch.setattr(timing, "roofs_here", lambda wanted, tell: dict.fromkeys(wanted, why))
    said = edgecut("bench", built_classifier, *QUICK).stdout
    assert "of peak" not in said and f"Shares of the peak are not known: {why}." in said
