"""``edgecut profile`` on builds of tiny models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgecut import records
from edgecut.cost import cost
from edgecut.opened import open_bundle
from edgecut.profiling import profile
from edgecut.report.findings import gather
from tests.command import edgecut, refused

NAMES = {f"tiny.{s}.{f}" for s in ("float32", "float16", "int8") for f in ("tflite", "xml")}


@pytest.mark.parametrize("bundle", ["built", "built_classifier"])
def test_every_artifact_is_profiled_and_mapped(bundle: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(bundle)
    found = profile(folder, runs=5)
    assert {one.artifact for one in found} == NAMES
    for one in found:
        assert one.operators and one.categories == ("dog", "cat") and one.notes == ()
        # Only the quantiser's operation at an input of OpenVINO's has a name of its own making.
        if one.format == "tflite" or "int8" not in one.artifact:
            assert one.unmapped == (), one.artifact
        nodes = {name for operator in one.operators for name in operator.nodes or ()}
        assert len(nodes) > 3
        assert all(operator.categories for operator in one.operators if operator.nodes)
        told = sum(operator.macs or 0 for operator in one.operators)
        whole = cost(open_bundle(folder).network).macs
        # OpenVINO does not tell of what takes less than a microsecond.
        assert told == whole if one.format == "tflite" else 0.99 * whole < told <= whole


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A build of its own: what is kept beside it is no part of the others'."""
    return shutil.copytree(built, tmp_path / "copy", ignore=shutil.ignore_patterns("records"))


def test_all_artifacts_give_a_line_and_one_gives_tables(built: Path, copy: Path) -> None:
    overview = edgecut("profile", copy, "--runs", 5)
    assert overview.code == 0 and "--artifact NAME" in overview.stdout
    assert all(name in overview.stdout for name in NAMES)
    for given in ("tiny.float32.tflite", built / "tiny.float32.tflite"):
        one = edgecut("profile", built, "--artifact", given, "--runs", 5, "--top", 2)
        assert one.code == 0
        worst = one.stdout.partition("\n\n")[0]
        assert "the worst 2 of" in worst and len(worst.splitlines()) == 4
        for told in ("By operation type", "By category", "not delegated to XNNPACK", "explained"):
            assert told in one.stdout
    openvino = edgecut("profile", built, "--artifact", "tiny.float32.xml", "--runs", 5)
    assert "XNNPACK" not in openvino.stdout and "layout conversions" in openvino.stdout


def test_the_json_holds_the_samples_and_adds_up(built: Path) -> None:
    outcome = edgecut("profile", built, "--artifact", "tiny.int8.tflite", "--runs", 5, "--json")
    assert outcome.json["schema"] == "edgecut.profile/1"
    (told,) = outcome.json["profiles"]
    assert told["operators_ms"] == pytest.approx(sum(o["median_ms"] for o in told["operators"]))
    assert sum(o["share"] for o in told["operators"]) == pytest.approx(1)
    for group in ("by_type", "by_category"):
        assert sum(len(g["operators"]) for g in told[group]) == len(told["operators"])
        assert sum(g["median_ms"] for g in told[group]) == pytest.approx(told["operators_ms"])
    assert sum(map(len, told["bursts_ms"])) == told["runs"] == 5
    assert all(len(o["samples_ms"]) == 5 for o in told["operators"])
    assert told["explained"] == pytest.approx(told["operators_ms"] / told["latency_ms"])


def test_only_what_tells_of_all_artifacts_is_kept(copy: Path) -> None:
    edgecut("profile", copy, "--artifact", "tiny.int8.tflite", "--runs", 5)
    assert records.kept(copy) == []
    edgecut("profile", copy, "--runs", 5)
    (kept,) = records.kept(copy)
    assert {told["artifact"] for told in kept.data["profiles"]} == NAMES
    assert len(gather(copy).profiles) == len(NAMES)


def test_wrong_arguments_are_refused(built: Path, tmp_path: Path) -> None:
    for wrong in ("cut.onnx", "tiny", tmp_path / "tiny.int8.tflite"):
        told = refused("unknown-artifact", "profile", built, "--artifact", wrong)
        assert "tiny.int8.tflite" in told.partition("hint")[2]
    refused("not-a-bundle", "profile", tmp_path)
    for wrong in (("--threads", 0), ("--top", 0), ("--runs", 0), ("--artifact", "")):
        assert edgecut("profile", built, *wrong).code == 2


def test_a_changed_artifact_is_refused(copy: Path) -> None:
    shutil.copy(copy / "tiny.float32.tflite", copy / "tiny.int8.tflite")
    refused("changed-artifact", "profile", copy)


def test_a_bundle_that_contradicts_itself_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["artifacts"] = manifest["artifacts"][:1]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    refused("not-a-bundle", "profile", copy)
